"""Reading one file, plain, .gz or .xz, without trusting what it unpacks to."""

import gzip
import io
import lzma
import os
import zlib
from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
CHUNK = 1 << 20


class BoundedReader(io.RawIOBase):
    """The unpacked bytes of a file, up to a limit; past it reading fails.

    Nothing is unpacked further than it is read, so a decompression bomb costs
    `limit` bytes at most. The kind of compression is told by the first bytes,
    not by the name.

    Args:
        file: The file, open for reading in binary mode.
        name: What to call it in errors.
        limit: The largest number of unpacked bytes.

    Raises:
        ValueError: While reading, when the content is longer than `limit` or
            the compressed data are damaged or end too early.
    """

    def __init__(self, file: BinaryIO, name: str, limit: int) -> None:
        super().__init__()
        magic = file.read(len(XZ_MAGIC))
        file.seek(0)
        self._file: BinaryIO | gzip.GzipFile | lzma.LZMAFile = file
        if magic.startswith(GZIP_MAGIC):
            self._file = gzip.GzipFile(fileobj=file)
        elif magic == XZ_MAGIC:
            self._file = lzma.LZMAFile(file)  # noqa: SIM115 (the caller closes `file`)
        self._name = name
        self._limit = limit
        self._left = limit

    def readable(self) -> bool:
        """Says that this can be read, for io.BufferedReader."""
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """Fills `buffer` as far as there is content; returns the number of bytes."""
        try:
            # One byte more than is left tells a full file from one too long.
            content = self._file.read(min(len(buffer), self._left + 1))
        except EOFError as error:
            raise ValueError(
                f"{self._name} is truncated: its compressed data end too early. "
                "Copy or download it again."
            ) from error
        except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, MemoryError) as error:
            # MemoryError: an .xz header may ask for a dictionary of gigabytes.
            raise ValueError(
                f"{self._name} cannot be unpacked: {error}. Copy or download it again."
            ) from error
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(
                f"{self._name} must hold at most {self._limit} bytes when unpacked. "
                "Received: more than that; it is not read further."
            )
        buffer[: len(content)] = content
        return len(content)


def read_unpacked(path: str | os.PathLike[str], limit: int) -> bytes:
    """Reads a file, unpacking it when it is gzip or xz.

    Args:
        path: The file.
        limit: The largest unpacked size in bytes.

    Returns:
        The unpacked content.

    Raises:
        ValueError: If the content is larger than `limit`, truncated or damaged.
    """
    with open(path, "rb") as file:
        reader = io.BufferedReader(BoundedReader(file, os.fspath(path), limit), CHUNK)
        # read() without a size would go on in steps of 8 KiB.
        return b"".join(iter(lambda: reader.read(CHUNK), b""))
