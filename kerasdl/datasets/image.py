"""One image file as pixels: any of six formats, any mode, checked before it is decoded."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("BMP", "TIFF", "PNG", "JPEG", "WEBP", "GIF")
SUFFIXES = frozenset(
    (".bmp", ".dib", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jpe", ".webp", ".gif")
)
MAX_PIXELS = 64 * 10**6
MAX_BYTES = 256 * 2**20
EXIF_ORIENTATION = 0x0112

Size = tuple[int, int]


def image_size(path: Path) -> Size:
    """Returns height and width after EXIF rotation, from the header alone.

    Raises:
        ValueError: If the file is no readable image or announces more than
            `MAX_PIXELS` pixels.
    """
    with _errors_named(path), _open(path) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def read_image(path: Path, size: Size) -> npt.NDArray[np.uint8]:
    """Decodes one image.

    The first frame is taken, EXIF rotation applied, transparency laid over
    white, 16-bit gray brought to 8 bits, palettes, CMYK and the like made RGB.
    An image of another size is resized (bilinear, antialiased; the aspect
    ratio is not kept).

    Args:
        path: The file.
        size: Height and width to return.

    Returns:
        uint8 array (h, w, 1) when the image is gray in every pixel, else (h, w, 3).

    Raises:
        ValueError: If the file is no readable image, truncated or too large.
    """
    with _errors_named(path), _open(path) as opened:
        height, width = size
        # A JPEG can be decoded at a half, a quarter or an eighth of its size.
        opened.draft(None, (2 * max(size), 2 * max(size)))
        image: Image.Image = ImageOps.exif_transpose(opened)
        image = _gray_or_rgb(image, path)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8)
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    if (pixels[..., :1] == pixels).all():
        return pixels[..., :1]
    return pixels


def _gray_or_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Returns the image in mode L or RGB."""
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        values = np.asarray(image).astype(np.int64)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise ValueError(
                f"{path} must have gray values of at most 16 bits. Received: values from "
                f"{values.min()} to {values.max()}. Save it with 8 or 16 bits."
            )
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "F":
        raise ValueError(
            f"{path} must have integer values. Received: floating point. Save it with 8 or 16 bits."
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "L" else image.convert("L" if image.mode == "1" else "RGB")


def _open(path: Path) -> Image.Image:
    """Opens an image file and checks its size, in the file and in pixels."""
    size = os.stat(path).st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} must have at most {MAX_BYTES} bytes. Received: {size}")
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        received = f"{image.width} x {image.height}"
        image.close()
        raise ValueError(
            f"{path} must have at most {MAX_PIXELS} pixels. Received: {received}. Scale it down."
        )
    return image


class _errors_named:
    """Turns what Pillow raises for a bad file into a ValueError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, FileNotFoundError | PermissionError):
            return
        if isinstance(error, UnidentifiedImageError):
            raise ValueError(
                f"{self._path} must be an image in one of the formats {', '.join(FORMATS)}. "
                "Received: something else. Remove it or convert it."
            ) from error
        if isinstance(error, ValueError) and str(self._path) in str(error):
            return
        # Pillow's plugins raise all of these for damaged files.
        if isinstance(
            error,
            OSError
            | ValueError
            | SyntaxError
            | TypeError
            | IndexError
            | KeyError
            | EOFError
            | OverflowError
            | MemoryError
            | Image.DecompressionBombError
            | Image.DecompressionBombWarning,
        ):
            raise ValueError(
                f"{self._path} must be a readable image. Received: {error}. "
                "Remove it or save it again."
            ) from error
