"""Which files of a folder are its images: parts, classes and their natural order."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from kerasdl.datasets.image import SUFFIXES

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}

Classes = dict[str, list[str]]
"""The paths of each class's images, by the class's name."""

_DIGITS = re.compile(r"([0-9]+)")


def find_parts(root: Path) -> dict[str, Path]:
    """Returns the folders of train, validation and test in `root`, or {"all": root}.

    Raises:
        ValueError: If a part is there twice, or there are parts but no train.
    """
    folders = {entry.name.lower(): root / entry.name for entry in _folders(root)}
    parts: dict[str, Path] = {}
    for part, names in PART_NAMES.items():
        there = [folders[name] for name in names if name in folders]
        if len(there) > 1:
            raise ValueError(
                f"{root} must have one folder for {part}. "
                f"Received: {' and '.join(path.name for path in there)}"
            )
        if there:
            parts[part] = there[0]
    if not parts or (len(parts) < len(folders) and "train" not in parts):
        return {"all": root}  # a class may well be named "test"
    if "train" not in parts:
        raise ValueError(
            f"{root} must have a folder train beside {', '.join(p.name for p in parts.values())}. "
            f"Received: {', '.join(sorted(folders))}"
        )
    return parts


def list_classes(folder: Path) -> Classes:
    """Returns the image files of each class folder in `folder`, all in natural order."""
    classes: Classes = {}
    for entry in sorted(_folders(folder), key=lambda entry: natural(entry.name)):
        path = str(folder / entry.name)
        # The path of the class folder is the same in all of them, and ends with a separator.
        names = sorted(_images(path, "", ()), key=natural)
        if names:
            classes[entry.name] = [f"{path}{os.sep}{name}" for name in names]
    return classes


def all_files(root: Path) -> list[str]:
    """Returns the path of every image file that `read_folder` would read, in its order."""
    parts = (list_classes(path) for path in find_parts(root).values())
    return [file for classes in parts for files in classes.values() for file in files]


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Returns a key that sorts numbers within names by value: "9" before "10"."""
    key = [
        (True, 0, piece.lower()) if place % 2 == 0 else (False, int(piece), piece)
        for place, piece in enumerate(_DIGITS.split(name))
        if piece
    ]
    return (*key, (True, 0, name))


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yields what is in a folder, without hidden and system names."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith((".", "__")):
                yield entry


def _folders(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(folder) if _is_dir(entry))


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _images(folder: str, inside: str, above: tuple[str, ...]) -> Iterator[str]:
    """Yields the image files in and below `folder`; a link to a folder above ends there.

    Args:
        folder: The folder.
        inside: What the names that are yielded begin with: the way to it from its class.
        above: The real paths of the folders above.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    for entry in _entries(folder):
        name = inside + entry.name
        if os.path.splitext(entry.name)[1].lower() in SUFFIXES and not _is_dir(entry):
            yield name
        elif _is_dir(entry):
            yield from _images(f"{folder}{os.sep}{entry.name}", name + os.sep, (*above, real))
