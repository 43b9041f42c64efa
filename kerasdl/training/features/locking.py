"""Locks on open files, which the system takes away from a process that dies.

On Windows there are none: there the system itself refuses to remove a file that
is open, and two processes may compute the same features.
"""

import os
import sys
from pathlib import Path
from typing import IO


def share(file: IO[bytes]) -> None:
    """Marks an open file as in use, waiting for whoever is about to remove it."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH)


def take(file: IO[bytes], *, wait: bool) -> bool:
    """Takes an open file for this process alone; returns whether it could.

    Args:
        file: The file.
        wait: Whether to wait for others, who use it or have taken it.
    """
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True


def is_at(file: IO[bytes], path: Path) -> bool:
    """Whether `path` still leads to the open file: it may have been renamed or removed."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))
