"""The embedded synthetic set: street-number digits, for machines without data or network.

They are rendered, not photographed: a result on them says nothing about SVHN,
and everything that shows one says so. `synthetic_scene` says how they are drawn
and what makes them hard: LeNet-5 reaches 88 % after eight epochs of 12 000 images.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasdl.datasets.dataset import Dataset, Examples, content_sha256

TRAIN_PART, TEST_PART = 0, 1
DIGITS = tuple("0123456789")


def render(count: int, *, seed: int, part: int, image_shape: tuple[int, int, int]) -> Examples:
    """Renders digits.

    The first images are the same for every `count`.

    Args:
        count: How many, at least 1.
        seed: A nonnegative integer.
        part: TRAIN_PART or TEST_PART; the two never share a picture's random numbers.
        image_shape: Height and width, which must be equal and at least 8, and
            channels, 1 or 3.

    Returns:
        uint8 images (count, *image_shape) and int32 labels (count,), 0..9.

    Raises:
        ValueError: If a value is out of its range.
    """
    from kerasdl.datasets.synthetic_glyphs import glyphs
    from kerasdl.datasets.synthetic_scene import CHUNK, draw_chunk

    height, width, channels = image_shape
    if height != width or height < 8 or channels not in (1, 3):
        raise ValueError(
            "Synthetic images are square, at least 8 pixels wide, with 1 or 3 channels. "
            f"Received: {image_shape}"
        )
    if count < 1 or seed < 0:
        raise ValueError(
            f"count must be at least 1 and seed at least 0. Received: {count} and {seed}"
        )
    images = np.empty((count, *image_shape), np.uint8)
    labels = np.empty(count, np.int32)
    masks = glyphs()

    def draw(chunk: int) -> None:
        at = slice(chunk * CHUNK, min(count, (chunk + 1) * CHUNK))
        pixels, digits = draw_chunk(
            masks, seed=seed, part=part, chunk=chunk, side=height, channels=channels
        )
        images[at], labels[at] = pixels[: at.stop - at.start], digits[: at.stop - at.start]

    # NumPy lets go of the interpreter's lock while it computes.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(draw, range(-(-count // CHUNK))))
    return Examples(images, labels)


def synthetic(
    name: str,
    title: str,
    image_shape: tuple[int, int, int],
    *,
    num_train: int,
    num_test: int,
    seed: int,
) -> Dataset:
    """Returns the synthetic set.

    Args:
        name: The data set's name, e.g. that of the one it stands in for.
        title: The title; it should say that the images are synthetic.
        image_shape: (32, 32, 3), (28, 28, 1) or the like.
        num_train: How many training images.
        num_test: How many test images.
        seed: A nonnegative integer.

    Returns:
        The data set, source "synthetic".
    """
    train = render(num_train, seed=seed, part=TRAIN_PART, image_shape=image_shape)
    test = render(num_test, seed=seed, part=TEST_PART, image_shape=image_shape)
    return Dataset(
        name=name,
        title=title,
        train=train,
        test=test,
        class_names=DIGITS,
        source="synthetic",
        verified=False,
        partial=None,
        sha256=content_sha256(train, test),
    )
