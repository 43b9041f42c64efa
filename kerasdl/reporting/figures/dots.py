"""Dots with ranges: a row for each choice, a panel for each quantity, a colour for each kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style


class Panel(NamedTuple):
    """One quantity.

    Args:
        title: What it is, with its unit.
        values: Lists of values (e.g. one per seed) by (row, kind); the dot is the middle one.
        logarithmic: Whether its axis is.
        level: A value to mark, or None.
    """

    title: str
    values: Mapping[tuple[str, str], Sequence[float]]
    logarithmic: bool = False
    level: float | None = None


def draw(
    path: Path,
    title: str,
    rows: Sequence[str],
    kinds: Sequence[str],
    panels: Sequence[Panel],
    dataset: DatasetInfo,
) -> None:
    """Draws medians as dots and the lowest and highest value as lines.

    Args:
        path: The PNG to write.
        title: What the figure shows.
        rows: From top to bottom.
        kinds: Told apart by colour and marker; a single one has no legend.
        panels: Side by side.
        dataset: The data, for the label.
    """
    import statistics

    size = (1.9 + 3.2 * len(panels), 1.2 + 0.42 * len(rows) + 0.25 * (len(kinds) > 1))
    with style.drawing(path, size, title, dataset) as figure:
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(grid, panels, strict=True):
            for index, kind in enumerate(kinds):
                # Beside each other, not on top of each other.
                shift = 0.22 * (index - (len(kinds) - 1) / 2)
                for place, row in enumerate(rows):
                    values = panel.values.get((row, kind))
                    if not values:
                        continue
                    color = style.color(index)
                    axes.plot([min(values), max(values)], [place + shift] * 2, color=color, lw=1.2)
                    axes.plot(
                        statistics.median(values),
                        place + shift,
                        color=color,
                        marker=style.marker(index),
                        ms=5,
                        ls="",
                        label=kind,
                    )
            if panel.level is not None:
                axes.axvline(panel.level, color=style.ALARM, lw=0.9, ls=(0, (3, 2)))
            if panel.logarithmic:
                axes.set_xscale("log")
                axes.minorticks_off()
            axes.set_title(panel.title, fontsize=9)
            axes.tick_params(labelsize=8)
        grid[0].set_yticks(range(len(rows)), [style.safe(row) for row in rows])
        grid[0].set_ylim(len(rows) - 0.5, -0.5)
        if len(kinds) > 1:
            found: dict[str, Any] = {}
            for axes in grid:
                handles, words = axes.get_legend_handles_labels()
                found |= dict(zip(map(str, words), handles, strict=True))
            shown = [kind for kind in kinds if kind in found]
            figure.legend(
                [found[kind] for kind in shown],
                [style.safe(kind) for kind in shown],
                loc="outside lower center",
                ncols=len(shown),
            )
