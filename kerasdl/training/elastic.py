"""Elastic deformation: a smooth random displacement of every pixel, and images read with it.

After Simard, Steinkraus and Platt 2003 (ICDAR, "Best Practices for Convolutional
Neural Networks Applied to Visual Document Analysis", section 2): random numbers
smoothed by a Gaussian are how far each pixel moves. Like the paper's 4 pixels of
the 28 of MNIST, the Gaussian's standard deviation is a seventh of the image's
side: wide enough that strokes bend, not tear. Their strength of 34 is an
amplitude of 1.4 pixels here.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

SMOOTHNESS = 1 / 7
"""The Gaussian's standard deviation as a share of the image's side."""

KNOTS = 12
"""Random numbers along each side: one every standard deviation, two of them outside each edge.

The paper draws one a pixel; with one a standard deviation, the smoothed field has the same
covariance to four digits (the Gaussian's spectrum is that narrow), for a fifth of the numbers
at 28 pixels and the same few for larger images.
"""

NUM_RANDOM = 2 * KNOTS * KNOTS
"""How many uniform numbers one image takes."""


def displacement(uniform: Any, height: int, width: int, amplitude: float) -> tuple[Any, Any]:
    """Returns how far each pixel is read from its own place.

    Args:
        uniform: float32 tensor (n, NUM_RANDOM), uniform in [0, 1).
        height: Pixels.
        width: Pixels.
        amplitude: Standard deviation of the displacement, down and to the right each, in
            pixels; no pixel moves further than 6.2 of them.

    Returns:
        Downwards and to the right, float32 (n, height, width), pixels.
    """
    # Uniform numbers of variance 1.
    noise = (ops.reshape(uniform, (-1, 2, KNOTS, KNOTS)) - 0.5) * (12.0**0.5 * amplitude)
    rows, columns = _smoothing(height), _smoothing(width)
    smooth = ops.matmul(ops.matmul(rows, noise), columns.T)
    return smooth[:, 0], smooth[:, 1]


def resample(images: Any, down: Any, right: Any) -> Any:
    """Reads images at other places, bilinearly; outside is the image's reflection.

    Looking pixels up is what takes the time, so each look gives two: neighbours lie in one
    float32, which holds 16 bits exactly (a quarter less time than looking up each of four).

    Args:
        images: uint8 tensor (n, h, w, c).
        down: float32 tensor (n, h, w): the row to read, 0 at the centre of the first.
        right: float32 tensor (n, h, w): the column to read.

    Returns:
        uint8 tensor (n, h, w, c), rounded.
    """
    height, width, channels = images.shape[1:]
    # TensorFlow computes with int32 on the host, also where there is a GPU; JAX has no int64.
    integer = "int64" if keras.backend.backend() == "tensorflow" else "int32"
    edge = ((0, 0), (1, 1), (1, 1), (0, 0))
    padded = ops.pad(ops.cast(images, "float32"), edge, mode="symmetric")
    pairs = ops.reshape(padded[:, :, :-1] + 256.0 * padded[:, :, 1:], (-1, channels))
    row, column = _reflected(down, height), _reflected(right, width)
    top, left = ops.floor(row), ops.floor(column)
    first = ops.arange(ops.shape(images)[0], dtype=integer) * ((height + 2) * (width + 1))
    index = ops.reshape(first, (-1, 1, 1)) + ops.cast(top * (width + 1) + left, integer)
    beside = ops.expand_dims(column - left, -1)

    def read(index: Any) -> Any:
        pair = ops.take(pairs, index, axis=0)
        right = ops.floor(pair / 256.0)
        left = pair - 256.0 * right
        return left + (right - left) * beside

    above = read(index)
    found = above + (read(index + (width + 1)) - above) * ops.expand_dims(row - top, -1)
    # Rounded here: the cast alone would cut off, and darken by half a grey level.
    return ops.cast(found + 0.5, "uint8")


def _smoothing(size: int) -> npt.NDArray[np.float32]:
    """Returns the matrix (size, KNOTS) from random numbers to a smooth line of variance 1."""
    sigma = SMOOTHNESS * size
    knots = (np.arange(KNOTS) - (KNOTS - 1) / 2) * sigma + (size - 1) / 2
    matrix = np.exp(-((np.arange(size)[:, None] - knots) ** 2) / (2 * sigma**2))
    # The same at the edges, too, where knots further outside would count.
    normalised: npt.NDArray[np.float32] = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return normalised.astype(np.float32)


def _reflected(place: Any, size: int) -> Any:
    """Returns places in the image with one more pixel at each edge: its pixel 0 is at 1.

    The reflection is d c b a | a b c d | d c b a, as Keras's "reflect"; a place further than
    an image's side away is at the other edge.
    """
    place = ops.absolute(place + 0.5)
    place = size - ops.absolute(size - place)
    return ops.clip(place, 0.0, size) + 0.5
