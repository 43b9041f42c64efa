"""Parallel coordinates: every trial of a search as a line across all hyper-parameters.

Inselberg, "The plane with parallel coordinates", The Visual Computer 1 (1985), pp. 69-91.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.reporting.figures import scales, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Value = str | float | int | bool | None

ABSENT = -0.12
"""Where trials pass that do not have a hyper-parameter, in heights of the axes."""

LIMIT = 14
"""The most characters of a category."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """A hyper-parameter.

    Args:
        label: Its name.
        values: Its value for each trial; None where the trial does not have it.
    """

    label: str
    values: Sequence[Value]


@dataclasses.dataclass(frozen=True)
class _Placed:
    """An axis laid out: where each trial crosses it (0..1, or ABSENT), and its ticks."""

    heights: list[float]
    ticks: list[tuple[float, str]]


def draw(
    path: Path,
    axes: Sequence[Axis],
    scores: Sequence[float | None],
    best: int,
    objective: scales.Objective,
    dataset: DatasetInfo,
) -> bool:
    """Draws a line for each trial, coloured by the objective, the best above all others.

    Args:
        path: The PNG to write.
        axes: The hyper-parameters; those with one value throughout are left out.
        scores: The objective by trial, as recorded; None for a trial that failed.
        best: The place of the best trial.
        objective: The last axis.
        dataset: The data, for the label.

    Returns:
        Whether there was something to draw: two hyper-parameters and a completed trial.
    """
    varied = [axis for axis in axes if len(set(map(repr, axis.values))) > 1]
    known = [place for place, score in enumerate(scores) if score is not None]
    if len(varied) < 2 or not known:
        return False
    placed = [_place(axis.values) for axis in varied]
    last = _place_scores(scores, objective)
    lines = np.array([one.heights for one in [*placed, last]]).T
    size = (max(6.6, 1.55 * len(placed) + 2.6), 4.6)
    title = f"All trials: hyper-parameters and {objective.name}"
    with style.drawing(path, size, title, dataset) as figure:
        canvas = figure.subplots()
        _lines(canvas, lines, scores, best, objective.minimised)
        labels = [*(axis.label for axis in varied), objective.label]
        for x, (one, label) in enumerate(zip([*placed, last], labels, strict=True)):
            _upright(canvas, x, one, label)
        canvas.set_xlim(-0.25, len(placed) + 0.45)
        lowest = min(height for one in [*placed, last] for height in one.heights)
        canvas.set_ylim(min(-0.04, lowest - 0.06), 1.04)
        canvas.axis("off")
        handles, names = canvas.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    return True


def _lines(
    canvas: "Axes",
    lines: scales.Floats,
    scores: Sequence[float | None],
    best: int,
    minimised: bool,
) -> None:
    from matplotlib import colormaps

    places = np.arange(lines.shape[1])
    color = colormaps["viridis"]
    failed: dict[str, Any] = {"color": style.MUTED, "lw": 0.9, "ls": (0, (2, 2))}
    goodness = 1 - lines[:, -1] if minimised else lines[:, -1]
    known = [place for place, score in enumerate(scores) if score is not None]
    for place in set(range(len(scores))) - set(known):
        canvas.plot(places, lines[place], zorder=2, **failed)
    alpha = 0.85 if len(known) <= 15 else 0.6
    for rank, place in enumerate(sorted(known, key=lambda place: float(goodness[place]))):
        shade = color(0.9 * goodness[place])
        canvas.plot(places, lines[place], color=shade, lw=1.1, alpha=alpha, zorder=3 + rank)
    canvas.plot(
        places, lines[best], "o-", color=style.PALETTE[1], lw=2.8, ms=5, label="best", zorder=900
    )
    canvas.plot([], [], color=color(0.9), lw=1.4, label="good")
    canvas.plot([], [], color=color(0.0), lw=1.4, label="bad")
    if len(known) < len(scores):
        canvas.plot([], [], label="failed", **failed)


def _upright(canvas: "Axes", x: float, one: _Placed, label: str) -> None:
    canvas.plot([x, x], [0, 1], color="#333333", lw=1.1, zorder=901)
    for height, words in one.ticks:
        canvas.plot([x - 0.025, x], [height, height], color="#333333", lw=1.1, zorder=901)
        canvas.annotate(
            style.safe(words),
            (x, height),
            textcoords="offset points",
            xytext=(-6, 0),
            ha="right",
            va="center",
            fontsize=8,
            zorder=902,
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75},
        )
    canvas.annotate(
        style.safe(text.shorten(label, 24)),
        (x, 1.0),
        textcoords="offset points",
        xytext=(0, 9),
        ha="center",
        va="bottom",
        fontsize=8.5,
        fontweight="bold",
    )


def _place(values: Sequence[Value]) -> _Placed:
    """Lays a hyper-parameter out: numbers by their size, other values by their order."""
    present = [value for value in values if value is not None]
    absent = [(ABSENT, "none")] if len(present) < len(values) else []
    if any(isinstance(value, bool | str) for value in present):
        names = list(dict.fromkeys(map(str, present)))
        step = 1 / max(1, len(names) - 1)
        where = {name: place * step for place, name in enumerate(names)}
        heights = [ABSENT if value is None else where[str(value)] for value in values]
        words = {"True": "yes", "False": "no"}
        ticks = [(where[n], text.shorten(words.get(n, n), LIMIT)) for n in names]
        return _Placed(heights, [*ticks, *absent])
    numbers = [math.nan if value is None else float(value) for value in values]
    known = np.array([number for number in numbers if not math.isnan(number)])
    log = scales.logarithmic(known)
    zero = scales.zero_place(known) if log else 0.0

    def transform(value: float) -> float:
        return math.log10(value or zero) if log else value

    ends = transform(float(known.min())), transform(float(known.max()))
    span = ends[1] - ends[0] or 1.0

    def height(value: float) -> float:
        return ABSENT if math.isnan(value) else (transform(value) - ends[0]) / span

    ticks = [(height(tick), scales.short(tick)) for tick in _apart(known, height)]
    return _Placed([height(number) for number in numbers], [*ticks, *absent])


def _apart(known: scales.Floats, height: Callable[[float], float]) -> list[float]:
    """Returns ticks of which no two would overlap."""
    kept: list[float] = []
    for tick in scales.ticks(known):
        if not kept or height(tick) - height(kept[-1]) >= 0.06:
            kept.append(tick)
    return kept


def _place_scores(scores: Sequence[float | None], objective: scales.Objective) -> _Placed:
    """Lays the objective out; what is worse than there is room for crosses at the end."""
    shown = objective.shown([math.nan if score is None else score for score in scores])
    worst, best = objective.worse(shown), float(np.nanmin(shown))
    if not objective.minimised:
        best = float(np.nanmax(shown))
    low, high = min(worst, best), max(worst, best)
    span = high - low or 1.0
    clipped = np.clip(shown, low, high)
    heights = [ABSENT if math.isnan(one) else (one - low) / span for one in clipped]
    marks = scales.ticks(np.linspace(low, high, 50)) if high > low else [low]
    ticks = [((mark - low) / span, scales.short(mark)) for mark in marks]
    if float(np.nanmin(shown)) < low:
        ticks = [one for one in ticks if one[0] > 0.075] + [(0.0, f"≤ {low:.1f}")]
    if np.isnan(shown).any():
        ticks.append((ABSENT, "failed"))
    return _Placed(heights, ticks)
