"""A file of features while it is written: what was finished before a Ctrl-C or a kill stays.

Beside `<name>.part`, which grows into the file, `<name>.rows` has a line for
each block of rows that was written: how many there are now, and the SHA-256 up
to there. Whoever goes on hashes what is there and keeps it as far as it agrees;
so a block that a power cut tore is computed again.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from kerasdl import files
from kerasdl.training.features.entry import Header, first_line

PART, ROWS = ".part", ".rows"
_LINE = re.compile(rb"(\d{1,15}) ([0-9a-f]{64})")
_NO_DIGEST = "0" * 64
_BLOCK = 1 << 22


class Unfinished:
    """Rows that are being written.

    Args:
        file: `<name>.part`, open for reading and writing, unbuffered, and locked.
        path: Where it is.
        header: What it will be.
    """

    def __init__(self, file: IO[bytes], path: Path, header: Header) -> None:
        self.rows = 0
        """How many rows there are."""
        self._file, self._path, self._header = file, path, header
        self._log = path.with_suffix(ROWS)
        self._digest = hashlib.sha256(header.description)
        self._resume()

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Writes the next rows, an array (m, d) of the header's dtype.

        Raises:
            OSError: If the disk is full.
        """
        # As bytes: hashlib and files know no bfloat16.
        content = np.ascontiguousarray(rows).view(np.uint8).data
        self._digest.update(content)
        self.rows += len(rows)
        try:
            self._write(content)
            with self._log.open("ab") as log:
                log.write(f"{self.rows} {self._digest.hexdigest()}\n".encode())
        except OSError as error:  # which names no file
            raise OSError(error.errno, error.strerror, str(self._path)) from None

    def finish(self, target: Path) -> str:
        """Gives the file its checksum and its name; returns the checksum."""
        digest = self._digest.hexdigest()
        self._file.seek(0)
        self._write(first_line(digest))
        os.fsync(self._file.fileno())
        os.replace(self._path, target)
        files.fsync_directory(target.parent)
        self._log.unlink(missing_ok=True)
        return digest

    def discard(self) -> None:
        """Removes what is there."""
        self._path.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)

    def _write(self, content: bytes | memoryview) -> None:
        """Writes all of the content, which an unbuffered file may take in parts."""
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[self._file.write(rest) :]

    def _resume(self) -> None:
        """Finds how far the file can be believed, and cuts off what follows."""
        begin = first_line(_NO_DIGEST) + self._header.description
        self._file.seek(0)
        good = self._file.read(len(begin)) == begin
        digest = self._digest.copy()
        for rows, expected in self._logged() if good else []:
            if not self._hash(digest, (rows - self.rows) * self._header.row_bytes):
                break
            if digest.hexdigest() != expected:
                break
            self.rows, self._digest = rows, digest.copy()
        if self.rows == 0:
            self._file.truncate(0)
            self._file.seek(0)
            self._write(begin)
        end = self._header.start + self.rows * self._header.row_bytes
        self._file.truncate(end)
        self._file.seek(end)
        lines = [line for line in self._logged() if line[0] <= self.rows] if self.rows else []
        self._log.write_text("".join(f"{rows} {text}\n" for rows, text in lines))

    def _logged(self) -> list[tuple[int, str]]:
        """The lines of the log that can be true: ever more rows, up to all of them."""
        if not self._log.is_file():
            return []
        found = [_LINE.fullmatch(line) for line in self._log.read_bytes().splitlines()]
        lines: list[tuple[int, str]] = []
        for match in found:
            rows = int(match[1]) if match else 0
            if match is None or not (lines[-1][0] if lines else 0) < rows <= self._header.shape[0]:
                break
            lines.append((rows, match[2].decode()))
        return lines

    def _hash(self, digest: Any, count: int) -> bool:
        """Adds the next `count` bytes of the file to a checksum; False where it ends before."""
        while count:
            block = self._file.read(min(count, _BLOCK))
            if not block:
                return False
            digest.update(block)
            count -= len(block)
        return True
