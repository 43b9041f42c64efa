"""Learning curves of all trials of a search, coloured by a value or by rank."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.reporting.figures import scales, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = scales.Floats

FEW = 6
"""Up to so many trials, each has its name in the legend instead of a colour bar."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """One trial.

    Args:
        name: For the legend.
        values: The objective by epoch, mean over the seeds, (epochs,); NaN where unknown.
        shade: What the colour shows: a hyper-parameter's value, or the rank.
        marked: "best", "simplest" or "".
    """

    name: str
    values: Floats
    shade: float
    marked: str = ""


def mean_curve(histories: Sequence[Sequence[float | None]]) -> Floats:
    """Averages histories of different lengths, epoch by epoch.

    Args:
        histories: One list of numbers for each seed; null where not finite.

    Returns:
        Float64 (epochs of the longest,), over the seeds that have the epoch; NaN where none has.
    """
    table = np.full((len(histories), max(map(len, histories), default=0)), np.nan)
    for row, values in zip(table, histories, strict=True):
        row[: len(values)] = [np.nan if value is None else value for value in values]
    known = np.isfinite(table)
    sums = np.where(known, table, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan)


def draw(
    path: Path,
    curves: Sequence[Curve],
    objective: scales.Objective,
    shade: str,
    dataset: DatasetInfo,
) -> bool:
    """Draws one line for each trial.

    Args:
        path: The PNG to write.
        curves: The trials, best first.
        objective: The vertical axis.
        shade: What the colours show, the title of the colour bar.
        dataset: The data, for the label.

    Returns:
        Whether there was something to draw.
    """
    from matplotlib.ticker import MaxNLocator

    shown = [curve for curve in curves if np.isfinite(curve.values).any()]
    if not shown:
        return False
    title = f"Learning curves of the trials: {objective.name}"
    with style.drawing(path, (7.4, 4.6), title, dataset) as figure:
        axes = figure.subplots()
        if len(shown) <= FEW:
            for index, curve in enumerate(shown):
                _line(axes, curve, objective, color=style.color(index), label=_legend(curve))
        else:
            _shaded(figure, axes, shown, objective, shade)
        every = np.concatenate([objective.shown(curve.values) for curve in shown])
        objective.set_axis(axes, every)
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            columns = 1 if max(map(len, labels)) > 44 else 2
            figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
    return True


def _shaded(
    figure: "Figure",
    axes: "Axes",
    curves: Sequence[Curve],
    objective: scales.Objective,
    shade: str,
) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    values = np.array([curve.shade for curve in curves])
    norm: Any = Normalize(values.min(), values.max())
    if scales.logarithmic(values) and values.min() > 0:
        norm = LogNorm(values.min(), values.max())
    # Without the palest part, which is faint on white.
    shades = ListedColormap(colormaps["viridis"](np.linspace(0, 0.92, 256)))
    for curve in reversed(curves):
        color = shades(float(norm(curve.shade)))
        _line(axes, curve, objective, color=color, linewidth=0.9, alpha=0.75)
    marks: dict[str, Any] = {
        "best": {"color": style.PALETTE[1]},
        "simplest": {"color": "#000000", "linestyle": (0, (4, 1.5))},
    }
    for curve in curves:
        if curve.marked:
            line = marks[curve.marked]
            _line(axes, curve, objective, label=_legend(curve), linewidth=2.2, **line)
    bar = ScalarMappable(norm, shades)
    figure.colorbar(bar, ax=axes, label=style.safe(shade), pad=0.02)


def _line(axes: "Axes", curve: Curve, objective: scales.Objective, **line: Any) -> None:
    values = objective.shown(curve.values)
    marker = "o" if np.isfinite(values).sum() <= 3 else None
    axes.plot(np.arange(1, len(values) + 1), values, marker=marker, markersize=4, **line)


def _legend(curve: Curve) -> str:
    name = style.safe(text.shorten(curve.name, 84))
    return f"{name} ({curve.marked})" if curve.marked else name
