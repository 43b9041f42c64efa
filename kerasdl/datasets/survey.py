"""Every image of a data set in a table: part, class, size, what its pixels are, what is wrong.

Of a folder each file is opened and decoded, also after some that cannot be: `load` stops at the
first of them, and a person wants to know all.
"""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kerasdl.console_progress import CountProgress
from kerasdl.datasets.dataset import Dataset, Images
from kerasdl.datasets.image import MAX_PIXELS, SUFFIXES, Size, read_small_image

if TYPE_CHECKING:
    from rich.console import Console


class Entry(NamedTuple):
    """One image.

    Args:
        part: "train", "validation", "test", or "all" of a folder without such parts.
        label: The name of its class.
        name: Its path, or its place in its part.
        size: Height and width; None where it cannot be read.
        digest: Equal for equal pixels; None where it cannot be read.
        problem: Why it cannot be read, or None.
    """

    part: str
    label: str
    name: str
    size: Size | None
    digest: bytes | None
    problem: str | None = None


def of_dataset(dataset: Dataset) -> list[Entry]:
    """Returns the images of a data set, part by part."""
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    names = dataset.class_names
    return [
        Entry(part, names[label], f"{part}[{place}]", image.shape[:2], _digest(image))
        for part, examples in parts.items()
        if examples is not None
        for place, (image, label) in enumerate(
            zip(examples.images, examples.labels.tolist(), strict=True)
        )
    ]


def of_folder(root: Path, console: "Console | None" = None) -> list[Entry]:
    """Returns the files of a folder of images, as `datasets.folder` divides them.

    Args:
        root: The folder.
        console: Where to show progress when it takes seconds; None for nowhere.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has no class folders with images.
    """
    from kerasdl.datasets.folder import check_classes
    from kerasdl.datasets.folder_files import find_parts, list_classes

    if not root.is_dir():
        raise FileNotFoundError(f"A folder of images must be at {root}. Received: no such folder.")
    parts = {part: list_classes(path) for part, path in find_parts(root).items()}
    check_classes(root, parts, tuple(parts.get("train", parts.get("all", {}))))
    places = [
        (part, label, file)
        for part, classes in parts.items()
        for label, files in classes.items()
        for file in files
    ]
    found: list[Entry] = []
    # Pillow warns of odd metadata; what matters is an error.
    with (
        warnings.catch_warnings(action="ignore"),
        CountProgress(console, f"Looking at {root.name}", len(places), "images") as progress,
        ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool,
    ):
        for entry in pool.map(_look, places):
            found.append(entry)
            progress.tick()
    return found


def others(root: Path) -> Counter[str]:
    """Returns how many files below a folder are no images by their suffix, by that suffix."""
    found: Counter[str] = Counter()
    for _, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in files:
            suffix = os.path.splitext(name)[1].lower()
            if suffix not in SUFFIXES and not name.startswith((".", "__")):
                found[suffix or "no suffix"] += 1
    return found


def repeated(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Returns the groups of images that are equal pixel for pixel, in their order."""
    groups: dict[tuple[bytes, Size], list[Entry]] = {}
    for entry in entries:
        if entry.digest is not None and entry.size is not None:
            groups.setdefault((entry.digest, entry.size), []).append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _look(place: tuple[str, str, str]) -> Entry:
    part, label, file = place
    try:
        # No image is larger than that: all are decoded, since a header says little.
        size, pixels = read_small_image(file, MAX_PIXELS)
    except (ValueError, OSError) as error:
        return Entry(part, label, file, None, None, str(error))
    assert pixels is not None
    return Entry(part, label, file, size, _digest(pixels))


def _digest(pixels: Images) -> bytes:
    return hashlib.blake2b(pixels.tobytes(), digest_size=16, usedforsecurity=False).digest()
