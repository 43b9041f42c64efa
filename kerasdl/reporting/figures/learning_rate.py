"""The curve of a learning-rate range test."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style

Floats = npt.NDArray[np.float64]

_MARKS = (("#009E73", "-."), ("#D55E00", (0, (1, 1))), ("#CC79A7", "--"))


def range_test(
    path: Path,
    rates: Floats,
    losses: Floats,
    smoothed: Floats,
    *,
    suggestions: Mapping[str, float],
    current: float,
    title: str,
    dataset: DatasetInfo,
) -> None:
    """Draws loss against learning rate with the suggestions and the recipe's rate.

    Args:
        path: The PNG to write.
        rates: float64 array (n,), rising.
        losses: float64 array (n,), the loss of each step in nats.
        smoothed: float64 array (n,), the same without noise.
        suggestions: At most three rates by what they are.
        current: The peak learning rate of the recipe.
        title: The network's title.
        dataset: The data, for the label.
    """
    heading = f"{style.safe(title)}: learning-rate range test"
    with style.drawing(path, (7.0, 4.2), heading, dataset) as figure:
        axes = figure.subplots()
        axes.plot(rates, losses, ".", color=style.MUTED, alpha=0.4, markersize=3, label="each step")
        axes.plot(rates, smoothed, color=style.color(0), label="smoothed")
        marked = zip(suggestions.items(), _MARKS, strict=False)
        for (name, rate), (color, line) in marked:
            axes.axvline(rate, color=color, linestyle=line, label=f"{name}: {rate:.2g}")
        axes.axvline(current, color="black", linewidth=1.0, label=f"recipe: {current:.2g}")
        axes.set_xscale("log")
        axes.set_xlabel("Learning rate")
        axes.set_title("Loss, nats")
        low, high = float(smoothed.min()), float(smoothed[0])
        # Single steps of a diverging training would flatten everything else.
        top = max(high, min(float(smoothed.max()), low + 2.0 * (high - low)))
        margin = 0.08 * (top - low) or 0.1
        axes.set_ylim(low - 2.0 * margin, top + 2.0 * margin)
        figure.legend(loc="outside lower center", ncols=3)
