"""Augmentation of a batch inside the compiled step, as a function of given randomness.

The random numbers are an argument, not a state: the engine draws them from
(seed, epoch, step), so that a batch is the same on one device and on several,
and after a restart.
"""

import math
from typing import Any

from keras import ops

from kerasdl.training import elastic
from kerasdl.training.settings import Training

STREAM = 0x61756764
"""Keeps the augmentation's random numbers apart from every other use of the seed."""

CROP_STREAM, ELASTIC_STREAM = 0x63726F70, 0x656C6173
"""Streams of their own, so that the others' numbers are the same with them and without."""

NUM_RANDOM = 5
"""How many uniform numbers one image takes, without those of crop and elastic."""

NUM_CROP = 3


def is_active(training: Training) -> bool:
    """Whether `training` asks for any augmentation."""
    return _is_geometric(training) or bool(training.cutout)


def streams(training: Training) -> tuple[tuple[int, int], ...]:
    """Returns which random numbers `augment` takes: (stream, numbers of an image) in order."""
    found = [(STREAM, NUM_RANDOM)]
    if training.crop or training.elastic:
        found.append((CROP_STREAM, NUM_CROP))
    if training.elastic:
        found.append((ELASTIC_STREAM, elastic.NUM_RANDOM))
    return tuple(found)


def random_numbers(size: Any, seed: int, counter: Any, training: Training) -> Any:
    """Draws what `augment` takes, with TensorFlow's stateless numbers.

    Args:
        size: Images, an int tensor of no axes.
        seed: The run's seed, >= 0.
        counter: int64 tensor: the step, counted over all epochs.
        training: Says which augmentations there are.

    Returns:
        float32 tensor (size, k), uniform in [0, 1).
    """
    import tensorflow as tf

    drawn = [
        tf.random.stateless_uniform([size, numbers], seed=tf.stack([seed ^ stream, counter]))
        for stream, numbers in streams(training)
    ]
    return drawn[0] if len(drawn) == 1 else tf.concat(drawn, axis=1)


def augment(images: Any, uniform: Any, mirrored: Any, training: Training) -> Any:
    """Shifts, rotates, crops, bends, mirrors and blanks each image by its own random numbers.

    All that moves pixels is one resampling. Pixels moved in from outside are
    reflections of the image; shifts are whole pixels, so that without a rotation,
    crop or elastic deformation no pixel value changes. A crop is a window of the
    image's own shape, uniform in size and then in place, enlarged to the whole
    image. Elastic deformation is explained in `kerasdl.training.elastic`. Cutout is
    after DeVries and Taylor 2017 (arXiv:1708.04552): the square's centre is uniform
    over the image, so that it may stick out, and it is filled with mid-gray.

    Args:
        images: uint8 tensor (n, h, w, c).
        uniform: float32 tensor (n, k), uniform in [0, 1), as from `streams`.
        mirrored: bool tensor (n,): which images to mirror, if `training.flip`.
        training: Uses shift (pixels), rotation (degrees), crop (share), elastic (pixels),
            flip, cutout (pixels).

    Returns:
        uint8 tensor (n, h, w, c).
    """
    height, width = images.shape[1:3]
    if _is_geometric(training):
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


def _is_geometric(training: Training) -> bool:
    moves = training.shift, training.rotation, training.crop, training.elastic, training.flip
    return any(moves)


def _move(
    images: Any, uniform: Any, mirrored: Any, training: Training, height: int, width: int
) -> Any:
    """Reads every pixel of an image from another place: a single pass over the pixels."""
    span = 2 * training.shift + 1
    down = ops.floor(uniform[:, 0] * span) - training.shift
    right = ops.floor(uniform[:, 1] * span) - training.shift
    angle = (2.0 * uniform[:, 2] - 1.0) * (training.rotation * math.pi / 180.0)
    mirror = ops.where(mirrored & training.flip, -1.0, 1.0)
    # Output pixel (x, y), measured from the centre, reads input pixel A (x, y) + shift.
    cos, sin = ops.cos(angle), ops.sin(angle)
    a, b, d, e = cos * mirror, -sin, sin * mirror, cos
    if training.crop:
        cut = training.crop * uniform[:, 5]
        a, b, d, e = ((1.0 - cut) * one for one in (a, b, d, e))
        down = down + (uniform[:, 6] - 0.5) * cut * height
        right = right + (uniform[:, 7] - 0.5) * cut * width
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    c = centre_x + right - a * centre_x - b * centre_y
    f = centre_y + down - d * centre_x - e * centre_y
    if training.elastic:
        return _bend(images, uniform, (a, b, c, d, e, f), training.elastic)
    zero = ops.zeros_like(a)
    transform = ops.stack([a, b, c, d, e, f, zero, zero], axis=1)
    whole = not (training.rotation or training.crop)
    moved = ops.image.affine_transform(
        images if whole else ops.cast(images, "float32"),
        transform,
        interpolation="nearest" if whole else "bilinear",
        fill_mode="reflect",
        data_format="channels_last",
    )
    # Rounded here: the cast alone would cut off, and darken by half a grey level.
    return moved if whole else ops.cast(moved + 0.5, "uint8")


def _bend(images: Any, uniform: Any, transform: tuple[Any, ...], amplitude: float) -> Any:
    """Reads images through an affine transform and an elastic deformation in one."""
    height, width = images.shape[1:3]
    a, b, c, d, e, f = (ops.reshape(one, (-1, 1, 1)) for one in transform)
    x = ops.arange(width, dtype="float32")
    y = ops.reshape(ops.arange(height, dtype="float32"), (-1, 1))
    noise = uniform[:, NUM_RANDOM + NUM_CROP :]
    down, right = elastic.displacement(noise, height, width, amplitude)
    return elastic.resample(images, d * x + e * y + f + down, a * x + b * y + c + right)
