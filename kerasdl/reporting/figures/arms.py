"""Frozen, fine-tuned or from scratch: accuracy and time of each way of training a base."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.reporting.figures import style


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way of training one base.

    Args:
        title: The model's name for people.
        accuracies: Test accuracy by seed, 0..1.
        feature_seconds: Mean seconds until its features were there; 0 where it has none.
        train_seconds: Mean seconds of the training itself.
        index: Position in the record; chooses the colour.
    """

    title: str
    accuracies: Sequence[float]
    feature_seconds: float
    train_seconds: float
    index: int


def accuracy_and_time(path: Path, arms: Sequence[Arm], title: str, dataset: DatasetInfo) -> None:
    """Draws a row for each arm: left its accuracies, right its time.

    Args:
        path: The PNG to write.
        arms: The arms, at least one, top first.
        title: E.g. "Frozen, fine-tuned or from scratch".
        dataset: The data, for the label.
    """
    rows = np.arange(len(arms))
    with style.drawing(path, (9.2, 1.75 + 0.42 * len(arms)), title, dataset) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for row, arm in zip(rows, arms, strict=True):
            values = 100 * np.asarray(arm.accuracies, np.float64)
            color = style.color(arm.index)
            left.plot(values, np.full(len(values), row), "o", ms=4, color=color, alpha=0.45)
            left.plot(values.mean(), row, "|", ms=18, mew=2.4, color=color)
            total = arm.feature_seconds + arm.train_seconds
            right.barh(row, arm.feature_seconds, height=0.55, color=color, alpha=0.4)
            right.barh(row, arm.train_seconds, height=0.55, left=arm.feature_seconds, color=color)
            right.annotate(
                text.duration(total), (total, row), textcoords="offset points", xytext=(4, 0),
                va="center", fontsize=8,
            )  # fmt: skip
        labels = [style.safe(text.shorten(arm.title, 40)) for arm in arms]
        left.set_yticks(rows, labels, fontsize=8.5)
        left.set_ylim(len(arms) - 0.4, -0.6)
        spread = [100 * value for arm in arms for value in arm.accuracies]
        style.percent_axis(left, min(spread), max(spread), axis="x")
        left.set_xlabel("Test accuracy, %; dots: seeds, bar: mean")
        longest = max(arm.feature_seconds + arm.train_seconds for arm in arms)
        right.set_xlim(0, 1.3 * max(longest, 1e-3))
        right.set_xlabel("Seconds a seed; pale: features, full: training")
        for axes in (left, right):
            axes.grid(visible=False, axis="y")
