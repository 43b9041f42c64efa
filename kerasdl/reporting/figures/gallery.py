"""The most confident errors as pictures."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.errors import Error
from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style

COLUMNS = 6


def picture(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns an image (h, w, c) as one that can be shown: gray (h, w) or RGB (h, w, 3)."""
    return image[..., :3] if image.shape[-1] >= 3 else image[..., 0]


def errors(
    path: Path,
    images: npt.NDArray[np.uint8],
    found: Sequence[Error],
    class_names: list[str],
    title: str,
    dataset: DatasetInfo,
) -> None:
    """Draws wrong answers, the surest first: "true → predicted, confidence".

    Args:
        path: The PNG to write.
        images: uint8 array (n, h, w, c), the test images.
        found: The errors, at least one.
        class_names: One name per class.
        title: E.g. "LeNet-5: most confident errors".
        dataset: The data, for the label.
    """
    labels = style.class_labels(class_names, limit=16)
    long = max(map(len, labels)) > 4
    columns = min(COLUMNS, max(4, len(found)))
    lines = math.ceil(len(found) / columns)
    ratio = min(2.0, images.shape[1] / images.shape[2])
    size = (1.4 * columns + 0.2, 0.55 + lines * (1.25 * ratio + (0.56 if long else 0.42)))
    with style.drawing(path, size, title, dataset) as figure:
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, error in zip(grid.flat, found, strict=False):
            # Gray from 0 to 255, else matplotlib would stretch the contrast. No smoothing:
            # these are the pixels that the model saw.
            axes.imshow(
                picture(images[error.index]),
                cmap="gray",
                vmin=0,
                vmax=255,
                interpolation="nearest",
            )
            arrow = "\n\u2192 " if long else " \u2192 "
            axes.set_title(
                f"{labels[error.true]}{arrow}{labels[error.predicted]}\n"
                f"{error.confidence * 100:.1f} %",
                fontsize=8,
                loc="center",
                pad=3,
            )
