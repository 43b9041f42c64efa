"""Test accuracy against what it costs: parameters or training time."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasdl.record import DatasetInfo, Reported, Spread
from kerasdl.reporting import text
from kerasdl.reporting.figures import style
from kerasdl.reporting.figures.labels import place_labels
from kerasdl.reporting.tables import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOLLOW = ("o", "s", "^", "D", "v", "P", "X", "*")
# Each about three times the one before.
SECONDS = [0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 10800, 36000, 108000, 360000]


def against_parameters(
    path: Path, models: Sequence[Model], reported: Sequence[Reported], dataset: DatasetInfo
) -> None:
    """Draws accuracy against the number of parameters.

    Args:
        path: The PNG to write.
        models: The models, at least one.
        reported: Figures of other reports; those of our models are drawn hollow.
            Never on synthetic data, whatever is given.
        dataset: The data, for the label.
    """
    costs = [
        Spread(mean=float(max(1, model.summary.parameters)), std=None, n=1) for model in models
    ]
    shown = [] if dataset.source == "synthetic" else reported
    _draw(
        path,
        ("Test accuracy against size", "Parameters"),
        (models, costs, shown, dataset),
        [m * 10**e for e in range(0, 12) for m in (1, 2, 5)],
        _size,
    )


def against_time(path: Path, models: Sequence[Model], dataset: DatasetInfo) -> None:
    """Draws accuracy against the wall time of training.

    Args:
        path: The PNG to write.
        models: The models, at least one.
        dataset: The data, for the label.
    """
    _draw(
        path,
        ("Test accuracy against training time", "Training time of one seed"),
        (models, [model.summary.train_seconds for model in models], [], dataset),
        SECONDS,
        _clock,
    )


def _size(value: float) -> str:
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {prefix}"
    return f"{value:g}"


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def _draw(
    path: Path,
    titles: tuple[str, str],
    content: tuple[Sequence[Model], Sequence[Spread], Sequence[Reported], DatasetInfo],
    ticks: Sequence[float],
    tick_text: Callable[[float], str],
) -> None:
    models, costs, reported, dataset = content
    with style.drawing(path, (7.2, 4.8), titles[0], dataset) as figure:
        axes = figure.subplots()
        points, heights, extra = [], [], []
        for model, cost in zip(models, costs, strict=True):
            x, accuracy = max(cost.mean, 1e-3), model.summary.test_accuracy
            y, error = accuracy.mean * 100, (accuracy.std or 0.0) * 100
            axes.errorbar(
                x,
                y,
                yerr=error or None,
                fmt=style.marker(model.index),
                color=style.color(model.index),
                ms=7,
                capsize=3,
                lw=1.2,
            )
            points.append((x, y, style.safe(text.shorten(model.title, 28))))
            ends = [y - error, y + error]
            heights += ends
            extra += [(x, end) for end in ends]
        hollow = _hollow(axes, models, costs, reported)
        heights += [y for _, y in hollow]
        extra += hollow
        axes.set_xscale("log")
        xs = [x for x, _, _ in points]
        low, high = min(xs), max(xs)
        # At least a factor of ten: a narrow range would suggest a difference.
        widen = max(1.5, math.sqrt(10 * low / high))
        axes.set_xlim(low / widen, high * widen)
        shown = [tick for tick in ticks if low / widen <= tick <= high * widen]
        thin = shown[:: max(1, math.ceil(len(shown) / 9))]
        axes.set_xticks(thin, [tick_text(tick) for tick in thin])
        axes.minorticks_off()
        style.percent_axis(axes, min(heights), max(heights))
        axes.set_xlabel(titles[1])
        axes.set_ylabel("Test accuracy, %")
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        place_labels(figure, axes, points, extra)


def _hollow(
    axes: "Axes", models: Sequence[Model], costs: Sequence[Spread], reported: Sequence[Reported]
) -> list[tuple[float, float]]:
    """Draws reported figures at the size of our model of that name; returns their places."""
    places = {
        model.summary.model: (cost.mean, style.color(model.index))
        for model, cost in zip(models, costs, strict=True)
    }
    drawn = []
    reports = list(dict.fromkeys(one.report for one in reported))
    named = set()
    for one in reported:
        if one.model not in places:
            continue
        x, color = places[one.model]
        shape = HOLLOW[reports.index(one.report) % len(HOLLOW)]
        y = one.test_accuracy * 100
        axes.plot(x, y, shape, mfc="none", mec=color, ms=8, mew=1.3)
        drawn.append((x, y))
        if one.report not in named:
            named.add(one.report)
            label = f"reported ({style.safe(text.shorten(one.report, 30))})"
            axes.plot([], [], shape, mfc="none", mec=style.MUTED, ms=8, mew=1.3, label=label)
    return drawn
