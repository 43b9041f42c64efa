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
- Every file is opened once when all images are small, photos twice: see `decoding`.
"""

import dataclasses
import statistics
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerasdl.console_progress import CountProgress
from kerasdl.datasets.dataset import (
    Dataset,
    Examples,
    Images,
    Labels,
    aligned_empty,
    content_sha256,
)
from kerasdl.datasets.decode_worker import LARGEST_SIDE
from kerasdl.datasets.decoding import Decoding
from kerasdl.datasets.duplicates import find_duplicates
from kerasdl.datasets.folder_files import Classes, find_parts, list_classes
from kerasdl.datasets.image import Size
from kerasdl.datasets.splits import stratified_order

if TYPE_CHECKING:
    from rich.console import Console

TEST_FRACTION = 0.2
SMALLEST_SIDE = 32
MAX_BYTES = 8 * 2**30  # all decoded images, three channels

Places = dict[str, npt.NDArray[np.int64]]
"""Which of all files, in the order of their list, make a part: its name and their places."""


def read_folder(root: Path, *, seed: int = 0, console: "Console | None" = None) -> Dataset:
    """Reads a folder of images.

    Args:
        root: The folder, as the module's docstring describes it.
        seed: Chooses the test images where there is no folder for them.
        console: Where to show progress when it takes seconds; None for nowhere.

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
    check_classes(root, parts, names)
    name = root.resolve().name
    files = [file for classes in parts.values() for images in classes.values() for file in images]
    notes: list[str] = []
    # Pillow warns of odd metadata, and of large images, which are refused here anyway.
    with (
        warnings.catch_warnings(action="ignore"),
        CountProgress(console, f"Reading {name}", len(files), "images") as progress,
        Decoding(files, MAX_BYTES, progress.show) as decoding,
    ):
        sizes = decoding.sizes()
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
        labels, places = _arrange(parts, names, seed, notes)
        destination = _Destination(places, len(files), size)
        decoding.pixels(size, destination.put)
    examples = {
        part: Examples(images, labels[places[part]]) for part, images in destination.images.items()
    }
    train, test, validation = examples["train"], examples["test"], examples.get("validation")
    absent = sorted(set(range(len(names))) - set(test.labels.tolist()))
    if absent:
        notes.append(f"No test images of: {', '.join(names[label] for label in absent)}.")
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


def target_size(sizes: Counter[Size]) -> Size:
    """Returns the height and width that images of these sizes are brought to."""
    if len(sizes) == 1:
        ((height, width),) = sizes
        if max(height, width) <= LARGEST_SIDE:
            return height, width
    shorter = statistics.median_low([min(size) for size in sizes.elements()])
    side = min(max(shorter, SMALLEST_SIDE), LARGEST_SIDE) // 8 * 8
    return side, side


def check_classes(root: Path, parts: dict[str, Classes], names: tuple[str, ...]) -> None:
    """Raises ValueError if a folder has no two classes, or a part has others than train.

    Args:
        root: The folder, for messages.
        parts: The classes of each part.
        names: The names of the classes.
    """
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


class _Destination:
    """The final arrays of all parts, which chunks of images go to as they come.

    Args:
        places: The places of each part's images among all.
        count: How many images there are.
        size: Their height and width.
    """

    def __init__(self, places: Places, count: int, size: Size) -> None:
        self._part = np.empty(count, np.int8)
        self._row = np.empty(count, np.int64)
        for number, indices in enumerate(places.values()):
            self._part[indices] = number
            self._row[indices] = np.arange(len(indices))
        self.images: dict[str, Images] = {
            part: aligned_empty((len(indices), *size, 1)) for part, indices in places.items()
        }

    def put(self, start: int, pixels: Images) -> None:
        """Takes the images (n, h, w, 1 or 3) whose first one has the place `start` among all."""
        if pixels.shape[3] > next(iter(self.images.values())).shape[3]:
            self._add_colour()
        part, row = (array[start : start + len(pixels)] for array in (self._part, self._row))
        for number, images in enumerate(self.images.values()):
            here = part == number
            images[row[here]] = pixels[here]

    def _add_colour(self) -> None:
        """Makes the arrays RGB: until the first colour image comes, all may be gray."""
        for part, gray in self.images.items():
            self.images[part] = aligned_empty((*gray.shape[:3], 3))
            self.images[part][...] = gray


def _arrange(
    parts: dict[str, Classes], names: tuple[str, ...], seed: int, notes: list[str]
) -> tuple[Labels, Places]:
    """Returns the label of every file, and which files are train, test and perhaps validation."""
    by_class = [entry for classes in parts.values() for entry in classes.items()]
    labels = np.repeat(
        np.array([names.index(name) for name, _ in by_class], np.int32),
        [len(files) for _, files in by_class],
    )
    places: Places = {}
    start = 0
    for part, classes in parts.items():
        stop = start + sum(map(len, classes.values()))
        places[part] = np.arange(start, stop)
        start = stop
    if "test" in places:
        return labels, places
    if "validation" in places:
        notes.append("There is no folder test; the test part is the folder for validation.")
        return labels, {"train": places["train"], "test": places["validation"]}
    order = stratified_order(labels, seed)
    count = max(1, round(len(labels) * TEST_FRACTION))
    notes.append(
        f"There is no folder test; {count} of {len(labels)} images, stratified, seed {seed}, "
        "are the test part."
    )
    return labels, {"train": np.sort(order[count:]), "test": np.sort(order[:count])}
