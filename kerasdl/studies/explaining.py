"""The report's part on where networks look: Grad-CAM of right and wrong answers."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.predictions import softmax
from kerasdl.record import Run
from kerasdl.reporting import tables
from kerasdl.reporting.figures import gradcam as pictures
from kerasdl.reporting.figures import style
from kerasdl.reporting.illustrate import slugs
from kerasdl.sections import Figure, Section
from kerasdl.studies.conclude import Comparison

SEED = 0
"""Of the lot that chooses the images: the same answers give the same pictures."""

HOW_TO_READ = (
    "Grad-CAM (Selvaraju et al. 2017), cell by cell (HiResCAM, Draelos and Carin 2020): feature "
    "maps of the last convolutions, weighted with how much each cell raises the class's score. It "
    "shows where the evidence comes from, as coarsely as the maps are, and not what it is: heat "
    "on the object is no proof that the object was understood.",
    "Above each image stand the truth, the answer where it is another, and the answer's "
    "confidence. Under right answers is what speaks for the answer, under wrong ones also what "
    "speaks for the truth. Each map is scaled to its own maximum, so that two cannot be compared "
    "in strength. The images were drawn by lot, of different classes as far as possible.",
)


def sections(comparison: Comparison) -> list[Section]:
    """Returns where the best convolutional network of a comparison looks; draws the figure.

    Args:
        comparison: The finished comparison.

    Returns:
        One section; none where no network has a convolution, or the saved models are gone.
    """
    from kerasdl.models import saved as models

    for model in tables.ranked(comparison.record):
        path = saved(comparison, model.typical)
        figure = draw(comparison, model, models.load(path)) if path.is_file() else None
        if figure is not None:
            return [
                Section(title="Where the network looks", text=list(HOW_TO_READ), figures=[figure])
            ]
    return []


def saved(comparison: Comparison, run: Run) -> Path:
    """Returns where the trained model of a run is stored."""
    return comparison.folder / "models" / f"{run.model}-seed{run.seed}.keras"


def draw(comparison: Comparison, model: tables.Model, network: Any) -> Figure | None:
    """Draws heat maps over test images that were drawn by lot.

    Args:
        comparison: The finished comparison.
        model: One of its models.
        network: The Keras model of its run of median accuracy.

    Returns:
        The figure; None where the network has no convolution, or no predictions.
    """
    from kerasdl.models.feature_maps import last_maps

    run = model.typical
    scores = comparison.predictions.get(run.model, run.seed, run.settings)
    maps = last_maps(network)
    if scores is None or maps is None:
        return None
    right, wrong = _answers(network, comparison, scores)
    slug = slugs(tables.models(comparison.record))[model.name]
    name = f"{comparison.record.app}-gradcam-{slug}.png"
    pictures.examples(
        comparison.folder / "figures" / name,
        right,
        wrong,
        comparison.record.dataset.class_names,
        f"{style.safe(model.title)}: where it looks, seed {run.seed}",
        comparison.record.dataset,
    )
    cells = f"{maps.shape[0]}\u00d7{maps.shape[1]}"
    drawn = f"{len(right)} right and {len(wrong)} wrong answers"
    return Figure(
        file=f"figures/{name}",
        alt=f"Heat maps of {model.title} over {drawn}.",
        caption=f"{model.title}, seed {run.seed} (the run of median accuracy): heat of {cells} "
        f"cells ({maps.layer}), put where they look.",
    )


def _answers(
    network: Any, comparison: Comparison, scores: npt.NDArray[np.float32]
) -> tuple[list[pictures.Example], list[pictures.Example]]:
    """Returns examples of right and of wrong answers."""
    from kerasdl.training.gradcam import heat_maps

    images, labels = comparison.splits.test.images, comparison.splits.test.labels
    answered = scores.argmax(axis=1)
    chosen = [
        _by_lot(np.flatnonzero((answered == labels) == right), labels, pictures.COLUMNS)
        for right in (True, False)
    ]
    shown = np.concatenate(chosen)
    heats = heat_maps(network, images[shown], answered[shown])
    # Of a right answer, both are one.
    true_heats = heat_maps(network, images[chosen[1]], labels[chosen[1]])
    confidence = softmax(scores[shown]).max(axis=1)
    found = [
        pictures.Example(images[i], int(labels[i]), int(answered[i]), float(share), heat)
        for i, share, heat in zip(shown, confidence, heats, strict=True)
    ]
    right, wrong = found[: len(chosen[0])], found[len(chosen[0]) :]
    wrong = [
        dataclasses.replace(one, true_heat=heat)
        for one, heat in zip(wrong, true_heats, strict=True)
    ]
    return right, wrong


def _by_lot(
    places: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.int64]:
    """Returns at most `count` of the places, of different classes as far as there are."""
    drawn = np.random.default_rng(SEED).permutation(places)
    _, first = np.unique(labels[drawn], return_index=True)
    order = np.concatenate([np.sort(first), np.setdiff1d(np.arange(len(drawn)), first)])
    chosen: npt.NDArray[np.int64] = drawn[order[:count]]
    return chosen
