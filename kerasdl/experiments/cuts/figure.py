"""Accuracy by cut and input size, and what it costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasdl.experiments.cuts.analysis import Cut, Results
from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = 18
"""More cuts than these have no room for a name each on the axis."""


def draw(path: Path, results: Results, title: str, dataset: DatasetInfo) -> None:
    """Draws validation accuracy against the cut and against the multiply-accumulates.

    Args:
        path: The PNG to write.
        results: All cuts.
        title: What the figure shows.
        dataset: The data, for the label.
    """
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    names = list(dict.fromkeys(cut.place.cut for cut in results.cuts))
    lowest = min(cut.spread.mean for cut in results.cuts)
    highest = max(cut.spread.mean for cut in results.cuts)
    with style.drawing(path, (10.5, 4.9), title, dataset) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for index, size in enumerate(results.plan.sizes):
            cuts = results.at(size)
            _line(left, [names.index(cut.place.cut) for cut in cuts], cuts, index)
            _line(right, [cut.multiply_accumulates / 1e6 for cut in cuts], cuts, index)
        for axes, xs in (
            (left, [names.index(cut.place.cut) for cut in results.ranking.cuts]),
            (right, [cut.multiply_accumulates / 1e6 for cut in results.ranking.cuts]),
        ):
            _mark(axes, xs, results)
        every = -(-len(names) // LABELS)
        left.set_xticks(
            range(0, len(names), every),
            [style.safe(name) for name in names[::every]],
            rotation=45,
            ha="right",
            rotation_mode="anchor",
        )
        left.set_ylabel("Validation accuracy, %")
        left.set_xlabel("Cut, from the image on")
        style.percent_axis(left, 100 * lowest, 100 * highest)
        right.set_xscale("log")
        right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        right.xaxis.set_minor_locator(NullLocator())
        right.set_xlabel("Multiply-accumulates of an image, millions")
        handles, labels = left.get_legend_handles_labels()
        # Error bars come last of themselves.
        order = sorted(range(len(labels)), key=lambda place: not labels[place].endswith("pixels"))
        handles, labels = [handles[place] for place in order], [labels[place] for place in order]
        figure.legend(handles, labels, loc="outside lower center", ncols=5)


def _line(axes: "Axes", xs: Sequence[float], cuts: Sequence[Cut], index: int) -> None:
    means = np.array([100 * cut.spread.mean for cut in cuts])
    # Of the validation images: that of the seeds is smaller than a marker.
    errors = [100 * standard_error(cut) for cut in cuts]
    axes.errorbar(
        xs,
        means,
        yerr=errors,
        label=f"{cuts[0].place.size} pixels",
        color=style.color(index),
        marker=style.marker(index),
        markersize=4,
        capsize=2,
        elinewidth=0.8,
    )


def _mark(axes: "Axes", xs: Sequence[float], results: Results) -> None:
    """Marks the best cut and those tied with it; `xs` are in the order of the ranking."""
    ranking = results.ranking
    found = list(zip(ranking.cuts, xs, strict=True))
    tied = [(x, 100 * cut.spread.mean) for cut, x in found if cut in ranking.tied]
    if tied:
        axes.plot(
            *zip(*tied, strict=True),
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor="black",
            label="tied with the best",
        )
    axes.plot(
        xs[0],
        100 * ranking.best.spread.mean,
        linestyle="none",
        marker="*",
        markersize=14,
        color=style.color(3),
        markeredgecolor="black",
        label="best",
        zorder=5,
    )


def standard_error(cut: Cut) -> float:
    """Returns that of the validation accuracy over the images, 0..1.

    Seeds answer the same images: each image counts with the share of its seeds that are right.
    """
    shares = cut.right / len(cut.validation)
    return float(shares.std(ddof=min(1, len(shares) - 1)) / np.sqrt(len(shares)))
