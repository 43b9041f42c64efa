"""Accuracy against the strength of a regulariser, and the curves of each at its best."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
PARTS = {"train": 7, "validation": 0, "test": 1}
"""The lines, and the places of their colours in the palette."""

DEPTH = 20.0
"""Percentage points below the best accuracy that are shown; deeper points are marked as such."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """One regulariser.

    Args:
        title: Its name.
        strengths: Rising, (n,).
        accuracies: By part, (n, 2): mean and half the width of the band, 0..1.
        gap: Train minus validation accuracy, in the same form.
        best: Place of the best strength.
        reported: A report's strength; None where it has none here.
        logarithmic: Whether the strengths lie on a logarithmic axis.
    """

    title: str
    strengths: Floats
    accuracies: dict[str, Floats]
    gap: Floats
    best: int
    reported: float | None
    logarithmic: bool


def against_strength(
    path: Path,
    panels: Sequence[Panel],
    baseline: tuple[float, float],
    baseline_gap: float,
    dataset: DatasetInfo,
) -> None:
    """Draws accuracies and the gap against the strength, a column for each regulariser.

    Args:
        path: The PNG to write.
        panels: The regularisers, at least one.
        baseline: Validation accuracy without any, 0..1, and half the width of its band.
        baseline_gap: Its train minus validation accuracy.
        dataset: The data, for the label.
    """
    best = max(float(one[:, 0].max()) for p in panels for one in p.accuracies.values())
    floor = 100 * best - DEPTH
    size = (2.9 * len(panels) + 0.6, 6.0)
    title = "Accuracy and gap against the strength of each regulariser"
    with style.drawing(path, size, title, dataset) as figure:
        rows = figure.subplots(
            2, len(panels), sharey="row", sharex="col", squeeze=False, height_ratios=(3, 2)
        )
        for column, panel in enumerate(panels):
            _accuracies(rows[0][column], panel, baseline, floor)
            _gap(rows[1][column], panel, baseline_gap)
        rows[0][0].set_ylim(floor, 100 * best + 1)
        rows[0][0].set_ylabel("Accuracy, %")
        rows[1][0].set_ylabel("Train − validation, points")
        handles, labels = rows[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)


def _accuracies(axes: "Axes", panel: Panel, baseline: tuple[float, float], floor: float) -> None:
    mean, width = (100 * value for value in baseline)
    axes.axhspan(mean - width, mean + width, color=style.MUTED, alpha=0.12, linewidth=0)
    axes.axhline(
        mean, color=style.MUTED, linewidth=1, linestyle=(0, (4, 2)), label="validation, without"
    )
    for place, (part, index) in enumerate(PARTS.items()):
        values, widths = (100 * panel.accuracies[part]).T
        axes.plot(
            panel.strengths,
            values,
            label=part,
            color=style.color(index),
            marker=style.marker(place),
            markersize=4,
        )
        axes.fill_between(
            panel.strengths,
            values - widths,
            values + widths,
            color=style.color(index),
            alpha=0.15,
            linewidth=0,
        )
    values = 100 * panel.accuracies["validation"][:, 0]
    axes.plot(
        panel.strengths[panel.best],
        values[panel.best],
        marker="*",
        markersize=14,
        color=style.color(3),
        markeredgecolor="black",
        linestyle="none",
        label="chosen by validation",
        zorder=5,
    )
    _too_deep(axes, panel, values, floor)
    _strengths(axes, panel)
    axes.set_title(style.safe(panel.title))


def _too_deep(axes: "Axes", panel: Panel, values: Floats, floor: float) -> None:
    """Says where validation accuracy lies that is below the picture."""
    for strength, value in zip(panel.strengths, values, strict=True):
        if value < floor:
            axes.annotate(
                f"↓ {value:.0f}",
                (strength, floor),
                textcoords="offset points",
                xytext=(0, 3),
                ha="center",
                fontsize=8,
                color=style.color(PARTS["validation"]),
            )


def _gap(axes: "Axes", panel: Panel, baseline: float) -> None:
    values, widths = (100 * panel.gap).T
    axes.axhline(100 * baseline, color=style.MUTED, linewidth=1, linestyle=(0, (4, 2)))
    axes.plot(panel.strengths, values, color=style.color(2), marker=style.marker(2), markersize=4)
    axes.fill_between(
        panel.strengths,
        values - widths,
        values + widths,
        color=style.color(2),
        alpha=0.15,
        linewidth=0,
    )
    _strengths(axes, panel)
    axes.set_xlabel("Strength")


def _strengths(axes: "Axes", panel: Panel) -> None:
    if panel.logarithmic:
        axes.set_xscale("log")
    if panel.reported is not None:
        # The report's own strength.
        axes.axvline(panel.reported, color=style.ALARM, linewidth=1, linestyle=(0, (1, 1.5)))


def curves(path: Path, lines: Sequence[tuple[str, Floats, Floats]], dataset: DatasetInfo) -> None:
    """Draws validation accuracy and loss over the epochs, with bands.

    Args:
        path: The PNG to write.
        lines: Name, validation accuracy (0..1) and validation loss (nats), both
            (repetitions, epochs).
        dataset: The data, for the label.
    """
    from matplotlib.ticker import FormatStrFormatter, MaxNLocator

    title = "Each at its best: learning curves on validation images"
    with style.drawing(path, (9.0, 4.2), title, dataset) as figure:
        left, right = figure.subplots(1, 2)
        for index, (name, accuracy, loss) in enumerate(lines):
            epochs = np.arange(1.0, accuracy.shape[1] + 1)
            low, mean, high = _band(100 * accuracy)
            _line(left, epochs, (low, mean, high), style.safe(name), index)
            # On a logarithmic axis: mean and deviation of the logarithms.
            low, mean, high = _band(np.log10(np.maximum(loss, 1e-12)))
            _line(right, epochs, (10**low, 10**mean, 10**high), style.safe(name), index)
        lowest = min(100 * float(accuracy.mean(axis=0)[-1]) for _, accuracy, _ in lines)
        left.set_ylim(max(0.0, lowest - DEPTH), 101)
        left.set_title("Accuracy, %")
        right.set_title("Loss, nats")
        right.set_yscale("log")
        right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        for axes in (left, right):
            axes.set_xlabel("Epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)


def _band(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Returns the mean over the repetitions, one standard deviation below and above it."""
    mean, width = values.mean(axis=0), values.std(axis=0, ddof=min(1, len(values) - 1))
    return mean - width, mean, mean + width


def _line(
    axes: "Axes", epochs: Floats, band: tuple[Floats, Floats, Floats], name: str, index: int
) -> None:
    low, mean, high = band
    color = style.color(index)
    axes.plot(epochs, mean, label=name, color=color, linestyle=style.dashes(index))
    axes.fill_between(epochs, low, high, color=color, alpha=0.10, linewidth=0)
