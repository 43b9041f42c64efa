"""Test accuracy against what it costs: parameters or training time."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasdl.reporting import text
from kerasdl.reporting.figures import style
from kerasdl.reporting.record import DatasetInfo, Reported, Spread
from kerasdl.reporting.tables import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HOLLOW = ("o", "s", "^", "D", "v", "P", "X", "*")
SECONDS = [
    *(1, 2, 5, 10, 20, 30),
    *(60 * m for m in (1, 2, 5, 10, 20, 30)),
    *(3600 * h for h in (1, 2, 5, 10, 20, 50, 100)),
]


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
        lambda value: text.quantity(value).replace(text.THIN, " "),
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
        points, heights = [], []
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
            heights += [y - error, y + error]
        heights += _hollow(axes, models, costs, reported)
        axes.set_xscale("log")
        xs = [x for x, _, _ in points]
        low, high = min(xs), max(xs)
        # At least a factor of ten: a narrow range would suggest a difference.
        widen = max(1.35, math.sqrt(10 * low / high))
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
        _label(figure, axes, points)


def _hollow(
    axes: "Axes", models: Sequence[Model], costs: Sequence[Spread], reported: Sequence[Reported]
) -> list[float]:
    """Draws reported figures at the size of our model of that name; returns their heights."""
    places = {
        model.summary.model: (cost.mean, style.color(model.index))
        for model, cost in zip(models, costs, strict=True)
    }
    heights = []
    reports = list(dict.fromkeys(one.report for one in reported))
    named = set()
    for one in reported:
        if one.model not in places:
            continue
        x, color = places[one.model]
        shape = HOLLOW[reports.index(one.report) % len(HOLLOW)]
        y = one.test_accuracy * 100
        axes.plot(x, y, shape, mfc="none", mec=color, ms=8, mew=1.3)
        heights.append(y)
        if one.report not in named:
            named.add(one.report)
            label = f"reported ({style.safe(text.shorten(one.report, 30))})"
            axes.plot([], [], shape, mfc="none", mec=style.MUTED, ms=8, mew=1.3, label=label)
    return heights


def _label(figure: "Figure", axes: "Axes", points: Sequence[tuple[float, float, str]]) -> None:
    """Writes each point's name beside it, where neither names nor markers are covered.

    Greedy: the first free place of a fixed list, near ones first, and a thin
    line to the point where it had to go far.
    """
    figure.draw_without_rendering()
    canvas = figure.canvas
    renderer = canvas.get_renderer()  # type: ignore[attr-defined]
    frame = axes.get_window_extent(renderer)
    pixels = axes.transData.transform([(x, y) for x, y, _ in points])
    taken = [(px - 9, py - 9, px + 9, py + 9) for px, py in pixels]
    offsets = [
        (radius * math.cos(angle), radius * math.sin(angle))
        for radius in (9, 16, 26, 38, 52, 68)
        for angle in (math.radians(d) for d in (0, 180, 90, 270, 35, 325, 145, 215))
    ]
    for i in np.argsort(-pixels[:, 1], kind="stable"):
        x, y, name = points[i]
        best = None
        for dx, dy in offsets:
            note = axes.annotate(
                name,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                fontsize=8.5,
                ha="left" if dx > 1 else "right" if dx < -1 else "center",
                va="center" if abs(dx) > 1 else "bottom" if dy > 0 else "top",
                arrowprops=(
                    {"arrowstyle": "-", "lw": 0.6, "color": style.MUTED, "shrinkA": 1, "shrinkB": 4}
                    if math.hypot(dx, dy) > 20
                    else None
                ),
            )
            note.set_in_layout(False)
            box = note.get_window_extent(renderer)
            area = (box.x0 - 2, box.y0 - 1, box.x1 + 2, box.y1 + 1)
            inside = area[0] >= frame.x0 and area[2] <= frame.x1
            inside = inside and area[1] >= frame.y0 and area[3] <= frame.y1
            free = not any(
                area[0] < b[2] and b[0] < area[2] and area[1] < b[3] and b[1] < area[3]
                for b in taken
            )
            if inside and free:
                best = area
                break
            note.remove()
        if best is None:  # no free place at all: the legend of the curves has the colours
            axes.annotate(name, (x, y), (9, 0), textcoords="offset points", fontsize=7)
            continue
        taken.append(best)
