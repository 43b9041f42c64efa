"""Reliability diagrams: is a model right as often as it is sure?"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasdl.evaluation.calibration import Reliability
from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.reporting.figures import style
from kerasdl.reporting.tables import Model

FEW = 10  # bars of fewer images are pale: they are mostly chance


def diagrams(path: Path, found: Sequence[tuple[Model, Reliability]], dataset: DatasetInfo) -> None:
    """Draws a diagram per model after Guo et al. 2017 (figure 1, bottom).

    Bars are accuracies of the answers in a bin of confidence; where a bar stays
    below the diagonal the model is too sure. Bars of few images are pale; the
    grey strip below shows how many answers lie in each bin.

    Args:
        path: The PNG to write.
        found: Models with their bins, at least one.
        dataset: The data, for the label.
    """
    columns = min(4, len(found))
    lines = math.ceil(len(found) / columns)
    size = (max(4.2, 2.45 * columns), 0.9 + 3.0 * lines)
    with style.drawing(path, size, "Reliability on test images", dataset) as figure:
        grid = figure.subplots(
            2 * lines,
            columns,
            squeeze=False,
            sharex=True,
            sharey="row",
            height_ratios=[3.2, 0.8] * lines,
        )
        for position in range(lines * columns):
            line, column = divmod(position, columns)
            upper, lower = grid[2 * line, column], grid[2 * line + 1, column]
            if position >= len(found):
                upper.set_axis_off()
                lower.set_axis_off()
                continue
            model, bins = found[position]
            left, width = bins.edges[:-1] * 100, np.diff(bins.edges) * 100
            height = np.nan_to_num(bins.accuracy) * 100
            color = style.color(model.index)
            bars = upper.bar(left, height, width, align="edge", color=color, edgecolor="white")
            for bar, images in zip(bars, bins.counts, strict=True):
                bar.set_alpha(0.7 if images >= FEW else 0.25)
            upper.plot([0, 100], [0, 100], color="#333333", lw=1, ls=(0, (3, 2)))
            upper.set_xlim(0, 100)
            upper.set_ylim(0, 100)
            ece = f"ECE {text.percent_spread(model.summary.ece)} %"
            name = style.safe(text.shorten(model.title, 24))
            upper.set_title(f"{name}\n{ece}", fontsize=8.5)
            share = bins.counts / bins.counts.sum() * 100
            lower.bar(left, share, width, align="edge", color="#9A9A9A", edgecolor="white", lw=0.5)
            lower.set_ylim(0, 100)
            lower.set_xlabel("Confidence, %", fontsize=8)
            for axes in (upper, lower):
                axes.set_xticks([0, 50, 100])
                axes.set_yticks([0, 50, 100])
                axes.tick_params(labelsize=7.5)
            if column == 0:
                upper.set_ylabel("Accuracy, %", fontsize=8)
                lower.set_ylabel("Images, %", fontsize=8)
