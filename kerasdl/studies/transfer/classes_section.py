"""Accuracy class by class, the point of report E's row 15, and what it claims."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation import metrics
from kerasdl.reporting import text
from kerasdl.sections import Claim, Section, Table, Verdict
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.transfer.arms import Trained

SHOWN = 20
REPORTED = 0.3, 0.6
"""The batch accuracies that report E prints for frozen VGG16, about."""

Rates = npt.NDArray[np.float64]


def section(comparison: Comparison, arms: Sequence[Trained]) -> Section:
    """Returns the table of accuracies by class with their intervals, and the claims.

    Args:
        comparison: The finished comparison.
        arms: Its arms.
    """
    labels = comparison.predictions.labels
    names = [text.plain(name) for name in comparison.record.dataset.class_names]
    counts = np.bincount(labels, minlength=len(names))
    order = sorted(arms, key=lambda one: -one.model.summary.test_accuracy.mean)
    rates = {one.model.name: _rates(one, len(names)) for one in order}
    shown = np.flatnonzero(counts)
    best = order[0]
    if len(shown) > SHOWN:
        hardest = np.argsort(rates[best.model.name][shown], kind="stable")[:SHOWN]
        shown = shown[hardest]
    rows: list[list[str | float | int | None]] = [
        [
            f"{i}: {names[i]}",
            int(counts[i]),
            *(_with_interval(rates[one.model.name][i], int(counts[i])) for one in order),
        ]
        for i in shown
    ]
    total = int(counts.sum())
    means = [one.model.summary.test_accuracy.mean for one in order]
    rows.append(["all", total, *(_with_interval(mean, total) for mean in means)])
    left_out = np.count_nonzero(counts) - len(shown)
    table = Table(
        name="class-accuracy",
        title="Test accuracy by class, in percent, with 95 % intervals"
        + (f" (the {SHOWN} hardest of {np.count_nonzero(counts)} classes)" if left_out else ""),
        columns=["Class", "Images", *(one.model.title for one in order)],
        rows=rows,
        note="Mean over the seeds; the interval (Wilson 1927) is that of the test images alone: "
        "more seeds are not more images.",
    )
    return Section(
        title="Class by class",
        text=[_words(best, rates[best.model.name], counts, names)],
        claims=_claims(comparison, arms),
        tables=[table],
    )


def _rates(one: Trained, num_classes: int) -> Rates:
    """Returns the accuracy by class, mean over the seeds; NaN for a class without images."""
    found = [run.metrics.per_class_accuracy for run in one.model.runs]
    table = np.array([[np.nan if v is None else v for v in row] for row in found], np.float64)
    return np.asarray(table.reshape(-1, num_classes).mean(axis=0), np.float64)


def _interval(rate: float, count: int) -> tuple[float, float]:
    # A mean over seeds need not be a whole number of images; the formula does not ask for one.
    return metrics.wilson(min(rate * count, count), count)  # type: ignore[arg-type]


def _with_interval(rate: float, count: int) -> str:
    return f"{100 * rate:.1f} ({_ends(rate, count)})"


def _ends(rate: float, count: int) -> str:
    low, high = _interval(rate, count)
    return f"{100 * low:.1f}\u2013{100 * high:.1f}"


def _words(best: Trained, rates: Rates, counts: npt.NDArray[np.intp], names: Sequence[str]) -> str:
    there = np.flatnonzero(counts)
    overall = best.model.summary.test_accuracy.mean
    low, high = there[np.argmin(rates[there])], there[np.argmax(rates[there])]
    below = [
        names[i]
        for i in there[np.argsort(rates[there], kind="stable")]
        if _interval(rates[i], int(counts[i]))[1] < overall
    ]
    hard = (
        f"Harder than the rest beyond what the number of images explains: {text.listing(below)}."
        if below
        else "No class is harder than the rest beyond what the number of images explains."
    )
    low_end, high_end = (
        f"{100 * rates[i]:.1f} % (95 % interval {_ends(rates[i], int(counts[i]))})"
        for i in (low, high)
    )
    return (
        f"{best.model.title} is least often right on {names[low]}, {low_end}, and most often on "
        f"{names[high]}, {high_end}. {hard}"
    )


def _claims(comparison: Comparison, arms: Sequence[Trained]) -> list[Claim]:
    """Returns what report E's row 15 claims beside what frozen arms came to."""
    frozen = [one for one in arms if one.arm == "frozen"]
    if not frozen or not comparison.real("fashion_mnist"):
        return []
    same = [one for one in frozen if one.base.name == "vgg16"]
    shown = same or frozen
    parts = []
    for one in shown:
        first, last = (_batches(one, place) for place in (0, -1))
        parts.append(
            f"{one.base.title} with the weights {one.weights!r} at {one.side(comparison.record)} "
            f"pixels: batches of the first epoch {first:.2f} in the mean, of the last "
            f"{last:.2f}; test images {comparison.score(one.model.name)}"
        )
    if not same:
        parts.append("VGG16 itself was not trained here")
    elif same[0].weights != "ImageNet":
        parts.append("ImageNet's weights, which the report had, were not at hand")
    return [
        Claim(
            report="E, row 15",
            claim="VGG16 with frozen convolutions and new dense layers, on Fashion-MNIST, comes to "
            "batch accuracies of about 0.3 to 0.6.",
            measured=f"{'. '.join(parts)}.",
            verdict=_verdict(same),
        )
    ]


def _batches(one: Trained, place: int) -> float:
    """Returns the mean accuracy of an epoch's training batches, over the seeds."""
    return float(np.mean([run.history["accuracy"][place] for run in one.model.runs]))


def _verdict(same: Sequence[Trained]) -> Verdict:
    """Judges the claim by VGG16 with ImageNet's weights; nothing else speaks of it."""
    if not same or same[0].weights != "ImageNet":
        return "undecided"
    ends = [run.history["accuracy"][-1] for run in same[0].model.runs]
    inside = [REPORTED[0] <= end <= REPORTED[1] for end in ends]
    if all(inside):
        return "right"
    return "undecided" if any(inside) else "wrong"
