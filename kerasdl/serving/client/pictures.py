"""A person's picture as what a model takes: the file itself, or pixels of the model's size."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.serving.errors import Failure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LARGEST = 12 * 2**20
"""Bytes of a file; as base64 it fits into a request."""

MAX_PIXELS = 2**24

_IN_MODEL = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")


def read(path: Path) -> bytes:
    """Reads a picture's file, after a look at its size.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is too large, or its header announces too many pixels.
    """
    if not path.is_file():
        there = "no regular file" if path.exists() else "no such file"
        raise FileNotFoundError(f"expected a picture. Received: {path}, {there}")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path}: expected at most {LARGEST} bytes. Received: more")
    from kerasdl.serving.images import image_size

    try:
        size = image_size(content)
    except Failure as failure:
        raise ValueError(f"{path}: {failure}") from None
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise ValueError(
            f"{path}: expected at most {MAX_PIXELS} pixels. Received: {size[1]} x {size[0]}"
        )
    return content


def encoded(path: Path) -> bytes:
    """Returns a picture as PNG, JPEG or BMP, which exported models decode; others become PNG.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, or too large.
    """
    content = read(path)
    if content.startswith(_IN_MODEL):
        return content
    image = _open(content, path)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pixels(path: Path, shape: tuple[int, int, int]) -> "npt.NDArray[np.uint8]":
    """Returns a picture's pixels at a model's size.

    The proportions are kept; the rest, half on each side, has the border's median colour.
    EXIF rotation is applied, transparency lies over white, gray is the brightness.

    Args:
        path: The file.
        shape: Height, width and channels (1 or 3).

    Returns:
        uint8 array of `shape`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture, or too large.
    """
    import numpy as np
    from PIL import Image

    height, width, channels = shape
    image = _open(read(path), path).convert("L" if channels == 1 else "RGB")
    scale = min(height / image.height, width / image.width)
    size = (
        min(width, max(1, round(scale * image.width))),
        min(height, max(1, round(scale * image.height))),
    )
    small = np.asarray(image.resize(size, Image.Resampling.BILINEAR)).reshape(*size[::-1], channels)
    edges = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    whole = np.empty(shape, np.uint8)
    whole[...] = np.round(np.median(edges, axis=0))
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    whole[top : top + size[1], left : left + size[0]] = small
    return whole


def _open(content: bytes, path: Path) -> Any:
    """Decodes a file to a Pillow image, RGB, upright."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        # Pillow warns of many pixels, and of damaged metadata, which does not matter here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"more than {MAX_PIXELS} pixels")
                upright = ImageOps.exif_transpose(image).convert("RGBA")
        except UnidentifiedImageError:
            raise ValueError(
                f"expected a PNG, JPEG, BMP, GIF, TIFF or WebP file. Received: {path}, another"
            ) from None
        except Exception as error:  # decoders raise many kinds for damaged files
            raise ValueError(f"{path} cannot be read as a picture: {error}") from None
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("RGB")
