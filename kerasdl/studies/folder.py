"""The run folder: which one, whose it is, and one process at a time in it."""

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import files, recipe, record
from kerasdl.studies.plan import Recipe

# What a process leaves that is killed while it writes such a file (files.atomic_path).
_LEFTOVER = re.compile(
    r"\.(?:recipe|results|predictions|familiarity|history|README|report)\.[a-z0-9_]{8}\.[a-z]+"
)
RUNS = Path("runs")
"""Where runs are written if nobody says otherwise."""

_ENVIRONMENT = "environment.json"
_LEFTOVER_BELOW = {"models": ".*.keras", "figures": ".*.png", "parts": ".*.json"}


def choose(out: str | None, app: str, plan: Mapping[str, Any], sha256: str) -> Path:
    """Returns the folder for a run, without making it.

    Args:
        out: What the user named; None for runs/<app>, or the first of
            runs/<app>-2, -3, ... that is free or holds this very run.
        app: The app's name.
        plan: The recipe as plain data.
        sha256: Checksum of the images.

    Raises:
        ValueError: If `out` is a file, or a folder with something else than a run in it.
    """
    if out is not None:
        return _check(out)
    number = 1
    while True:
        folder = RUNS / (app if number == 1 else f"{app}-{number}")
        if (_is_free(folder) and not is_busy(folder)) or _held(folder, plan, sha256):
            return folder
        number += 1


def choose_for(out: str | None, base: str, plan: Mapping[str, Any] | None, sha256: str) -> Path:
    """Returns the folder for an experiment, without making it.

    Args:
        out: What the user named; None for the first of runs/<base>, -2, ... that is
            free or holds this very experiment, finished or not.
        base: The folder's name in runs/.
        plan: The recipe as plain data; None to look only whether `out` may be used.
        sha256: Checksum of the images; "" without images.

    Raises:
        ValueError: If `out` is a file, has something else in it, or another recipe.
    """
    if out is None:
        numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
        folders = (RUNS / f"{base}{end}" for end in numbers)
        return next(
            folder
            for folder in folders
            if (_is_free(folder) and not is_busy(folder)) or _differs(folder, plan, sha256) == []
        )
    folder = _check(out, parts=True)
    if plan is not None and not _is_free(folder) and (found := _differs(folder, plan, sha256)):
        raise ValueError(
            f"{folder} holds the run of another recipe; choose another --out. "
            f"Differences: {'; '.join(found)}"
        )
    return folder


def _differs(folder: Path, plan: Mapping[str, Any] | None, sha256: str) -> list[str]:
    """Returns how an experiment's folder differs from a recipe; [] when it is the same."""
    try:
        stored = recipe.read_toml(folder / "recipe.toml")
        found = recipe.differences(stored, plan or {})
        if (folder / "results.json").exists():
            old = record.read_findings(folder / "results.json").dataset
            if (old.sha256 if old else "") != sha256:
                found.append("the images (dataset.sha256)")
    except (ValueError, OSError):  # somebody else's, or damaged: not ours to touch
        return ["it is not the folder of an experiment"]
    return found


def _check(out: str, parts: bool = False) -> Path:
    folder = Path(out)
    if not out.strip():
        raise ValueError("--out must name a folder. Received: an empty text")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder. Received the file {folder}")
    # A report overwrites README.md and figures/: never in a folder that is not a run's.
    begun = parts and (folder / "recipe.toml").is_file() and (folder / "parts").is_dir()
    if not begun and not _is_free(folder) and not (folder / "results.json").is_file():
        found = sorted(os.listdir(folder))[:3]
        raise ValueError(
            "--out must be a new or empty folder, or that of a run. "
            f"Received: {folder}, which has {', '.join(found)} and no results.json"
        )
    return folder


def check_usable(folder: Path) -> None:
    """Looks whether a run could begin in a folder now, and leaves nothing behind.

    Before data and TensorFlow are loaded, which takes longer than to be told.

    Args:
        folder: The run folder, which need not exist.

    Raises:
        ValueError: If another process works there, or nothing can be written.
    """
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    try:
        # Named as what `locked` removes, should this process be killed here.
        with tempfile.NamedTemporaryFile(prefix=".results.", suffix=".check", dir=there):
            pass
    except OSError as error:
        raise ValueError(
            f"a run needs a folder that can be written; choose one with --out. Received: {folder}; "
            f"{there}: {error.strerror or error}"
        ) from None
    if (folder / ".lock").exists():
        with _lock(folder, keep=True):
            pass


def check_default(base: str, plan: Mapping[str, Any]) -> None:
    """Looks whether a run could begin in runs/ now, where the user named no folder.

    Args:
        base: The folder's name in runs/.
        plan: The recipe as plain data.

    Raises:
        ValueError: If another process does this very run there, or nothing can be written.
    """
    check_usable(RUNS)
    for folder in (RUNS / base, *RUNS.glob(f"{base}-[0-9]*")):
        with contextlib.suppress(OSError):  # just begun: its recipe is not written yet
            if recipe.read_toml(folder / "recipe.toml") == plan:
                check_usable(folder)


def _is_free(folder: Path) -> bool:
    if not folder.exists():
        return True
    # The first two alone, or half of a file, are left when a run is killed before it has
    # written anything else; a test of learning rates goes before a run.
    found = {name for name in os.listdir(folder) if not _LEFTOVER.fullmatch(name)}
    return folder.is_dir() and found <= {".lock", "recipe.toml", "find_lr"}


def results_of(folder: Path, advice: str = "") -> Path:
    """Returns the file with a run's results.

    Args:
        folder: The run folder.
        advice: What to do where there is none.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = folder / "results.json"
    if not path.is_file():
        there = "no results.json" if folder.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"expected the folder of a finished run. Received: {folder}, {there}{advice}"
        )
    return path


def read_finished(folder: Path, advice: str = "") -> record.Record | record.Findings:
    """Returns the record of a finished run.

    Args:
        folder: The run folder.
        advice: What to do where there is none.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged, or the run is not finished.
    """
    path = results_of(folder, advice)
    found = record.read_any(path)
    if found.status != "complete":
        raise ValueError(
            f"expected a finished run. Received: {folder}, which is {found.status}; its command "
            f"goes on with it: {found.command}"
        )
    return found


def is_finished(folder: Path, plan: Mapping[str, Any], sha256: str) -> bool:
    """Whether a folder has all of a comparison, so that nothing is left to do.

    Args:
        folder: The run folder.
        plan: The recipe as plain data.
        sha256: Checksum of the images.
    """
    found = _held(folder, plan, sha256)
    return found is not None and found.status == "complete" and (folder / "report.html").is_file()


def is_busy(folder: Path) -> bool:
    """Whether a process of kerasdl works in a run folder now."""
    if not (folder / ".lock").exists():
        return False
    try:
        with _lock(folder, keep=True):
            return False
    except ValueError:
        return True
    except OSError:  # somebody else's: not ours to open
        return False


def _held(folder: Path, plan: Mapping[str, Any], sha256: str) -> record.Record | None:
    """Returns the record of this very comparison in a folder; None if it has another or none."""
    try:
        old = record.read(folder / "results.json")
        # A setting that a later version added had its default then.
        before = recipe.to_dict(recipe.from_dict(old.recipe, Recipe, where=str(folder)))
    except (ValueError, OSError):  # somebody else's, or damaged: not ours to touch
        return None
    return old if before == plan and old.dataset.sha256 == sha256 else None


def keep_environment(folder: Path, environment: record.Environment) -> None:
    """Notes where the parts of an experiment are computed, from its first part on.

    Args:
        folder: The run folder.
        environment: This process's.
    """
    (folder / "parts").mkdir(exist_ok=True)
    files.write_bytes(
        folder / "parts" / _ENVIRONMENT, msgspec.json.encode({"environment": environment})
    )


def recorded_kernels(folder: Path) -> str | None:
    """Returns whose kernels a run was begun with, which it keeps; None if nothing says so.

    Args:
        folder: Its folder, which need not exist.
    """
    for path in (folder / "results.json", folder / "parts" / _ENVIRONMENT):
        # Damaged, or somebody else's: whoever reads the whole of it will say so.
        with contextlib.suppress(OSError, msgspec.MsgspecError, RecursionError):
            return msgspec.json.decode(path.read_bytes(), type=_Recorded).environment.kernels
    return None


class _Kernels(msgspec.Struct, frozen=True):
    kernels: str | None = None


class _Recorded(msgspec.Struct, frozen=True):
    environment: _Kernels


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes of kerasdl out of a run folder inside the block.

    The lock is the system's, so that a killed process leaves none behind. What one
    left half-written is removed.

    Raises:
        ValueError: If another process works there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        _remove_leftovers(folder)
        yield


@contextlib.contextmanager
def _lock(folder: Path, keep: bool = False) -> Iterator[None]:
    """Holds a folder's lock; `keep` leaves its file, which a killed process may have left."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock
        yield
        return
    path = folder / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process works in {folder}; wait for it or choose another --out"
            ) from None
        try:
            yield
        finally:
            if not keep:
                path.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    found = [path for path in folder.glob(".*") if _LEFTOVER.fullmatch(path.name)]
    for name, pattern in _LEFTOVER_BELOW.items():
        found += (folder / name).glob(pattern)
    for path in found:
        path.unlink(missing_ok=True)
