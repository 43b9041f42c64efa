"""One image file as pixels: any of six formats, any mode, checked before it is decoded."""

import io
import os
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from kerasdl.datasets.plain_png import decode_plain_png

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
SUFFIXES = frozenset(
    (".bmp", ".dib", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jpe", ".webp", ".gif")
)
MAX_PIXELS = 64 * 10**6
MAX_BYTES = 256 * 2**20
AT_ONCE_BYTES = 2**16
"""Smaller files are read whole: Pillow's many small reads cost more than their decoding."""
EXIF_ORIENTATION = 0x0112

Size = tuple[int, int]
StrPath = str | os.PathLike[str]


def image_size(path: StrPath) -> Size:
    """Returns height and width after EXIF rotation, from the header alone.

    Raises:
        ValueError: If the file is no readable image or announces more than
            `MAX_PIXELS` pixels.
    """
    with _errors_named(path), _open(path) as image:
        return _upright_size(image)


def read_image(path: StrPath, size: Size) -> npt.NDArray[np.uint8]:
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
        # A JPEG can be decoded at a half, a quarter or an eighth of its size.
        opened.draft(None, (2 * max(size), 2 * max(size)))
        return _pixels(_resized(_gray_or_rgb(_upright(opened), path), size))


def read_small_image(path: StrPath, max_side: int) -> tuple[Size, npt.NDArray[np.uint8] | None]:
    """Opens a file once, for its size and, if the image is small, for its pixels.

    Args:
        path: The file.
        max_side: Images that are higher or wider are not decoded.

    Returns:
        Height and width after EXIF rotation, and the pixels as `read_image` returns them
        for that size; None for a larger image.

    Raises:
        ValueError: If the file is no readable image, truncated or too large.
    """
    with _errors_named(path):
        content = _read_at_once(path)
        if content is not None and (plain := decode_plain_png(content, max_side)) is not None:
            return plain.shape[:2], _without_equal_channels(plain)
        with _open(path, content) as opened:
            if max(opened.size) > max_side:
                return _upright_size(opened), None
            pixels = _pixels(_gray_or_rgb(_upright(opened), path))
    return pixels.shape[:2], pixels


def resize_pixels(pixels: npt.NDArray[np.uint8], size: Size) -> npt.NDArray[np.uint8]:
    """Resizes what `read_small_image` returned to what `read_image` would have.

    Args:
        pixels: uint8 array (h, w, 1 or 3).
        size: Height and width to return.

    Returns:
        uint8 array (h, w, 1 or 3) as from `read_image`.
    """
    if pixels.shape[:2] == size:
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return _pixels(_resized(image, size))


def is_read_reduced(own: Size, size: Size) -> bool:
    """Whether `read_image` may decode an image at a fraction of its own size, as JPEGs can be."""
    return min(own) // (2 * max(size)) >= 2


def _upright_size(image: Image.Image) -> Size:
    """Returns height and width after EXIF rotation."""
    width, height = image.size
    turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def _upright(image: Image.Image) -> Image.Image:
    """Returns the image after EXIF rotation."""
    image.load()
    # Only TIFF has its orientation elsewhere; looking for it copies the image.
    if not image.info and image.format != "TIFF":
        return image
    return ImageOps.exif_transpose(image)


def _resized(image: Image.Image, size: Size) -> Image.Image:
    """Returns an image of mode L or RGB with this height and width."""
    height, width = size
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Returns the pixels of an image of mode L or RGB, (h, w, 1) where all are gray."""
    shape = (image.height, image.width, len(image.mode))  # 1 or 3
    return _without_equal_channels(np.frombuffer(image.tobytes(), np.uint8).reshape(shape))


def _without_equal_channels(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns one channel of three that are equal in every pixel."""
    if pixels.shape[2] == 1:
        return pixels
    red, green, blue = pixels[0, 0].tolist()  # tells most colour images at once
    if red == green == blue and (pixels[..., :1] == pixels).all():
        return pixels[..., :1]
    return pixels


def _gray_or_rgb(image: Image.Image, path: StrPath) -> Image.Image:
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


def _read_at_once(path: StrPath) -> bytes | None:
    """Returns the content of a file, or None if it is not small."""
    # Python's file objects take twice as long as the system needs for so little.
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        content = os.read(file, AT_ONCE_BYTES)
        # Some file systems give less than all at once.
        whole = len(content) < AT_ONCE_BYTES and len(content) == os.fstat(file).st_size
        return content if whole else None
    finally:
        os.close(file)


def _open(path: StrPath, content: bytes | None = None) -> Image.Image:
    """Opens an image file, or its content, and checks its size, in the file and in pixels."""
    if content is None:
        size = os.stat(path).st_size
        if size > MAX_BYTES:
            raise ValueError(f"{path} must have at most {MAX_BYTES} bytes. Received: {size}")
    image = Image.open(path if content is None else io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        received = f"{image.width} x {image.height}"
        image.close()
        raise ValueError(
            f"{path} must have at most {MAX_PIXELS} pixels. Received: {received}. Scale it down."
        )
    return image


class _errors_named:
    """Turns what Pillow raises for a bad file into a ValueError that names the file."""

    def __init__(self, path: StrPath) -> None:
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
