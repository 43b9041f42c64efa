"""Writing files so that a reader never sees half of one, and checksums.

Every file kerasdl writes goes through here: a run killed at any moment leaves
either the old file or the new one.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], suffix: str | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it becomes `path`.

    For libraries that insist on writing a file themselves (Keras, NumPy,
    matplotlib). The order is write, fsync, rename, fsync of the folder, so
    that after a power cut the name leads to the whole content.

    Args:
        path: The file to write. Its folder is created when missing. The
            temporary name keeps the suffix, because libraries choose the
            format by it.
        suffix: What the temporary name must end with; None for the path's own suffix.

    Yields:
        The path to write to. When the body raises, it is removed and `path`
        is left as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}.", suffix=suffix or target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private; give it what open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(target.parent)


@contextlib.contextmanager
def atomic_open(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Opens a file for writing that appears under its name only when complete.

    Args:
        path: The file to write.
        mode: "w" (text, UTF-8) or "wb".

    Yields:
        The open file.

    Raises:
        ValueError: If `mode` is neither "w" nor "wb".
    """
    if mode not in ("w", "wb"):
        raise ValueError(f'mode must be "w" or "wb". Received: {mode!r}')
    with (
        atomic_path(path) as temporary,
        temporary.open(mode, encoding=None if mode == "wb" else "utf-8") as file,
    ):
        yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` (UTF-8) to `path` atomically."""
    with atomic_open(path) as file:
        file.write(text)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes `content` to `path` atomically."""
    with atomic_open(path, "wb") as file:
        file.write(content)


def fsync_directory(path: Path) -> None:
    """Makes a rename inside the folder `path` durable, where the system can."""
    if os.name == "nt":  # Windows cannot open a folder for fsync
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a file's content as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
