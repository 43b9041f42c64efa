"""The confusion matrix as a picture."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style

COUNTED = 20  # up to so many classes the cells show their counts
NAMED = 60  # up to so many classes every row has its name


def matrix(
    path: Path,
    counts: npt.NDArray[np.int64],
    class_names: list[str],
    title: str,
    dataset: DatasetInfo,
) -> None:
    """Draws a confusion matrix: counts as numbers, shares of the true class as colour.

    Args:
        path: The PNG to write.
        counts: int64 array (k, k), rows are true classes.
        class_names: k names.
        title: E.g. "LeNet-5: confusion over 3 seeds".
        dataset: The data, for the label.
    """
    from matplotlib.colors import PowerNorm

    size = len(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    labels = style.class_labels(class_names)
    step = max(1, -(-size // NAMED))
    ticks = np.arange(0, size, step)
    names = [labels[i] for i in ticks]
    side = min(11.5, max(4.6, 3.0 + 0.38 * size))
    with style.drawing(path, (side + 0.7, side), title, dataset) as figure:
        axes = figure.subplots()
        # The square root: one per cent of a class is an error one wants to see.
        norm = PowerNorm(0.5, vmin=0.0, vmax=1.0)
        image = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        font = 8.5 if size <= COUNTED else max(4.5, min(7.0, 360 / min(size, NAMED)))
        long = max(map(len, names)) > 3
        axes.set_xticks(ticks, names, fontsize=font, rotation=90 if long else 0)
        axes.set_yticks(ticks, names, fontsize=font)
        axes.tick_params(length=0)
        axes.set_xlabel("Predicted")
        axes.set_ylabel("True")
        bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02)
        bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1.0], labels=["0", "1", "5", "20", "50", "100 %"])
        bar.ax.tick_params(labelsize=7.5)
        bar.outline.set_visible(False)
        bar.set_label("Share of the true class", fontsize=8)
        if size <= COUNTED:
            number = 8.5 if size <= 12 and counts.max() < 100_000 else 6.0
            for i, j in np.argwhere(counts > 0):
                # Blues is dark from the middle of its scale on; the norm is a square root.
                tone = "white" if shares[i, j] > 0.3 else "#222222"
                axes.text(
                    j, i, str(counts[i, j]), ha="center", va="center", fontsize=number, color=tone
                )


def worst(counts: npt.NDArray[np.int64]) -> tuple[int, int, int] | None:
    """Returns the most frequent confusion: true class, predicted class, count; None without."""
    errors = counts - np.diag(np.diag(counts))
    if not errors.any():
        return None
    true, predicted = np.unravel_index(int(errors.argmax()), errors.shape)
    return int(true), int(predicted), int(errors[true, predicted])
