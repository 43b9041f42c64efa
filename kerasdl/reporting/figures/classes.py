"""Accuracy by class with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasdl.evaluation.metrics import wilson
from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style

SORTED_FROM = 13  # more classes than this are sorted, fewer stay in their own order
SHOWN = 60


def accuracies(
    path: Path,
    shares: Sequence[float | None],
    counts: Sequence[int],
    class_names: list[str],
    color: str,
    title: str,
    dataset: DatasetInfo,
) -> None:
    """Draws each class's accuracy with its 95 % interval (Wilson 1927).

    Args:
        path: The PNG to write.
        shares: Accuracy by class, 0..1, None for a class without images; the mean
            over seeds. The interval is that of the test images alone: more seeds
            are not more images.
        counts: Test images by class.
        class_names: One name per class.
        color: The model's colour.
        title: E.g. "LeNet-5: accuracy by class".
        dataset: The data, for the label.
    """
    known = [(share, i) for i, share in enumerate(shares) if share is not None]
    order = [i for _, i in known]
    if len(order) >= SORTED_FROM:
        order = [i for _, i in sorted(known)]
    if len(order) > SHOWN:
        order = order[:SHOWN]
        title = f"{title} (the {SHOWN} lowest of {len(known)})"
    labels = style.class_labels(class_names, limit=18)
    share = np.array([shares[i] for i in order], dtype=np.float64)
    total = np.array([counts[i] for i in order])
    ends = np.array([wilson(s * n, n) for s, n in zip(share, total, strict=True)]) * 100
    value = share * 100
    overall = sum(s * counts[i] for s, i in known) / sum(counts[i] for _, i in known) * 100
    size = (5.4, max(3.0, 1.5 + 0.3 * min(len(order), 20) + 0.17 * max(0, len(order) - 20)))
    with style.drawing(path, size, title, dataset) as figure:
        axes = figure.subplots()
        rows = np.arange(len(order))
        whiskers = np.abs(ends.T - value)
        axes.errorbar(
            value,
            rows,
            xerr=whiskers,
            fmt="o",
            color=color,
            ecolor=color,
            ms=5,
            capsize=2.5,
            lw=1.4,
        )
        axes.axvline(overall, color=style.MUTED, lw=1, ls=(0, (3, 2)))
        font = 8.5 if len(order) <= 20 else 6.5
        axes.set_yticks(rows, [f"{labels[i]} (n={counts[i]})" for i in order], fontsize=font)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        style.percent_axis(axes, float(ends.min()), float(ends.max()), axis="x")
        axes.set_xlabel("Test accuracy, %, with 95 % interval; dashed: all classes")
