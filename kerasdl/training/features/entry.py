"""The file of one set of features: what they are of, a checksum, and the numbers.

A line `kerasdl-features 1 <SHA-256 of the rest>`, a line of JSON (key, dtype,
shape) padded with spaces, and the rows in C order from a multiple of 64 bytes
on, so that the file can be mapped into memory as it is. Nothing in it can run
code, and nothing is believed before its size and its checksum are right.
"""

import hashlib
import json
import math
import mmap
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import ALIGNMENT

SUFFIX = ".features"
DTYPES = ("float32", "float16", "bfloat16")
_FIRST = re.compile(rb"kerasdl-features 1 ([0-9a-f]{64})\n")
_FIRST_BYTES = 84
_LARGEST_DESCRIPTION = 1 << 20
_BLOCK = 1 << 22


class Header(NamedTuple):
    """What a file says of itself.

    Args:
        key: What decides the numbers, as JSON can say it.
        dtype: "float32", "float16" or "bfloat16".
        shape: (n, d).
    """

    key: Any
    dtype: str
    shape: tuple[int, int]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.shape[1] * dtype_of(self.dtype).itemsize

    @property
    def description(self) -> bytes:
        """The second line of the file, with the spaces that align what follows."""
        text = json.dumps(self._asdict(), sort_keys=True).encode()
        return text + b" " * (-(_FIRST_BYTES + len(text) + 1) % ALIGNMENT) + b"\n"

    @property
    def start(self) -> int:
        """Where in the file the rows begin."""
        return _FIRST_BYTES + len(self.description)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.start + self.shape[0] * self.row_bytes


def plain(key: Mapping[str, Any]) -> Any:
    """Returns a key as it comes back from a file: tuples are lists there."""
    return json.loads(json.dumps(key))


def name_of(key: Mapping[str, Any]) -> str:
    """Returns the file name of a key, without suffix."""
    text = json.dumps(key, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:32]


def images_sha256(images: npt.NDArray[np.uint8]) -> str:
    """Returns the SHA-256 of images: of their shape and their pixels in C order."""
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def dtype_of(name: str) -> np.dtype[Any]:
    """Returns the dtype of a name in `DTYPES`."""
    if name == "bfloat16":
        import ml_dtypes  # noqa: F401  Keras's own dependency; it gives NumPy this type

    return np.dtype(name)


def first_line(digest: str) -> bytes:
    """Returns the first line for a checksum of 64 hexadecimal digits."""
    return f"kerasdl-features 1 {digest}\n".encode()


def read_header(file: IO[bytes]) -> tuple[Header, str]:
    """Returns what an open file says of itself, and the checksum it should have.

    Raises:
        ValueError: If it is no such file, damaged or cut short.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    first = _FIRST.fullmatch(file.read(_FIRST_BYTES))
    if first is None:
        raise ValueError("it is no file of features, or its beginning is damaged")
    line = file.readline(_LARGEST_DESCRIPTION)
    try:
        said = json.loads(line)
        rows, columns = said["shape"]
        header = Header(said["key"], said["dtype"], (rows, columns))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("its description is damaged") from None
    whole = type(rows) is int and type(columns) is int and rows >= 1 and columns >= 1
    if not whole or header.dtype not in DTYPES or line != header.description:
        raise ValueError("its description is damaged")
    if size != header.size:
        raise ValueError(f"it must have {header.size} bytes, and has {size}")
    return header, first[1].decode()


def check(file: IO[bytes], digest: str) -> None:
    """Reads the whole file and compares its checksum.

    Raises:
        ValueError: If it is another.
    """
    file.seek(_FIRST_BYTES)
    found = hashlib.sha256()
    while block := file.read(_BLOCK):
        found.update(block)
    if found.hexdigest() != digest:
        raise ValueError("its checksum is wrong: it is torn or damaged")


def mapped(file: IO[bytes], header: Header) -> npt.NDArray[Any]:
    """Returns the rows of an open file, mapped into memory and read-only.

    The map keeps the file open, and with it the file's lock, until the array is gone.
    """
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    count = math.prod(header.shape)
    rows = np.frombuffer(memory, dtype_of(header.dtype), count, header.start)
    return rows.reshape(header.shape)


def read_description(path: Path) -> Header:
    """Returns what the file at `path` says of itself; its checksum is not looked at.

    Raises:
        ValueError: If it is no such file, damaged or cut short.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return read_header(file)[0]
