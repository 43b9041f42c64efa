"""Grids of heat maps that share their axes: what happens in each layer, epoch by epoch."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style
from kerasdl.reporting.figures.shrink import shrink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Scale = Literal["log", "linear", "signed"]

NOTHING = "#D9D9D9"
"""Where there is no number."""

_DECADES = 10
"""So many below its largest value a logarithmic scale ends; what is smaller has its last colour."""


class Row(NamedTuple):
    """Heat maps with one scale of colours.

    Args:
        title: What the row is, at its left.
        panels: Arrays (y, x), NaN for nothing; y = 1 is at the bottom.
        scale: "log" for positive values; "linear" from 0; "signed" for values of both signs,
            logarithmic but near 0.
        unit: What the colours are, at the colour bar.
    """

    title: str
    panels: Sequence[Floats]
    scale: Scale
    unit: str


def draw(
    path: Path,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    axes_titles: tuple[str, str],
    dataset: DatasetInfo,
    *,
    x: Sequence[int] | None = None,
) -> None:
    """Draws a grid of heat maps.

    Args:
        path: The PNG to write.
        title: What the figure shows.
        columns: One title per panel of a row.
        rows: The rows; rows with the same scale and unit share their colours.
        axes_titles: Of the horizontal and the vertical axis.
        dataset: The data, for the label.
        x: What the columns of the arrays are; None for 1, 2, …
    """
    size = (1.6 + 1.75 * len(columns), 1.0 + 1.45 * len(rows))
    with style.drawing(path, size, title, dataset) as figure:
        grid = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
        groups: dict[tuple[Scale, str], list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault((row.scale, row.unit), []).append(number)
        for (scale, unit), members in groups.items():
            values = np.concatenate([p.ravel() for n in members for p in rows[n].panels])
            colors = _colors(scale, values)
            for number in members:
                for axes, panel in zip(grid[number], rows[number].panels, strict=True):
                    image = _panel(axes, panel, colors, x)
            bar = figure.colorbar(
                image, ax=grid[members].ravel().tolist(), aspect=12 * len(members)
            )
            bar.set_label(unit, fontsize=7.5)
            if scale == "signed":
                bar.set_ticks(_signed_ticks(colors["norm"].vmax))
            bar.ax.tick_params(labelsize=7)
            bar.ax.minorticks_off()
        for axes, column in zip(grid[0], columns, strict=True):
            axes.set_title(style.safe(column), fontsize=9)
        for axes in grid[-1]:
            axes.set_xlabel(axes_titles[0], fontsize=8)
        for axes, row in zip(grid[:, 0], rows, strict=True):
            axes.set_ylabel(f"{row.title}\n{axes_titles[1]}", fontsize=8)
    shrink(path)


def _panel(axes: "Axes", panel: Floats, colors: dict[str, Any], x: Sequence[int] | None) -> Any:
    image = axes.imshow(panel, origin="lower", aspect="auto", interpolation="nearest", **colors)
    axes.grid(visible=False)
    axes.set_facecolor(NOTHING)
    names = list(x) if x is not None else list(range(1, panel.shape[1] + 1))
    for set_ticks, labels in (
        (axes.set_xticks, names),
        (axes.set_yticks, list(range(1, panel.shape[0] + 1))),
    ):
        step = math.ceil(len(labels) / 10)
        places = range(0, len(labels), step)
        set_ticks(list(places), [str(labels[place]) for place in places], fontsize=7)
    return image


def _colors(scale: Scale, values: Floats) -> dict[str, Any]:
    """Returns the norm and the colours; all are readable with any colour vision."""
    from matplotlib.colors import LogNorm, Normalize, SymLogNorm

    known = values[np.isfinite(values)]
    if scale == "log":
        positive = known[known > 0]
        high = float(positive.max()) if len(positive) else 1.0
        low = max(float(positive.min()), high * 10.0**-_DECADES) if len(positive) else 0.1
        low = min(low, high / 1.01)
        # What is 0 or below the scale has its lowest colour, not that of nothing.
        return {"norm": LogNorm(low, high, clip=True), "cmap": _cividis()}
    high = float(np.abs(known).max()) if len(known) else 1.0
    high = high or 1.0
    if scale == "signed":
        norm = SymLogNorm(linthresh=high * 1e-4, vmin=-high, vmax=high)
        return {"norm": norm, "cmap": "PuOr"}
    return {"norm": Normalize(0.0, high), "cmap": _cividis()}


def _signed_ticks(high: float) -> list[float]:
    """Returns few values of both signs: those near 0 would lie on each other."""
    decade = 10.0 ** math.floor(math.log10(high))
    return [-decade, -decade / 100, 0.0, decade / 100, decade]


def _cividis() -> Any:
    import matplotlib

    return matplotlib.colormaps["cividis"]
