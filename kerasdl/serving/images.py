"""The size of an encoded image by its first bytes, before anything is decoded.

A file of 1 MB can announce, and a decoder then allocates, gigabytes of pixels.
"""

import struct
from typing import Any

import numpy.typing as npt

from kerasdl.serving.errors import invalid

_SEGMENTS = 4096
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))


def check_images(strings: npt.NDArray[Any], most: int) -> int:
    """Checks the images among byte strings by their headers.

    Args:
        strings: Array of bytes; what is no image is passed over.
        most: The most pixels that all of them may have together.

    Returns:
        The number of their pixels.

    Raises:
        Failure: If they announce more.
    """
    total = 0
    for content in strings.flat:
        size = image_size(content)
        if size is None:
            continue
        height, width = size
        total += height * width
        if total > most:
            raise invalid(
                f"an image of {height} x {width} pixels brings the request above the most "
                f"that this server decodes ({most} pixels). Send it smaller."
            )
    return total


def image_size(content: bytes) -> tuple[int, int] | None:
    """Returns height and width of a PNG, GIF, BMP or JPEG; None if it is none of them."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        if len(content) < 24:
            return None
        width, height = struct.unpack_from(">II", content, 16)
        return height, width
    if content.startswith((b"GIF87a", b"GIF89a")) and len(content) >= 10:
        return _gif(content)
    if content.startswith(b"BM") and len(content) >= 26:
        width, height = struct.unpack_from("<ii", content, 18)
        return abs(height), abs(width)
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    return None


def _gif(content: bytes) -> tuple[int, int]:
    """Height over all frames: TensorFlow decodes each of them on the whole canvas."""
    width, height = struct.unpack_from("<HH", content, 6)
    frames, at = 0, 13 + _colours(content[10])
    for _ in range(_SEGMENTS):
        kind = content[at : at + 1]
        if kind == b"\x2c":
            frames += 1
            at += 11 + (_colours(content[at + 9]) if at + 9 < len(content) else 0)
        elif kind == b"\x21":
            at += 2
        else:
            return height * max(1, frames), width
        while at < len(content) and content[at]:
            at += 1 + content[at]
        at += 1
    raise invalid(f"a GIF image has more than {_SEGMENTS} blocks")


def _colours(flags: int) -> int:
    """Bytes of the colour table that a GIF's packed field announces."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Walks the segments to the frame header (ITU T.81, B.1.1.2)."""
    at = 2
    for _ in range(_SEGMENTS):
        while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] == b"\xff":
            at += 1
        if at + 4 > len(content) or content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker in _ALONE:
            at += 2
            continue
        if marker in _FRAMES:
            if at + 9 > len(content):
                return None
            height, width = struct.unpack_from(">HH", content, at + 5)
            return height, width
        at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    raise invalid(f"a JPEG image has more than {_SEGMENTS} segments before its frame header")
