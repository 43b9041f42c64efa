"""A person's own picture, brought to the shape of a data set's images."""

from pathlib import Path

import numpy as np

from kerasdl.datasets.dataset import Images
from kerasdl.datasets.image import image_size, read_image

STRETCHED = "brought to {height} x {width}, as the training images were"
PADDED = (
    "scaled to fit {height} x {width}; where its shape is another, its border's colour is added"
)

_BRIGHTNESS = np.array([0.299, 0.587, 0.114])
"""Rec. 601, as in Pillow."""


def read_picture(path: Path, shape: tuple[int, int, int], *, stretch: bool = False) -> Images:
    """Reads an image file as an image of a data set.

    Args:
        path: The file: PNG, JPEG, BMP, GIF, TIFF or WebP, of any size and mode.
        shape: Height, width and channels (1 or 3) of the data set's images. One channel
            is the brightness of colours.
        stretch: Height and width are brought to the shape's, each for itself, as
            `read_folder` does with a person's own training images. Otherwise the
            picture keeps its proportions, which published data sets are made of: it is
            scaled until it fits, and the rest, half on each side, has the colour of its
            border (the median of the outermost pixels).

    Returns:
        uint8 array of `shape`. A picture of that height and width is taken as it is.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no readable image or too large.
    """
    height, width, channels = shape
    if not path.is_file():
        there = "a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"expected an image file. Received: {path}, {there}")
    if stretch:
        return _with_channels(read_image(path, (height, width)), channels)
    own_height, own_width = image_size(path)
    scale = min(height / own_height, width / own_width)
    size = (
        min(height, max(1, round(scale * own_height))),
        min(width, max(1, round(scale * own_width))),
    )
    image = _with_channels(read_image(path, size), channels)
    edges = [image[0], image[-1], image[:, 0], image[:, -1]]
    border = np.round(np.median(np.concatenate(edges), axis=0)).astype(np.uint8)
    whole = np.empty(shape, np.uint8)
    whole[...] = border
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    whole[top : top + size[0], left : left + size[1]] = image
    return whole


def _with_channels(image: Images, channels: int) -> Images:
    """Returns an image (h, w, 1 or 3) with 1 or 3 channels."""
    if image.shape[2] == channels:
        return image
    if channels == 1:
        gray: Images = np.round(image @ _BRIGHTNESS).astype(np.uint8)
        return gray[..., np.newaxis]
    return np.repeat(image, channels, axis=2)
