"""Figures of cross-entropy against squared error."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style
from kerasdl.theory.confidence import Calibration
from kerasdl.theory.convergence import PAIR, Convergence, Duel, steps_to
from kerasdl.theory.descent import STARTS
from kerasdl.theory.gradients import Curve, Measured
from kerasdl.theory.losses import Loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {"ce": "cross-entropy", "sigmoid_mse": "squared error"}
STARTS_NAMED = {"usual": "usual start", "wrong": "sure and wrong at the start"}
FEW = 10
SHOWN_RATE = 0.1
"""The equal learning rate of the curves, or the nearest there is."""


def gradients(
    path: Path,
    curves: tuple[Curve, Curve],
    measured: Sequence[tuple[Measured, Measured]],
    dataset: DatasetInfo | str,
) -> None:
    """Draws loss and gradient over the probability of the true class.

    Args:
        path: The PNG to write.
        curves: Of the formulas.
        measured: Single examples of each task; the first task's have a panel of their own.
        dataset: The data of the first task, for the label.
    """
    title = "How hard a mistake is punished, and how hard it pulls"
    with style.drawing(path, (11.0, 3.9), title, dataset) as figure:
        loss_axes, slope_axes, weights_axes = figure.subplots(1, 3)
        for index, curve in enumerate(curves):
            color, name = style.color(index), NAMES[curve.loss.name]
            loss_axes.plot(curve.q, curve.value, color=color, label=name)
            slope_axes.plot(curve.q, curve.gradient, color=color, label=name)
        for position, pair in enumerate(measured):
            for index, found in enumerate(pair):
                some = np.linspace(0, len(found.q) - 1, 60).astype(int)
                order = np.argsort(found.q)[some]
                slope_axes.plot(
                    found.q[order],
                    found.gradient[order],
                    ls="",
                    marker=style.marker(position),
                    ms=3.5,
                    mfc="none",
                    mec=style.color(index),
                    label=f"measured, {style.safe(found.task)}" if index == 0 else None,
                )
        for index, found in enumerate(measured[0]):
            middle = 0.5 * (found.edges[:-1] + found.edges[1:])
            full = found.counts >= FEW
            color = style.color(index)
            weights_axes.plot(middle[full], found.median[full], color=color, marker="o", ms=3)
            weights_axes.fill_between(
                middle[full], found.low[full], found.high[full], color=color, alpha=0.18, lw=0
            )
        loss_axes.set_ylim(0, 8)
        loss_axes.set_title("Loss of one example")
        slope_axes.set_title("Size of the derivative by the logit")
        weights_axes.set_title("Norm of the gradient by the weights,\nmedian and 10–90 %, measured")
        for axes in (loss_axes, slope_axes, weights_axes):
            axes.set_xlim(0, 1)
            axes.set_xlabel("Probability of the true class")
        slope_axes.legend(fontsize=7.5, loc="upper right")
        loss_axes.legend(fontsize=8, loc="upper right")
        weights_axes.set_ylim(bottom=0)


def convergence(path: Path, found: Convergence, dataset: DatasetInfo | str) -> None:
    """Draws training accuracy over steps, and steps to the target over learning rates.

    Args:
        path: The PNG to write.
        found: The measurements of one task.
        dataset: The data, for the label.
    """
    title = f"Which loss learns faster? {style.safe(found.task.title)}"
    rates = sorted({one.learning_rate for one in found.trainings})
    equal = min(rates, key=lambda rate: abs(np.log(rate / SHOWN_RATE)))
    margin = min(one.margin for one in found.best)
    target = found.best_accuracy - margin
    with style.drawing(path, (11.0, 6.2), title, dataset) as figure:
        grid = figure.subplots(2, 3, squeeze=False)
        for start, row in zip(STARTS, grid, strict=True):
            duel = next(d for d in found.best if d.start == start and d.margin == margin)
            _courses(row[0], found, start, (equal, equal), target)
            row[0].set_title(f"{STARTS_NAMED[start].capitalize()}:\nboth at the rate {equal:g}")
            _courses(row[1], found, start, duel.rates, target)
            row[1].set_title("Each at the rate\nthat suits it best")
            _by_rate(row[2], found, start, rates, margin, duel)
            row[2].set_title(f"Steps until {target * 100:.1f} % is kept,\nmedian and range")


def _courses(
    axes: "Axes", found: Convergence, start: str, rates: tuple[float, float], target: float
) -> None:
    for index, (loss, rate) in enumerate(zip(PAIR, rates, strict=True)):
        column = found.column(loss, start, rate)
        accuracy = np.stack([one.accuracy[:, column] for one in found.courses]) * 100
        steps = np.maximum(found.courses[0].steps, 0.5)
        color = style.color(index)
        label = f"{NAMES[loss.name]}, rate {rate:.3g}"
        axes.plot(steps, np.median(accuracy, axis=0), color=color, label=label)
        axes.fill_between(
            steps, accuracy.min(axis=0), accuracy.max(axis=0), color=color, alpha=0.18, lw=0
        )
    axes.axhline(target * 100, color=style.MUTED, lw=0.8, ls=(0, (3, 2)))
    axes.set_xscale("log")
    axes.set_ylim(0, 100)
    axes.set_xlabel("Steps")
    axes.set_ylabel("Training accuracy, %")
    axes.legend(fontsize=7.5, loc="lower right")


def _by_rate(
    axes: "Axes",
    found: Convergence,
    start: str,
    rates: Sequence[float],
    margin: float,
    best: Duel,
) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    target = found.best_accuracy - margin
    for index, loss in enumerate(PAIR):
        steps = np.array([_steps(found, loss, start, rate, target) for rate in rates])
        middle = np.median(steps, axis=1)
        color = style.color(index)
        axes.plot(rates, middle, color=color, marker="o", ms=3.5)
        axes.fill_between(
            rates, steps.min(axis=1), steps.max(axis=1), color=color, alpha=0.18, lw=0
        )
        chosen = rates.index(best.rates[index])
        axes.plot(rates[chosen], middle[chosen], color=color, marker="*", ms=12, ls="")
    axes.axhline(found.budget, color=style.MUTED, lw=0.8, ls=(0, (3, 2)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Learning rate (dashed: not reached)")


def _steps(found: Convergence, loss: Loss, start: str, rate: float, target: float) -> list[float]:
    column = found.column(loss, start, rate)
    return [float(steps_to(course, target, found.budget)[0][column]) for course in found.courses]


def calibration(path: Path, found: Sequence[Calibration], dataset: DatasetInfo | str) -> None:
    """Draws reliability diagrams of the first seed, a row per task.

    Args:
        path: The PNG to write.
        found: The tasks, at least one.
        dataset: The data of the first task, for the label.
    """
    title = "Is logistic regression as often right as it is sure?"
    with style.drawing(path, (6.4, 0.9 + 2.7 * len(found)), title, dataset) as figure:
        grid = figure.subplots(len(found), 2, squeeze=False, sharex=True, sharey=True)
        for row, task in zip(grid, found, strict=True):
            for index, (axes, one) in enumerate(zip(row, task.found, strict=True)):
                bins, color = one.bins, style.color(index)
                full = bins.counts > 0
                bars = axes.bar(
                    bins.edges[:-1][full] * 100,
                    bins.accuracy[full] * 100,
                    np.diff(bins.edges)[full] * 100,
                    align="edge",
                    color=color,
                    edgecolor="white",
                )
                for bar, count in zip(bars, bins.counts[full], strict=True):
                    bar.set_alpha(0.7 if count >= FEW else 0.25)
                axes.plot([50, 100], [50, 100], color="#333333", lw=1, ls=(0, (3, 2)))
                axes.set_xlim(50, 100)
                axes.set_ylim(0, 100)
                name = NAMES[one.loss.name]
                axes.set_title(
                    f"{style.safe(task.task)}\n{name}, ECE {one.bins.ece * 100:.1f} %", fontsize=8.5
                )
                axes.set_xlabel("Confidence, %", fontsize=8)
            row[0].set_ylabel("Accuracy, %", fontsize=8)
