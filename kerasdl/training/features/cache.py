"""The features on this machine: one file for each key, found again by whoever needs them.

A file appears whole or not at all; its checksum is verified once in a process.
Those used least lately are removed when all together pass a limit, but never
one that a process has mapped. Two processes that need the same features compute
them once: the second waits.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy.typing as npt

from kerasdl.datasets.store import store_folder
from kerasdl.training.features import entry, locking
from kerasdl.training.features.entry import Header
from kerasdl.training.features.unfinished import PART, ROWS, Unfinished
from kerasdl.training.sizes import format_size, parse_size

LIMIT_VARIABLE = "KERASDL_CACHE_LIMIT"
LIMIT = 8 * 10**9
"""Bytes that all features together may take, where nobody says otherwise."""

Compute = Callable[[int], Iterable[npt.NDArray[Any]]]

_verified: set[tuple[int, int, str]] = set()
"""Device, inode and checksum of the files that this process has read in full."""


class Entry(NamedTuple):
    """One file of the cache.

    Args:
        path: The file.
        size: Bytes on the disk.
        used: When it was made or last used, in seconds since 1970.
        header: What it says of itself; None for an unfinished or damaged file.
        problem: Why it cannot be used; "" where it can.
    """

    path: Path
    size: int
    used: float
    header: Header | None
    problem: str


def default_folder() -> Path:
    """Returns the folder of the cache, beside that of the data sets; it need not exist."""
    return store_folder().parent / "features"


def default_limit() -> int:
    """Returns the limit in bytes: KERASDL_CACHE_LIMIT where that is set, else 8 GB.

    Raises:
        ValueError: If the variable holds no size.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return LIMIT
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"{LIMIT_VARIABLE}: {error}") from None


class FeatureCache:
    """Features in files, by key.

    Args:
        folder: Where; None for KERASDL_HOME/features, or the platform's folder for caches.
        limit: Bytes of all files together, >= 0; None for `default_limit()`.
        notify: Gets one line for each file that cannot be used, and when there is
            another process to wait for.

    Raises:
        ValueError: If the limit is none.
    """

    def __init__(
        self,
        folder: Path | None = None,
        limit: int | None = None,
        *,
        notify: Callable[[str], None] = print,
    ) -> None:
        self.folder = default_folder() if folder is None else folder
        self.limit = default_limit() if limit is None else limit
        if self.limit < 0:
            raise ValueError(f"the limit must be at least 0 bytes. Received: {limit}")
        self._notify = notify

    def get(
        self, key: Mapping[str, Any], dtype: str, shape: tuple[int, int], compute: Compute
    ) -> npt.NDArray[Any]:
        """Returns the features of `key`, computed only where the cache does not have them.

        Args:
            key: Plain data that decides every number.
            dtype: "float32", "float16" or "bfloat16".
            shape: (n, d), both >= 1.
            compute: Called with the number of rows that are there already, at most n; gives
                the rest in blocks (m, d) of that dtype. Where it raises or ends in an
                interrupt, nothing can be found under the key; after an interrupt or a kill
                the blocks that it gave are there the next time.

        Returns:
            Array (n, d), mapped into memory and read-only.

        Raises:
            ValueError: If the features alone would pass the limit, before any is computed.
            OSError: If the disk is or would be full, or a file cannot be read or written.
        """
        header = Header(entry.plain(key), dtype, shape)
        path = self.folder / f"{entry.name_of(header.key)}{entry.SUFFIX}"
        found = self._find(path, header, self._notify)
        if found is not None:
            return found
        self.check_limit(header.size)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._taken(path.with_suffix(PART)) as file:
            # Another process may have finished it meanwhile.
            found = self._find(path, header, lambda text: None)
            if found is not None:
                path.with_suffix(PART).unlink(missing_ok=True)
                return found
            found = self._write(file, path, header, compute)
        self.trim(self.limit)
        return found

    def check_limit(self, size: int) -> None:
        """Raises ValueError if features of `size` bytes alone would pass the limit."""
        if size > self.limit:
            raise ValueError(
                f"the features take {format_size(size)}, more than all that the cache may: "
                f"{format_size(self.limit)}. Raise the limit (--cache-limit or {LIMIT_VARIABLE}), "
                "or train without the cache (--no-cache)"
            )

    def entries(self) -> list[Entry]:
        """Returns what is in the cache, the lately used first; unfinished and damaged files too."""
        found = [_describe(path) for path in self._paths()]
        return sorted((one for one in found if one), key=lambda one: one.used, reverse=True)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(one.size for one in self.entries())

    def trim(self, limit: int) -> list[Entry]:
        """Removes the entries used least lately until all together take at most `limit` bytes.

        Those that a process uses stay.

        Returns:
            What was removed.
        """
        entries = self.entries()
        total, removed = sum(one.size for one in entries), []
        for one in reversed(entries):
            if total <= limit:
                break
            if _remove(one.path):
                total -= one.size
                removed.append(one)
        return removed

    def clear(self) -> list[Entry]:
        """Removes every entry that no process uses, and returns what was removed."""
        return self.trim(-1)

    def _paths(self) -> list[Path]:
        return [*self.folder.glob(f"*{entry.SUFFIX}"), *self.folder.glob(f"*{PART}")]

    def _find(
        self, path: Path, header: Header, notify: Callable[[str], None]
    ) -> npt.NDArray[Any] | None:
        """Returns the features in a file, or None where there is none that can be used."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            locking.share(file)
            if not locking.is_at(file, path):  # removed or replaced since it was opened
                return self._find(path, header, notify)
            try:
                found, digest = entry.read_header(file)
                if found != header:
                    raise ValueError("it holds the features of another key")
                state = os.fstat(file.fileno())
                identity = state.st_dev, state.st_ino, digest
                if identity not in _verified:
                    entry.check(file, digest)
                    _verified.add(identity)
            except ValueError as error:
                notify(f"{path} cannot be used: {error}. The features are computed again.")
                return None
            # The file's time is that of its last use.
            os.utime(path)
            return entry.mapped(file, header)

    @contextmanager
    def _taken(self, part: Path) -> Iterator[IO[bytes]]:
        """Opens the unfinished file for this process alone, waiting for another that writes it."""
        while True:
            # Made when missing, never emptied: another process may be writing it. Unbuffered,
            # or closing it would try once more to write what a full disk has refused.
            handle = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                if not locking.take(file, wait=False):
                    self._notify("Another process computes these features: waiting for it.")
                    locking.take(file, wait=True)
                if locking.is_at(file, part):
                    yield file
                    return

    def _write(
        self, file: IO[bytes], path: Path, header: Header, compute: Compute
    ) -> npt.NDArray[Any]:
        unfinished = Unfinished(file, path.with_suffix(PART), header)
        try:
            self._make_room((header.shape[0] - unfinished.rows) * header.row_bytes)
            for rows in compute(unfinished.rows):
                unfinished.append(rows)
            if unfinished.rows != header.shape[0]:
                raise ValueError(
                    f"expected {header.shape[0]} rows of features. Received: {unfinished.rows}"
                )
            digest = unfinished.finish(path)
        except Exception:
            unfinished.discard()
            raise
        state = os.fstat(file.fileno())
        _verified.add((state.st_dev, state.st_ino, digest))
        locking.share(file)
        return entry.mapped(file, header)

    def _make_room(self, wanted: int) -> None:
        """Lets old features go for `wanted` bytes of new ones.

        Raises:
            OSError: If the disk has no room for them all the same.
        """
        self.trim(self.limit - wanted)
        free = shutil.disk_usage(self.folder).free
        # Only where that helps: not for features that would be refused then, too.
        if free < wanted <= free + self.size:
            self.trim(self.size - (wanted - free))
            free = shutil.disk_usage(self.folder).free
        if wanted > free:
            raise OSError(
                errno.ENOSPC,
                f"the features take {format_size(wanted)}, and the disk has {format_size(free)}",
                str(self.folder),
            )


def _describe(path: Path) -> Entry | None:
    """Returns what is known of a file without reading all of it; None if it has just gone."""
    try:
        state = path.stat()
        size = state.st_size
        if path.suffix == PART:
            return Entry(path, size, state.st_mtime, None, "unfinished")
        try:
            header = entry.read_description(path)
        except (ValueError, PermissionError) as error:
            return Entry(path, size, state.st_mtime, None, str(error))
    except FileNotFoundError:
        return None
    return Entry(path, size, state.st_mtime, header, "")


def _remove(path: Path) -> bool:
    """Removes a file unless a process uses it; returns whether it did."""
    try:
        with path.open("rb") as file:
            if not locking.take(file, wait=False) or not locking.is_at(file, path):
                return False
            path.unlink()
            if path.suffix == PART:
                path.with_suffix(ROWS).unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except PermissionError:  # Windows, where it is open
        return False
    return True
