"""Fetching a file that Keras publishes, whole or not at all."""

import hashlib
import socket
import tempfile
from functools import partial
from pathlib import Path

import keras

TIMEOUT_SECONDS = 30
_MD5_DIGITS = 32


def is_whole(path: Path, checksum: str) -> bool:
    """Return whether a file has the checksum that Keras states for it.

    Args:
        path: the file.
        checksum: MD5 or SHA-256 in hexadecimal digits; "" where Keras states none, which any file
            has.
    """
    if not checksum:
        return True
    # Against accidents, for which MD5 will do.
    md5 = partial(hashlib.md5, usedforsecurity=False)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, md5 if len(checksum) == _MD5_DIGITS else "sha256")
    return found.hexdigest() == checksum


def fetched(name: str, url: str, checksum: str, folder: Path) -> Path:
    """Fetch a file with Keras's own download.

    Keras writes under the final name while it fetches, and takes what it finds there for the file:
    a process that is killed half-way would leave half of it for good. So it fetches into a folder
    beside it.

    Args:
        name: the file's name.
        url: its address.
        checksum: as for `is_whole`.
        folder: where to put it, made where it is missing; a file of that name is replaced.

    Returns:
        The file.

    Raises:
        Exception: the network fails, or what came has another checksum.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Keras sets no limit: without one a network that swallows packets would hold the run forever.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as beside:
            path = keras.utils.get_file(
                name, url, cache_dir=beside, cache_subdir="", file_hash=checksum or None
            )
            return Path(path).replace(folder / name)
    finally:
        socket.setdefaulttimeout(before)
