"""A folder of images as a data set: one folder per class, in train and test or alone.

    photos/cat/*.jpg                  one folder per class: a fifth of each
    photos/dog/*.jpg                  class becomes the test part
    photos/train/cat/*.jpg            or with these folders above the classes:
    photos/val/cat/*.jpg              train or training; val, valid or
    photos/test/cat/*.jpg             validation; test or testing

- With train and val but no test, val is the test part (so does the publisher of
  Gurmukhi name it). With all three, val stays the validation part.
- Files are images by suffix: .bmp .dib .tif .tiff .png .jpg .jpeg .jpe .webp .gif.
  Others, and names that begin with "." or "__", are ignored. Folders below a class
  folder belong to the class.
- Classes are in natural order of their names: "10" follows "9". They are those
  of train; test may lack some, but not have others.
- Size: when all images are equal, theirs, as long as no side is above 224.
  Otherwise a square: the median of the shorter sides, at least 32, at most 224,
  rounded down to a multiple of 8.
- Gray (one channel) when every image is gray in every pixel, else RGB.
"""

import dataclasses
import os
import re
import statistics
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from kerasdl.datasets.dataset import Dataset, Examples, content_sha256
from kerasdl.datasets.duplicates import find_duplicates
from kerasdl.datasets.image import SUFFIXES, Size, image_size, read_image
from kerasdl.datasets.splits import stratified_order

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
TEST_FRACTION = 0.2
SMALLEST_SIDE, LARGEST_SIDE = 32, 224
MAX_BYTES = 8 * 2**30  # all decoded images, three channels

Classes = dict[str, list[Path]]


def find_parts(root: Path) -> dict[str, Path]:
    """Returns the folders of train, validation and test in `root`, or {"all": root}.

    Raises:
        ValueError: If a part is there twice, or there are parts but no train.
    """
    folders = {path.name.lower(): path for path in _entries(root) if path.is_dir()}
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
    for path in sorted(_entries(folder), key=lambda path: natural(path.name)):
        if path.is_dir():
            files = sorted(_images(path, ()), key=lambda file: natural(str(file)))
            if files:
                classes[path.name] = files
    return classes


def read_folder(root: Path, *, seed: int = 0) -> Dataset:
    """Reads a folder of images.

    Args:
        root: The folder, as the module's docstring describes it.
        seed: Chooses the test images where there is no folder for them.

    Returns:
        The data set, named as the folder, source "folder".

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it has no class folders, or an image cannot be read.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"A folder of images must be at {root}. Received: no such folder.")
    parts = {part: list_classes(path) for part, path in find_parts(root).items()}
    names = tuple(parts.get("train", parts.get("all", {})))
    _check_classes(root, parts, names)
    files = [file for classes in parts.values() for images in classes.values() for file in images]
    notes: list[str] = []
    # Pillow warns of odd metadata, and of large images, which are refused here anyway.
    with (
        warnings.catch_warnings(action="ignore"),
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        sizes = Counter(pool.map(image_size, files))
        size = target_size(sizes)
        if len(files) * size[0] * size[1] * 3 > MAX_BYTES:
            raise ValueError(
                f"{root} must fit into {MAX_BYTES >> 30} GiB of memory. Received: {len(files)} "
                f"images of {size[0]} x {size[1]}. Use fewer or smaller images."
            )
        if set(sizes) != {size}:
            notes.append(
                f"Images of {len(sizes)} size{'s' * (len(sizes) > 1)} were resized to "
                f"{size[0]} x {size[1]}; the aspect ratio was not kept."
            )
        images = list(pool.map(lambda file: read_image(file, size), files))
    examples = dict(zip(parts, _examples(images, list(parts.values()), names), strict=True))
    train, test, validation = _arrange(examples, seed, notes)
    absent = sorted(set(range(len(names))) - set(test.labels.tolist()))
    if absent:
        notes.append(f"No test images of: {', '.join(names[label] for label in absent)}.")
    name = root.resolve().name
    data = Dataset(
        name=name,
        title=name,
        train=train,
        test=test,
        validation=validation,
        class_names=names,
        source="folder",
        verified=False,
        partial=None,
        sha256=content_sha256(train, test, validation),
    )
    repeated = find_duplicates(data).between
    if repeated:
        notes.append(f"{repeated} of {len(test)} test images are training images, too.")
    return dataclasses.replace(data, notes=tuple(notes))


def all_files(root: Path) -> list[Path]:
    """Returns every image file that `read_folder` would read, in its order."""
    parts = (list_classes(path) for path in find_parts(root).values())
    return [file for classes in parts for files in classes.values() for file in files]


def target_size(sizes: Counter[Size]) -> Size:
    """Returns the height and width that images of these sizes are brought to."""
    if len(sizes) == 1:
        ((height, width),) = sizes
        if max(height, width) <= LARGEST_SIDE:
            return height, width
    shorter = statistics.median_low([min(size) for size in sizes.elements()])
    side = min(max(shorter, SMALLEST_SIDE), LARGEST_SIDE) // 8 * 8
    return side, side


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Returns a key that sorts numbers within names by value: "9" before "10"."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    key = tuple(
        (False, int(piece), piece) if piece[0] in "0123456789" else (True, 0, piece.lower())
        for piece in pieces
    )
    return (*key, (True, 0, name))


def _entries(folder: Path) -> Iterator[Path]:
    """Yields what is in a folder, without hidden and system names."""
    for path in folder.iterdir():
        if not path.name.startswith((".", "__")):
            yield path


def _images(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yields the image files in and below `folder`; a link to a folder above ends there."""
    real = folder.resolve()
    if real in above:
        return
    for path in _entries(folder):
        if path.is_dir():
            yield from _images(path, (*above, real))
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _check_classes(root: Path, parts: dict[str, Classes], names: tuple[str, ...]) -> None:
    if len(names) < 2:
        raise ValueError(
            f"{root} must hold at least two folders with images, one per class, e.g. "
            f"{root.name}/cat/1.png and {root.name}/dog/1.png, or train and test above them. "
            f"Received: {', '.join(names) or 'no folder with images'}"
        )
    for part, classes in parts.items():
        if not classes:
            raise ValueError(f"{root}: the folder for {part} must hold images. Received: none")
        unknown = [name for name in classes if name not in names]
        if unknown:
            raise ValueError(
                f"{root}: the classes of {part} must be among those of train, "
                f"{', '.join(names)}. Received also: {', '.join(unknown)}"
            )


def _examples(
    images: list[np.ndarray], parts: list[Classes], names: tuple[str, ...]
) -> list[Examples]:
    """Returns the examples of each part; gray ones where all images of all parts are gray."""
    channels = max(image.shape[2] for image in images)
    examples = []
    start = 0
    for classes in parts:
        labels = [names.index(name) for name, files in classes.items() for _ in files]
        pixels = np.empty((len(labels), *images[0].shape[:2], channels), np.uint8)
        for row, image in zip(pixels, images[start : start + len(labels)], strict=True):
            row[...] = image
        start += len(labels)
        examples.append(Examples(pixels, np.array(labels, np.int32)))
    return examples


def _arrange(
    examples: dict[str, Examples], seed: int, notes: list[str]
) -> tuple[Examples, Examples, Examples | None]:
    """Returns train, test and validation."""
    if "test" in examples:
        return examples["train"], examples["test"], examples.get("validation")
    if "validation" in examples:
        notes.append("There is no folder test; the test part is the folder for validation.")
        return examples["train"], examples["validation"], None
    (whole,) = examples.values()
    order = stratified_order(whole.labels, seed)
    count = max(1, round(len(whole) * TEST_FRACTION))
    test, train = np.sort(order[:count]), np.sort(order[count:])
    notes.append(
        f"There is no folder test; {count} of {len(whole)} images, stratified, seed {seed}, "
        "are the test part."
    )
    return (
        Examples(whole.images[train], whole.labels[train]),
        Examples(whole.images[test], whole.labels[test]),
        None,
    )
