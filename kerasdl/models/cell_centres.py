"""Where the cells of feature maps lie in the image, along one axis.

A cell's place is where the first cell's centre is and how far it is to the next, in pixels.
"""

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Axis = tuple[float, float]
"""Where the first cell's centre lies, and how far it is to the next."""

PIXELS: tuple[Axis, Axis] = ((0.0, 1.0), (0.0, 1.0))
"""The centres of the pixels themselves."""


def moved(operation: Any, axis: int, centres: Axis, before: int, after: int) -> Axis:
    """Return where an operation's cells lie along an axis, given where those of its input do.

    Args:
        operation: a Keras layer or operation.
        axis: 0 for vertical, 1 for horizontal.
        centres: where the cells of its input lie along this axis.
        before: how many these are.
        after: how many cells come out.
    """
    start, step = centres
    window = _along(operation, "kernel_size", axis) or _along(operation, "pool_size", axis)
    if window:
        stride = _along(operation, "strides", axis) or 1
        length = (window - 1) * (_along(operation, "dilation_rate", axis) or 1) + 1
        missing = 0
        if getattr(operation, "padding", "valid") == "same":
            missing = max((math.ceil(before / stride) - 1) * stride + length - before, 0)
        if (before + missing - length) // stride + 1 == after:
            # The odd one of the missing pixels goes to the end.
            return start + step * ((length - 1) / 2 - missing // 2), step * stride
    if isinstance(operation, keras.layers.ZeroPadding2D):
        return start - step * operation.padding[axis][0], step
    if isinstance(operation, keras.layers.Cropping2D):
        return start + step * operation.cropping[axis][0], step
    # Resized, or not known better: the new cells share the old ones' field evenly.
    new = step * before / after
    return start + (new - step) / 2, new


def _along(operation: Any, name: str, axis: int) -> int | None:
    """Return a layer's setting along an axis; None where it has none."""
    value = getattr(operation, name, None)
    return value[axis] if isinstance(value, list | tuple) else value


def interpolation(pixels: int, cells: int, centres: Axis) -> npt.NDArray[np.float32]:
    """Return the matrix (pixels, cells), float32, that turns values of cells into such of pixels.

    Args:
        pixels: number of pixels along the axis.
        cells: number of cells.
        centres: where they lie.
    """
    start, step = centres
    place = (np.arange(pixels) - start) / step
    inside = np.clip(place, 0, cells - 1)
    # Each cell is a tent that falls to nothing at its neighbours' centres.
    tents = np.maximum(0.0, 1.0 - np.abs(inside[:, np.newaxis] - np.arange(cells)))
    beyond = np.abs(place - inside) - 0.5
    matrix = tents * np.clip(1.0 - beyond, 0.0, 1.0)[:, np.newaxis]
    return np.asarray(matrix, np.float32)
