"""What the features look like from outside: in a plane, coloured by class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.embedding import NEIGHBOURS, choose, embed
from kerasdl.reporting import text
from kerasdl.reporting.figures import embedding as figures
from kerasdl.sections import Figure, Section
from kerasdl.studies.building import precision_of
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.transfer.arms import Trained

if TYPE_CHECKING:
    from kerasdl.studies.networks import Study

SEED = 0
MOST, FEWEST = 800, 200
AFFORDED = 3e11
"""Multiply-accumulates to spend on features that are not kept: some ten seconds of two cores."""


def section(
    comparison: Comparison, study: "Study", arms: Sequence[Trained], networks: Mapping[str, Any]
) -> Section | None:
    """Returns the picture of the features of one base's arms, and how much of them it keeps.

    Args:
        comparison: The finished comparison.
        study: The study; has the features that were kept.
        arms: The arms of one base.
        networks: The trained networks by model; a model whose file is gone is left out.

    Returns:
        The section; None where there are too few test images, or no network's features differ.
    """
    labels = comparison.splits.test.labels
    costs = [one.model.typical.multiply_accumulates or 0 for one in arms if not _kept(study, one)]
    limit = MOST if not costs else int(np.clip(AFFORDED / max(1, *costs), FEWEST, MOST))
    shown = choose(len(labels), limit, SEED)
    if len(shown) < 2 * NEIGHBOURS:
        return None
    panels, dead, sentences = [], [], []
    for one in arms:
        if one.model.name not in networks:
            continue
        features = _features(study, one, networks[one.model.name], shown)
        found = embed(features, labels[shown], seed=SEED)
        if found is None:
            dead.append(one.model.title)
            continue
        panels.append(
            figures.Panel(one.model.title, found, labels[shown], _right(comparison, one, shown))
        )
        sentences.append(f"{one.model.title} {100 * found.agreement[0]:.1f} %")
        chance = found.chance
    if not panels:
        return None
    name = f"{comparison.record.app}-features.png"
    figures.planes(
        comparison.folder / "figures" / name,
        panels,
        comparison.record.dataset.class_names,
        f"Features of {len(shown)} test images",
        comparison.record.dataset,
    )
    words = [
        f"Of an image's {NEIGHBOURS} nearest neighbours among the features (of {len(shown)} test "
        f"images), so many are of its class: {text.listing(sentences)}; chance would give "
        f"{100 * chance:.1f} %. No head is needed for that: it is what the base alone knows of "
        "these classes."
    ]
    if dead:
        words.append(
            f"The features of {text.listing(dead)} are the same for all images: it learned nothing."
        )
    return Section(
        title="What the features know",
        text=words,
        figures=[
            Figure(
                file=f"figures/{name}",
                alt=f"Features of {len(shown)} test images in a plane, coloured by class: "
                f"{text.listing([panel.title for panel in panels])}.",
                caption="Left the plane in which the features vary most (principal components), "
                "right t-SNE (van der Maaten and Hinton 2008), which keeps neighbours together. "
                "Each point is a test image, drawn by lot; rings are wrong answers. Eyes find "
                "groups anywhere: the number above each picture says how much of the neighbourhood "
                "is in it. Sizes of t-SNE's groups and distances between them mean nothing.",
            )
        ],
    )


def _kept(study: "Study", one: Trained) -> bool:
    """Whether the features of the test images are kept: those of a base that never changed."""
    return one.arm == "frozen" and study.plan.transfer[one.model.summary.model].cached


def _features(
    study: "Study", one: Trained, network: Any, shown: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Returns the features of some test images, float32 (n, d)."""
    images, name = study.splits.test.images, one.model.summary.model
    if _kept(study, one):
        from kerasdl.studies.transfer.cached import CachedBase

        base = CachedBase(
            network, one.settings, precision_of(study.plan, name), study.cache, study.console
        )
        return np.asarray(base.of(images)[shown], np.float32)
    from kerasdl.models import transfer

    features = transfer.features_model(network)
    return np.asarray(features.predict(images[shown], batch_size=64, verbose=0), np.float32)


def _right(
    comparison: Comparison, one: Trained, shown: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_] | None:
    """Returns which images the drawn network answers rightly."""
    run = one.model.typical
    scores = comparison.predictions.get(run.model, run.seed, run.settings)
    if scores is None:
        return None
    answered = scores[shown].argmax(axis=1)
    right: npt.NDArray[np.bool_] = answered == comparison.predictions.labels[shown]
    return right
