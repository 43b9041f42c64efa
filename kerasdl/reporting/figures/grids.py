"""Grids of curves: a panel for each pair of choices, a line for each step of a third."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style
from kerasdl.reporting.figures.shrink import shrink

Floats = npt.NDArray[np.float64]


def shades(count: int) -> list[Any]:
    """Returns colours from dark to light for an ordered quantity; none is pale on white."""
    import matplotlib

    return list(matplotlib.colormaps["cividis"](np.linspace(0.0, 0.88, count)))


def draw(
    path: Path,
    title: str,
    names: tuple[Sequence[str], Sequence[str]],
    lines: Mapping[tuple[int, int], Mapping[int, Floats]],
    dataset: DatasetInfo,
    *,
    ylabel: str,
    legend: str,
    level: tuple[float, str] | None = None,
) -> None:
    """Draws lines over epochs.

    Args:
        path: The PNG to write.
        title: What the figure shows.
        names: Of the rows and of the columns.
        lines: By row and column: by the third choice, e.g. the depth, an array (seeds, epochs).
            Lines are means over the seeds, bands the lowest and the highest.
        dataset: The data, for the label.
        ylabel: What the values are.
        legend: What the third choice is.
        level: A value to mark in every panel, and what it is.
    """
    rows, columns = names
    size = (1.4 + 2.0 * len(columns), 1.3 + 1.75 * len(rows))
    steps = sorted({step for panel in lines.values() for step in panel})
    colors = dict(zip(steps, shades(len(steps)), strict=True))
    with style.drawing(path, size, title, dataset) as figure:
        grid = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
        for (row, column), panel in lines.items():
            for step, values in sorted(panel.items()):
                epochs = np.arange(1, values.shape[1] + 1)
                color = colors[step]
                marker = "o" if len(epochs) < 3 else ""
                grid[row, column].plot(
                    epochs, values.mean(axis=0), color=color, label=str(step), marker=marker, lw=1.3
                )
                if len(values) > 1:
                    grid[row, column].fill_between(
                        epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, lw=0
                    )
        if level is not None:
            for axes in grid.flat:
                axes.axhline(level[0], color=style.ALARM, lw=0.9, ls=(0, (3, 2)))
        _label(figure, grid, rows, columns, ylabel)
        found = {step: line for panel in grid.flat for step, line in _labelled(panel).items()}
        handles = [found[str(step)] for step in steps]
        words = [str(step) for step in steps]
        if level is not None:
            handles.append(grid[0, 0].lines[-1])
            words.append(level[1])
        figure.legend(
            handles,
            words,
            title=legend,
            loc="outside lower center",
            ncols=len(words),
            fontsize=8,
            handlelength=1.3,
            columnspacing=1.1,
        )
    shrink(path)


def _label(
    figure: Any, grid: Any, rows: Sequence[str], columns: Sequence[str], ylabel: str
) -> None:
    from matplotlib.ticker import MaxNLocator

    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(style.safe(column), fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("Epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    for axes, row in zip(grid[:, 0], rows, strict=True):
        axes.set_ylabel(f"{style.safe(row)}\n{ylabel}", fontsize=8)
    for axes in grid.flat:
        axes.tick_params(labelsize=7.5)


def _labelled(axes: Any) -> dict[str, Any]:
    handles, labels = axes.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))
