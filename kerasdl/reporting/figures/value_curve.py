"""What a search optimises against the values of one hyper-parameter, with its band over seeds."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.reporting.figures import scales, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = scales.Floats

CHOSEN, SIMPLEST = style.PALETTE[1], style.PALETTE[2]
DASHES: Any = ((0, (4, 2)), (0, (1, 1)), (0, (4, 1, 1, 1)))
ACROSS = 3
"""Panels in a row."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """Trials that differ in one number.

    Args:
        label: The name of the number.
        values: The numbers, (n,).
        scores: The objective of each trial by seed, n arrays (seeds,), as recorded.
        joined: Whether nothing else differs, so that a line through the means has a meaning.
        best: The place of the search's best trial; None where it is in another panel.
        simplest: The same of the simplest trial tied with it.
        failed: The numbers of trials that failed.
    """

    label: str
    values: Floats
    scores: Sequence[Floats]
    joined: bool
    best: int | None = None
    simplest: int | None = None
    failed: Sequence[float] = ()


def draw(
    path: Path,
    panels: Sequence[Panel],
    objective: scales.Objective,
    names: tuple[str, str],
    dataset: DatasetInfo,
    without: Sequence[tuple[str, float]] = (),
) -> None:
    """Draws mean, band of one standard deviation and each seed's dot against the value.

    Args:
        path: The PNG to write.
        panels: At least one; one with no completed trial is left out.
        objective: The vertical axis.
        names: The figure's title, and what the simplest is, e.g. "smallest tied with it".
        dataset: The data, for the label.
        without: Names and mean objectives of trials that have none of the numbers: dashed.
    """
    shown = [panel for panel in panels if len(panel.values)]
    every = objective.shown(np.concatenate([np.concatenate(panel.scores) for panel in shown]))
    means = objective.shown([one.mean() for panel in shown for one in panel.scores])
    worst = objective.worse(means)
    # Room for the seeds of the worst mean too, unless one of them collapsed.
    room = worst - 0.25 * (float(means.max()) - worst)
    worst = max(room, min(worst, float(every.min())))
    columns = min(ACROSS, len(shown))
    rows = math.ceil(len(shown) / columns)
    size = (7.4 if columns == 1 else 3.0 * columns + 0.6, 1.3 + (3.0 if rows == 1 else 2.6 * rows))
    with style.drawing(path, size, names[0], dataset) as figure:
        places = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
        for number, axes in enumerate(places):
            if number >= len(shown):
                axes.remove()
                continue
            for index, (name, mean) in enumerate(without):
                level = float(objective.shown(mean))
                line = DASHES[index % len(DASHES)]
                label = style.safe(text.shorten(name, 30))
                axes.axhline(level, color=style.MUTED, linewidth=1, linestyle=line, label=label)
            _panel(axes, shown[number], objective, worst, names[1])
            objective.set_axis(axes, every, worst)
            if number % columns:
                axes.set_ylabel("")
        handles, labels = [], []
        for axes in figure.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                if label not in labels:
                    handles.append(handle)
                    labels.append(label)
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)


def _panel(
    axes: "Axes", panel: Panel, objective: scales.Objective, worst: float, simplest: str
) -> None:
    places = _horizontal(axes, panel)
    scores = [objective.shown(one) for one in panel.scores]
    means = np.array([one.mean() for one in scores])
    widths = np.array([one.std(ddof=1) if len(one) > 1 else 0.0 for one in scores])
    for place, one in zip(places, scores, strict=True):
        axes.plot(
            np.full(len(one), place),
            one,
            ".",
            color=style.MUTED,
            markersize=4,
            alpha=0.6,
            label="one seed" if len(one) > 1 else None,
        )
    color = style.color(0)
    order = np.argsort(places, kind="stable")
    if panel.joined:
        axes.fill_between(
            places[order],
            (means - widths)[order],
            (means + widths)[order],
            color=color,
            alpha=0.15,
            linewidth=0,
        )
    elif len(set(places)) == len(places):
        axes.errorbar(places, means, widths, fmt="none", ecolor=color, elinewidth=1, alpha=0.6)
    axes.plot(
        places[order],
        means[order],
        "o-" if panel.joined else "o",
        color=color,
        markersize=4.5,
        label="mean over the seeds" if any(len(one) > 1 for one in scores) else "the only seed",
    )
    _marks(axes, panel, places, means, simplest)
    _beyond(axes, places, means, -math.inf if objective.minimised else worst)


def _horizontal(axes: "Axes", panel: Panel) -> Floats:
    """Sets the horizontal axis up; returns where the values stand on it."""
    everywhere = np.array([*panel.values.tolist(), *panel.failed], np.float64)
    places, log = everywhere.copy(), scales.logarithmic(everywhere)
    if log:
        axes.set_xscale("log")
        places[everywhere == 0] = scales.zero_place(everywhere)
    else:
        margin = 0.05 * (places.max() - places.min()) or max(0.5, 0.1 * abs(places.max()))
        axes.set_xlim(places.min() - margin, places.max() + margin)
    marks = scales.ticks(everywhere)
    if not log and len(set(places)) <= 12:
        marks = sorted(set(places.tolist()))
        gaps = np.diff(marks)
        if len(gaps) and gaps.min() < 0.085 * (marks[-1] - marks[0]):
            marks = scales.ticks(np.linspace(marks[0], marks[-1], 50))
    at = [scales.zero_place(everywhere) if log and mark == 0 else mark for mark in marks]
    axes.set_xticks(at, [scales.short(mark) for mark in marks], fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel(style.safe(panel.label))
    count = len(panel.values)
    if panel.failed:
        axes.plot(
            places[count:],
            np.full(len(panel.failed), 0.03),
            "x",
            color=style.ALARM,
            transform=axes.get_xaxis_transform(),
            label="failed",
            clip_on=False,
        )
    return places[:count]


def _marks(axes: "Axes", panel: Panel, places: Floats, means: Floats, simplest: str) -> None:
    same = panel.simplest is not None and panel.simplest == panel.best
    marks = [
        (panel.best, "*", 15, CHOSEN, f"best, and {simplest}" if same else "best"),
        (None if same else panel.simplest, "D", 8, SIMPLEST, simplest),
    ]
    for place, marker, size, color, label in marks:
        if place is not None:
            axes.plot(
                places[place],
                means[place],
                marker,
                markersize=size,
                color=color,
                markeredgecolor="black",
                markeredgewidth=0.7,
                label=label,
                zorder=5,
            )


def _beyond(axes: "Axes", places: Floats, means: Floats, floor: float) -> None:
    """Says where means lie that are below the picture."""
    for place, mean in zip(places, means, strict=True):
        if mean < floor - 1e-9:
            axes.annotate(
                f"↓{mean:.0f}",
                (place, 0.0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                xytext=(0, 12),
                ha="center",
                fontsize=8,
                color=style.color(0),
            )
