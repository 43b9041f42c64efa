"""Draws all figures of a report and says what each shows."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation import calibration, errors, metrics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.record import Record, Run
from kerasdl.reporting import text
from kerasdl.reporting.figures import (
    classes,
    confusion,
    curves,
    gallery,
    reliability,
    style,
    tradeoff,
)
from kerasdl.reporting.tables import Model, models

_OURS = re.compile(
    r"(curves|accuracy-parameters|accuracy-time|reliability|(curves|confusion|classes|errors)-.+)\.png"
)
GALLERY = 18


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Args:
        file: Its path in the run folder, with forward slashes.
        alt: What it shows, for people who do not see it.
        caption: What to look for.
        model: The name of the model it is of; None for all.
    """

    file: str
    alt: str
    caption: str
    model: str | None = None


def slugs(shown: Sequence[Model]) -> dict[str, str]:
    """Returns a distinct, harmless part of a file name for each model's name."""
    found: dict[str, str] = {}
    for model in shown:
        base = re.sub(r"[^a-z0-9]+", "-", model.name.lower()).strip("-")[:40]
        slug = base or f"model-{model.index}"
        # Two names may differ in what a file name cannot hold.
        found[model.name] = f"{slug}-{model.index}" if slug in found.values() else slug
    return found


def illustrate(
    folder: Path,
    record: Record,
    test_images: npt.NDArray[np.uint8],
    predictions: Predictions,
) -> list[Picture]:
    """Writes `figures/*.png` into a run folder.

    Args:
        folder: The run folder.
        record: The record.
        test_images: uint8 array (n, h, w, c).
        predictions: Predictions on them; a model without is left out of the
            figures that need them.

    Returns:
        What was drawn: first the figures of all models, then each model's.
    """
    place, dataset, shown = folder / "figures", record.dataset, models(record)
    if not shown:
        return []
    # One model alone has nothing to be compared with: its own figures say it all.
    pictures = _comparing(place, record, shown) if len(shown) > 1 else []
    answered = [model for model in shown if _scores(model, predictions)]
    if answered:
        found = [(model, _bins(model, predictions)) for model in answered]
        reliability.diagrams(place / "reliability.png", found, dataset)
        pictures.append(_reliability(answered))
    names = slugs(shown)
    for model in shown:
        pictures += _of_model(place, names[model.name], record, model, test_images, predictions)
    # A record that was made anew with other models must not keep pictures of the old ones.
    kept = {Path(picture.file).name for picture in pictures}
    for old in place.glob("*.png"):
        if old.name not in kept and _OURS.fullmatch(old.name):
            old.unlink()
    return pictures


def _comparing(place: Path, record: Record, shown: Sequence[Model]) -> list[Picture]:
    """Draws the figures that set models side by side."""
    dataset, pictures = record.dataset, []
    if curves.overview(place / "curves.png", shown, dataset):
        pictures.append(_curves(shown))
    tradeoff.against_parameters(place / "accuracy-parameters.png", shown, record.reported, dataset)
    pictures.append(
        Picture(
            "figures/accuracy-parameters.png",
            f"Test accuracy against parameters. {_levels(shown)}",
            "Whether size pays: up is better, left is smaller; the axis is logarithmic. Whiskers "
            "are one standard deviation over the seeds; hollow marks, where there are any, are "
            "figures that other reports print.",
        )
    )
    tradeoff.against_time(place / "accuracy-time.png", shown, dataset)
    pictures.append(
        Picture(
            "figures/accuracy-time.png",
            f"Test accuracy against training time. {_levels(shown)}",
            "What a minute buys: up is better, left is faster, on the machine of this run.",
        )
    )
    return pictures


def _levels(shown: Sequence[Model]) -> str:
    parts = [f"{m.title} {text.percent_spread(m.summary.test_accuracy)} %" for m in shown]
    return "; ".join(parts) + "."


def _curves(shown: Sequence[Model]) -> Picture:
    parts = []
    for model in shown:
        found = curves.series(model, "val_accuracy") or curves.series(model, "accuracy")
        if found is not None:
            parts.append(f"{model.title} ends at {text.percent(float(found[1][-1]))} %")
    return Picture(
        "figures/curves.png",
        f"Learning curves of all models. {'; '.join(parts)}.",
        "How fast each model learns and whether it was still learning when it stopped. Lines are "
        "means over the seeds, bands one standard deviation. Each model has a figure of its own "
        "below, with training and validation.",
    )


def _reliability(answered: Sequence[Model]) -> Picture:
    parts = [f"{m.title} {text.percent_spread(m.summary.ece)} %" for m in answered]
    return Picture(
        "figures/reliability.png",
        f"Reliability diagrams. Expected calibration error: {'; '.join(parts)}.",
        "Whether a model is right as often as it is sure. Bars below the dashed line: too sure of "
        "itself; above: too modest. The grey strip shows how many answers have that confidence; "
        "pale bars rest on fewer than ten. 15 bins (Guo et al. 2017), all seeds together.",
    )


def _scores(model: Model, predictions: Predictions) -> list[tuple[Run, npt.NDArray[np.float32]]]:
    found = [(run, predictions.get(run.model, run.seed, run.settings)) for run in model.runs]
    return [(run, scores) for run, scores in found if scores is not None]


def _bins(model: Model, predictions: Predictions) -> calibration.Reliability:
    scores = [one for _, one in _scores(model, predictions)]
    labels = np.tile(predictions.labels, len(scores))
    return calibration.reliability(labels, np.concatenate(scores))


def _of_model(
    place: Path,
    slug: str,
    record: Record,
    model: Model,
    test_images: npt.NDArray[np.uint8],
    predictions: Predictions,
) -> list[Picture]:
    dataset, labels = record.dataset, predictions.labels
    names = dataset.class_names
    title, drawn = style.safe(model.title), []

    def add(kind: str, alt: str, caption: str) -> None:
        drawn.append(Picture(f"figures/{kind}-{slug}.png", alt, caption, model.name))

    if curves.single(place / f"curves-{slug}.png", model, dataset):
        add(
            "curves",
            f"Learning curves of {model.title}: loss and accuracy on training and validation "
            f"images over {max(run.epochs for run in model.runs)} epochs.",
            "Validation that gets worse while training still gets better is overfitting. Training "
            "values are measured while the weights change and on augmented images, so they may "
            "lie below validation.",
        )
    scored = _scores(model, predictions)
    if not scored:
        return drawn
    counts = np.sum(
        [metrics.confusion(labels, one.argmax(axis=1), len(names)) for _, one in scored], axis=0
    )
    seeds = f"{len(scored)} seeds added up" if len(scored) > 1 else f"seed {scored[0][0].seed}"
    confusion.matrix(
        place / f"confusion-{slug}.png", counts, names, f"{title}: confusion, {seeds}", dataset
    )
    most = confusion.worst(counts)
    sentence = "It makes no error."
    if most is not None:
        true, predicted = text.plain(names[most[0]]), text.plain(names[most[1]])
        sentence = f"Most often {true} is taken for {predicted} ({_times(most[2])})."
    add(
        "confusion",
        f"Confusion matrix of {model.title}. {sentence}",
        f"Rows are true classes, columns answers ({seeds}). {sentence} The colour is the share of "
        "the true class on a square-root scale, so that rare errors show.",
    )
    totals = np.bincount(labels, minlength=len(names)).tolist()
    shares = [right / total if total else None for right, total in _diagonal(counts)]
    classes.accuracies(
        place / f"classes-{slug}.png",
        shares,
        totals,
        names,
        style.color(model.index),
        f"{title}: accuracy by class",
        dataset,
    )
    known = [(share, text.plain(names[i])) for i, share in enumerate(shares) if share is not None]
    low, high = min(known), max(known)
    add(
        "classes",
        f"Accuracy of {model.title} by class: lowest {low[1]} with {text.percent(low[0])} %, "
        f"highest {high[1]} with {text.percent(high[0])} %.",
        "Classes whose interval lies left of the dashed line are harder than the rest beyond what "
        "the number of test images explains. Intervals are Wilson's, 95 %.",
    )
    run, one = next((pair for pair in scored if pair[0] is model.typical), scored[0])
    wrong = errors.most_confident(labels, one, GALLERY)
    if wrong:
        heading = f"{title}: most confident errors, seed {run.seed}"
        gallery.errors(place / f"errors-{slug}.png", test_images, wrong, names, heading, dataset)
        first = wrong[0]
        add(
            "errors",
            f"The {len(wrong)} most confident errors of {model.title}, true label and answer above "
            f"each; the surest: {text.plain(names[first.true])} taken for "
            f"{text.plain(names[first.predicted])} with {first.confidence * 100:.1f} %.",
            f"True → answered, with the confidence (seed {run.seed}, the run of median accuracy). "
            "Look for wrong labels, for cut or crowded pictures, and for one mistake that repeats.",
        )
    return drawn


def _times(number: int) -> str:
    return "once" if number == 1 else f"{text.count(number)} times"


def _diagonal(counts: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(counts.diagonal().tolist(), counts.sum(axis=1).tolist(), strict=True))
