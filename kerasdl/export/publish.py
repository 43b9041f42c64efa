"""A version's folder appears whole or not at all, and is never changed afterwards."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasdl import files

STAGING = ".export-"
"""Servers take folders with numbers for versions and leave others alone."""

MAX_VERSION = 2**63 - 1


def check_name(name: str) -> None:
    """Checks the name of a model, which is a folder's and part of a URL.

    Raises:
        ValueError: If it may not be one.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}", name):
        raise ValueError(
            "a model's name has letters, digits, '_', '-' and '.', at most 61 of them. "
            f"Received: {name!r}"
        )


def versions(folder: Path) -> list[int]:
    """Returns the numbers of the versions in a model's folder, in ascending order."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir()]
    return sorted({int(name) for name in names if re.fullmatch("[0-9]{1,19}", name)})


def choose_version(folder: Path, asked: int | None) -> int:
    """Returns the version to publish: the one asked for, or the next.

    Raises:
        ValueError: If it is there already.
    """
    there = versions(folder)
    version = asked if asked is not None else max(there, default=0) + 1
    if not 1 <= version <= MAX_VERSION:
        raise ValueError(f"a version is a number from 1 to {MAX_VERSION}. Received: {version}")
    if version in there:
        raise ValueError(
            f"{folder / str(version)} is there already, and a published version is never changed; "
            f"leave --version out for {max(there) + 1}"
        )
    return version


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside a model's versions; what is left of it afterwards is removed.

    Args:
        folder: The model's folder; made when missing, and removed again when nothing is
            published in it. What killed exports left in it is removed, too.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STAGING
    try:
        with contextlib.ExitStack() as held:
            with _locked(folder):  # so that nobody takes a new folder for a leftover
                _remove_leftovers(folder)
                path = Path(tempfile.mkdtemp(dir=folder, prefix=STAGING))
                held.enter_context(_locked(path))
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        for empty in made:
            # Not empty: it was published, or another process writes there.
            with contextlib.suppress(OSError):
                empty.rmdir()


def publish(staged: Path, asked: int | None) -> Path:
    """Makes a staged folder a version.

    Args:
        staged: As from `staging`, complete.
        asked: The version; None for the next.

    Returns:
        The version's folder.

    Raises:
        ValueError: If the version is there already.
    """
    umask = os.umask(0)
    os.umask(umask)
    for path in sorted(staged.rglob("*"), reverse=True):  # a folder after what is in it
        if path.is_dir():
            files.fsync_directory(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    staged.chmod(0o777 & ~umask)  # mkdtemp makes it private
    files.fsync_directory(staged)
    folder = staged.parent
    with _locked(folder):  # another export may be about to take the same number
        target = folder / str(choose_version(folder, asked))
        staged.rename(target)
    files.fsync_directory(folder)
    return target


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds the system's lock on a folder itself, which leaves no file; yields whether it does."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Removes staged folders that no living process holds."""
    for path in folder.glob(f"{STAGING}*"):
        alone: Any = _locked(path, wait=False)
        with contextlib.suppress(OSError), alone as free:
            if free:
                shutil.rmtree(path, ignore_errors=True)
