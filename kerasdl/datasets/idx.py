"""The idx files of MNIST and Fashion-MNIST.

Format (http://yann.lecun.com/exdb/mnist/): two zero bytes, a type code (8 is
unsigned byte), the number of dimensions, each dimension as a big-endian
32-bit integer, then the values in C order.
"""

import struct

import numpy as np
import numpy.typing as npt

UNSIGNED_BYTE = 8


def header(shape: tuple[int, ...]) -> bytes:
    """Returns the bytes that stand before unsigned-byte values of this shape."""
    return struct.pack(f">4B{len(shape)}I", 0, 0, UNSIGNED_BYTE, len(shape), *shape)


def parse(
    content: bytes, name: str, *, item_shape: tuple[int, ...], max_items: int
) -> npt.NDArray[np.uint8]:
    """Returns the array in an idx file of unsigned bytes.

    Args:
        content: The whole unpacked file.
        name: What to call the file in errors.
        item_shape: The shape of one item, () for labels, (28, 28) for images.
        max_items: The largest number of items.

    Returns:
        uint8 array (n, *item_shape), a read-only view of `content`.

    Raises:
        ValueError: If magic, shape or size are not as expected.
    """
    dimensions = 1 + len(item_shape)
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        raise ValueError(
            f"{name} must be an idx file of unsigned bytes with {dimensions} dimensions, "
            f"which begins with {magic.hex()}. Received: {content[:4].hex() or 'an empty file'}. "
            "Is it another file under this name?"
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise ValueError(
            f"{name} is truncated: an idx header has {start} bytes. "
            f"Received: {len(content)}. Copy or download it again."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if shape[1:] != item_shape or not 0 < shape[0] <= max_items:
        raise ValueError(
            f"{name} must hold 1 to {max_items} items of shape {item_shape}. "
            f"Received: {shape[0]} items of shape {shape[1:]}"
        )
    size = int(np.prod(shape, dtype=np.int64))
    if len(content) - start != size:
        problem = "is truncated" if len(content) - start < size else "has bytes after its end"
        raise ValueError(
            f"{name} {problem}: its header announces {size} bytes of values. "
            f"Received: {len(content) - start}. Copy or download it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
