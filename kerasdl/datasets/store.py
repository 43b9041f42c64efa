"""Prepared data sets on this machine: read once from slow files, then loaded at once.

One data set is one file, an uncompressed .npz with the arrays of the parts and a
JSON description, so that it appears and is replaced as a whole: whoever prepares
the same set at the same time writes the same content, and the last rename wins.

- `<name>.npz`: what `python -m kerasdl.datasets import` and TensorFlow Datasets
  brought; a source of its own.
- `cache/<key>.npz`: what was read from a folder of the user's and took long; used
  only while none of the files there has changed.
"""

import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import kerasdl
from kerasdl.datasets.dataset import Dataset, Examples, content_sha256
from kerasdl.datasets.npz import read_npz
from kerasdl.files import atomic_open

HOME_VARIABLE = "KERASDL_HOME"
FORMAT = 1
PARTS = ("train", "test", "validation")
# Writing costs about as much as reading CIFAR-10's plain batches, which is not slow.
SLOW_SECONDS = 2.0
# A file changed this recently could change again without a new time stamp.
SETTLED_SECONDS = 2.0


def store_folder() -> Path:
    """Returns the store's folder, which need not exist.

    KERASDL_HOME/datasets where that variable is set, else the platform's folder
    for caches.
    """
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser() / "datasets"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "kerasdl" / "datasets"


def path_of(name: str) -> Path:
    """Returns where the data set `name` is or would be."""
    return store_folder() / f"{name}.npz"


def save(dataset: Dataset, path: Path, **extra: Any) -> None:
    """Writes a data set, atomically.

    Args:
        dataset: The data set.
        path: The file, e.g. `path_of(dataset.name)`.
        extra: More entries of the description.
    """
    parts = {part: getattr(dataset, part) for part in PARTS}
    description = {
        "kerasdl_dataset": FORMAT,
        "parts": [part for part, examples in parts.items() if examples is not None],
        **{
            field.name: getattr(dataset, field.name)
            for field in dataclasses.fields(dataset)
            if field.name not in PARTS
        },
        **extra,
    }
    arrays = {"description": np.frombuffer(json.dumps(description).encode(), np.uint8)}
    for part, examples in parts.items():
        if examples is not None:
            arrays[f"{part}_images"] = examples.images
            arrays[f"{part}_labels"] = examples.labels
    with atomic_open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(path: Path) -> Dataset:
    """Reads a data set and checks its checksum.

    Args:
        path: The file.

    Returns:
        The data set, as it was saved.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If the file is damaged or was not written by `save`.
    """
    description = describe(path)
    try:
        parts = [part for part in description["parts"] if part in PARTS]
        names = [f"{part}_{what}" for part in parts for what in ("images", "labels")]
        # Nothing in the file can be larger than the file: it is not compressed.
        arrays = read_npz(path, names, path.stat().st_size)
        fields: dict[str, Any] = {
            field.name: description[field.name]
            for field in dataclasses.fields(Dataset)
            if field.name not in PARTS
        }
        for name in ("class_names", "notes"):
            fields[name] = tuple(fields[name])
        for part in parts:
            fields[part] = Examples(arrays[f"{part}_images"], arrays[f"{part}_labels"])
        dataset = Dataset(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    received = content_sha256(dataset.train, dataset.test, dataset.validation)
    if received != dataset.sha256:
        raise _damaged(path, f"content with the checksum {received}, not {dataset.sha256}")
    return dataset


def describe(path: Path) -> dict[str, Any]:
    """Returns the description in a store file, without its images.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If the file is damaged or was not written by `save`.
    """
    try:
        array = read_npz(path, ["description"], 1 << 24)["description"]
        description = json.loads(array.tobytes())
    except ValueError as error:  # JSON's error is one, too
        raise _damaged(path, str(error)) from error
    if not isinstance(description, dict) or description.get("kerasdl_dataset") != FORMAT:
        raise _damaged(path, "another file, or one of another version of kerasdl")
    return description


def cached(
    key: str, files: Callable[[], Iterable[str]], build: Callable[[], Dataset], tell: Any
) -> Dataset:
    """Returns what `build` returns, from the store when it was slow the last time.

    Args:
        key: What the data set is made of, e.g. its folder and the seed.
        files: Returns the files it is read from. When one of them has changed, it
            is read again.
        build: Reads it.
        tell: Called with a sentence when a file of the store cannot be used.

    Returns:
        The data set.
    """
    path = store_folder() / "cache" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
    before = _fingerprint(key, files())
    if path.exists():
        try:
            if describe(path).get("fingerprint") == before:
                return load(path)
        except (ValueError, OSError) as error:
            tell(f"{error} It is made again.")
    start = time.monotonic()
    dataset = build()
    if time.monotonic() - start >= SLOW_SECONDS and before and before == _fingerprint(key, files()):
        try:
            save(dataset, path, fingerprint=before)
        except OSError as error:
            tell(f"Reading again will take as long, because the store cannot be written: {error}")
    return dataset


def _fingerprint(key: str, files: Iterable[str]) -> str | None:
    """Returns a checksum of the files' names, sizes and times; None if they are too fresh."""
    # Another version of the readers may read the same files differently.
    digest = hashlib.sha256(f"{FORMAT} {kerasdl.__version__} {key}".encode())
    newest = 0
    for file in files:
        state = os.stat(file)
        newest = max(newest, state.st_mtime_ns, state.st_ctime_ns)
        facts = (str(file), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        digest.update(repr(facts).encode())
    if time.time_ns() - newest < SETTLED_SECONDS * 1e9:
        return None
    return digest.hexdigest()


def _damaged(path: Path, received: str) -> ValueError:
    return ValueError(
        f"{path} must be a data set prepared by kerasdl. Received: {received}. Delete the file."
    )
