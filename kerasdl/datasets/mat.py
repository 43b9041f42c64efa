"""SVHN's cropped digits: MATLAB 5 files with X (32, 32, 3, n) and y (n, 1).

Format of the data: http://ufldl.stanford.edu/housenumbers/ ("Format 2"); of the
file: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf. Its
compressed elements could unpack to anything, so they are unpacked here, up to
a limit, and SciPy is given the unpacked file.
"""

import io
import struct
import zlib
from typing import Any

import numpy as np

from kerasdl.datasets.dataset import Images, Labels

HEADER_BYTES = 128
COMPRESSED = 15
MATRIX = 14
NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "single", "double")


def parse(content: bytes, name: str, *, max_items: int, limit: int) -> tuple[Images, Labels]:
    """Returns images and labels of an SVHN file.

    Args:
        content: The whole file.
        name: What to call the file in errors.
        max_items: The largest number of images.
        limit: The largest size in bytes that its variables may unpack to.

    Returns:
        uint8 images (n, 32, 32, 3) in the file's order and int32 labels (n,),
        values 0..9, where the file's label 10 has become 0.

    Raises:
        ValueError: If header, shapes, types or labels are not SVHN's, or the
            file is truncated or unpacks to more than `limit`.
    """
    plain = _unpack(content, name, limit)
    del content
    _check_variables(_with_scipy("whosmat", plain, name), name, max_items)
    arrays = _with_scipy("loadmat", plain, name, variable_names=["X", "y"])
    images, labels = arrays["X"], arrays["y"].reshape(-1)
    low, high = labels.min(), labels.max()
    if low < 1 or high > 10 or (labels != labels.astype(np.int32)).any():
        raise ValueError(
            f"{name}: the labels y must be integers 1..10, where 10 is the digit 0. "
            f"Received: values from {low} to {high}"
        )
    labels = labels.astype(np.int32)
    labels[labels == 10] = 0
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels


def _with_scipy(function: str, plain: bytes, name: str, **arguments: Any) -> Any:
    """Calls a function of scipy.io on an unpacked file, so that its errors name the file."""
    # SciPy takes a quarter of a second to import; only this data set needs it.
    import scipy.io

    try:
        return getattr(scipy.io, function)(io.BytesIO(plain), **arguments)
    except (
        scipy.io.matlab.MatReadError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        OSError,
        NotImplementedError,
        MemoryError,
    ) as error:
        raise ValueError(
            f"{name} must be a MATLAB 5 file. Received: damaged data ({error}). "
            "Copy or download it again."
        ) from error


def _check_variables(
    listed: list[tuple[str, tuple[int, ...], str]], name: str, max_items: int
) -> None:
    """Refuses a file whose declared variables are not SVHN's, before any array is made."""
    variables = {variable: (shape, kind) for variable, shape, kind in listed}
    shape, kind = variables.get("X", ((), "missing"))
    if kind != "uint8" or len(shape) != 4 or shape[:3] != (32, 32, 3):
        raise ValueError(
            f"{name} must hold X, uint8 (32, 32, 3, n). Received: {kind} {tuple(shape)}"
        )
    items = shape[3]
    if not 0 < items <= max_items:
        raise ValueError(f"{name} must hold 1 to {max_items} images. Received: {items}")
    shape, kind = variables.get("y", ((), "missing"))
    if kind not in NUMBERS or tuple(shape) not in ((items, 1), (1, items)):
        raise ValueError(
            f"{name} must hold y, numbers ({items}, 1). Received: {kind} {tuple(shape)}"
        )


def _unpack(content: bytes, name: str, limit: int) -> bytes:
    """Returns the same MATLAB file with its compressed elements unpacked."""
    if content[:10] == b"MATLAB 7.3":
        raise ValueError(
            f"{name} must be a MATLAB 5 file. Received: a MATLAB 7.3 (HDF5) file. "
            "Save it in MATLAB with -v7."
        )
    endian = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER_BYTES])
    version = struct.unpack(f"{endian}H", content[124:126])[0] if endian else None
    if version != 0x0100:
        raise ValueError(
            f"{name} must be a MATLAB 5 file, which begins with a header of {HEADER_BYTES} bytes "
            f"that ends in 0100 and IM or MI. Received: {content[124:HEADER_BYTES]!r} there"
        )
    parts = [content[:HEADER_BYTES]]
    left = limit
    at = HEADER_BYTES
    while at < len(content):
        if len(content) - at < 8:
            raise _truncated(name)
        kind, size = struct.unpack(f"{endian}2I", content[at : at + 8])
        if kind not in (COMPRESSED, MATRIX):
            raise ValueError(
                f"{name} must hold matrices only (element types {MATRIX} and {COMPRESSED}). "
                f"Received: an element of type {kind}"
            )
        if size > len(content) - at - 8:
            raise _truncated(name)
        element = memoryview(content)[at : at + 8 + size]
        parts.append(
            _inflate(element[8:], name, left, endian) if kind == COMPRESSED else bytes(element)
        )
        left -= len(parts[-1])
        at += 8 + size
    return b"".join(parts)


def _inflate(packed: "memoryview[int]", name: str, limit: int, endian: str | None) -> bytes:
    """Returns the matrix element inside a compressed one."""
    unpacker = zlib.decompressobj()
    try:
        element = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise ValueError(
            f"{name} has damaged compressed data: {error}. Copy or download it again."
        ) from error
    if len(element) > limit:
        raise ValueError(
            f"{name} must unpack to at most {limit} more bytes here. Received: more than that; "
            "it is not read further."
        )
    if not unpacker.eof:
        raise _truncated(name)
    if len(element) < 8 or struct.unpack(f"{endian}2I", element[:8]) != (MATRIX, len(element) - 8):
        raise ValueError(
            f"{name} must hold one matrix in each compressed element. Received: "
            f"{element[:8].hex()} and {len(element)} bytes"
        )
    return element


def _truncated(name: str) -> ValueError:
    return ValueError(
        f"{name} is truncated: an element is longer than the rest of the file. "
        "Copy or download it again."
    )
