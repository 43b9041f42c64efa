"""What lies in the folder of models: names, versions, labels, and whether files still change."""

import json
from pathlib import Path
from typing import NamedTuple

Print = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of every file of a version."""

LABELS = "labels.json"


class Found(NamedTuple):
    """What one model's folder holds.

    Args:
        versions: Folder of each version by its number.
        labels: Version by label, from labels.json.
        problem: Why labels.json was not understood; "" when it was.
    """

    versions: dict[int, Path]
    labels: dict[str, int]
    problem: str


def models(folder: Path) -> dict[str, Found]:
    """Returns what is in the folder, by model.

    A folder whose own subfolders are versions is one model under the folder's name. Names
    that start with a dot or cannot be printed (bytes that are no UTF-8 among them: no answer
    could hold them) are left alone, and so is everything that is not a number inside of a
    model's folder: there versions are written before they get their name.
    """
    own = _versions(folder)
    if own:
        return {folder.resolve().name: Found(own, *_labels(folder))}
    found: dict[str, Found] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.isprintable() or not path.is_dir():
            continue
        versions = _versions(path)
        if versions:
            found[path.name] = Found(versions, *_labels(path))
    return found


def fingerprint(folder: Path) -> Print:
    """Returns names, sizes and times of a version's files; () when the folder is gone."""
    try:
        entries = []
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                state = path.stat()
                entries.append((str(path.relative_to(folder)), state.st_size, state.st_mtime_ns))
        return tuple(entries)
    except OSError:
        return ()


def _versions(folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    try:
        entries = sorted(folder.iterdir())
    except OSError:  # gone meanwhile, or not ours to read
        return {}
    for path in entries:
        name = path.name
        if name.isascii() and name.isdigit() and len(name) < 19 and path.is_dir():
            found.setdefault(int(name), path)
    return found


def _labels(folder: Path) -> tuple[dict[str, int], str]:
    path = folder / LABELS
    if not path.is_file():
        return {}, ""
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{path} is no JSON: {error}"
    if not isinstance(labels, dict) or not all(
        key and key.isprintable() and type(value) is int for key, value in labels.items()
    ):
        return {}, f'{path} must map labels to versions, e.g. {{"stable": 3}}. Received: {labels}'
    return labels, ""
