"""Augmentation of a batch inside the compiled step, as a function of given randomness.

The random numbers are an argument, not a state: the engine draws them from
(seed, epoch, step), so that a batch is the same on one device and on several,
and after a restart.
"""

import math
from typing import Any

from keras import ops

from kerasdl.training.settings import Training

STREAM = 0x61756764
"""Keeps the augmentation's random numbers apart from every other use of the seed."""

NUM_RANDOM = 5
"""How many uniform numbers one image takes."""


def is_active(training: Training) -> bool:
    """Whether `training` asks for any augmentation."""
    return bool(training.shift or training.rotation or training.cutout or training.flip)


def augment(images: Any, uniform: Any, mirrored: Any, training: Training) -> Any:
    """Shifts, rotates, mirrors and blanks each image by its own random numbers.

    Pixels moved in from outside are reflections of the image; shifts are whole
    pixels, so that without a rotation no pixel value changes. Cutout is after
    DeVries and Taylor 2017 (arXiv:1708.04552): the square's centre is uniform
    over the image, so that it may stick out, and it is filled with mid-gray.

    Args:
        images: uint8 tensor (n, h, w, c).
        uniform: float32 tensor (n, NUM_RANDOM), uniform in [0, 1).
        mirrored: bool tensor (n,): which images to mirror, if `training.flip`.
        training: Uses shift (pixels), rotation (degrees), flip, cutout (pixels).

    Returns:
        uint8 tensor (n, h, w, c).
    """
    height, width = images.shape[1:3]
    if training.shift or training.rotation or training.flip:
        images = _move(images, uniform, mirrored, training, height, width)
    if training.cutout:
        size = training.cutout
        top = ops.floor(uniform[:, 3] * height) - size // 2
        left = ops.floor(uniform[:, 4] * width) - size // 2
        rows = ops.arange(height, dtype="float32")[None, :, None, None]
        columns = ops.arange(width, dtype="float32")[None, None, :, None]
        top, left = top[:, None, None, None], left[:, None, None, None]
        inside = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
        images = ops.where(inside, ops.cast(127, "uint8"), images)
    return images


def _move(
    images: Any, uniform: Any, mirrored: Any, training: Training, height: int, width: int
) -> Any:
    """Applies one projective transform an image: a single pass over the pixels."""
    span = 2 * training.shift + 1
    down = ops.floor(uniform[:, 0] * span) - training.shift
    right = ops.floor(uniform[:, 1] * span) - training.shift
    angle = (2.0 * uniform[:, 2] - 1.0) * (training.rotation * math.pi / 180.0)
    mirror = ops.where(mirrored & training.flip, -1.0, 1.0)
    # Output pixel (x, y), measured from the centre, reads input pixel A (x, y) + shift.
    cos, sin = ops.cos(angle), ops.sin(angle)
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    a, b, d, e = cos * mirror, -sin, sin * mirror, cos
    c = centre_x + right - a * centre_x - b * centre_y
    f = centre_y + down - d * centre_x - e * centre_y
    zero = ops.zeros_like(a)
    transform = ops.stack([a, b, c, d, e, f, zero, zero], axis=1)
    if not training.rotation:
        return ops.image.affine_transform(
            images,
            transform,
            interpolation="nearest",
            fill_mode="reflect",
            data_format="channels_last",
        )
    moved = ops.image.affine_transform(
        ops.cast(images, "float32"),
        transform,
        interpolation="bilinear",
        fill_mode="reflect",
        data_format="channels_last",
    )
    # Rounded here: the cast alone would cut off, and darken by half a grey level.
    return ops.cast(moved + 0.5, "uint8")
