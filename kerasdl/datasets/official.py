"""Reading a data set's official files, whatever their format, and comparing checksums."""

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdl.datasets import archive, catalog, cifar, folder, idx, mat
from kerasdl.datasets.catalog import Entry, OfficialFile
from kerasdl.datasets.compressed import read_unpacked
from kerasdl.datasets.dataset import Dataset, Examples, Images, Source, content_sha256
from kerasdl.datasets.local import Found, is_enough
from kerasdl.datasets.npz import read_npz

if TYPE_CHECKING:
    from rich.console import Console

NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read(found: Found, console: "Console | None" = None) -> Dataset:
    """Reads the files that `find` found.

    Args:
        found: The files.
        console: Where to show progress when it takes seconds; None for nowhere.

    Returns:
        The data set, source "local", `verified` when every part has the
        publisher's checksum, `partial` when it is not whole.

    Raises:
        ValueError: If a file is not what it should be.
    """
    entry = found.entry
    if entry.format == "folder":
        return _read_image_folder(entry, found.folder, console)
    if "npz" in found.files:
        train, test, verified = _read_npz(entry, found.files["npz"])
    else:
        contents = _Contents(found)
        train = _read_part(entry, contents, entry.train_files, entry.num_train)
        test = _read_part(entry, contents, entry.test_files, entry.num_test)
        verified = contents.verified
    return make_dataset(entry, train, test, verified=verified, source="local")


def make_dataset(
    entry: Entry, train: Examples, test: Examples, *, verified: bool, source: Source
) -> Dataset:
    """Returns the Dataset of a catalog entry, labelled partial where it is."""
    return Dataset(
        name=entry.name,
        title=entry.title,
        train=train,
        test=test,
        class_names=entry.class_names,
        source=source,
        verified=verified,
        partial=partial(len(train), entry.num_train),
        partial_test=partial(len(test), entry.num_test),
        sha256=content_sha256(train, test),
    )


def partial(count: int, whole: int) -> str | None:
    """Returns "4434 of 73257", or None when the part is whole."""
    return None if count == whole else f"{count} of {whole}"


class _Contents:
    """Gives the content of official files, and notes whether all checksums are right."""

    def __init__(self, found: Found) -> None:
        self._entry = found.entry
        self._paths = found.files
        self._members: dict[str, bytes] = {}
        self._archive = found.files.get("archive")
        if self._archive is not None:
            wanted = {file.name: file.limit for file in found.entry.files}
            self._members = archive.read_members(self._archive, wanted)
            names = set(self._members)
            if not is_enough(found.entry, names):
                raise ValueError(
                    f"{self._archive} must hold {', '.join(wanted)}. "
                    f"Received: {', '.join(sorted(names)) or 'none of them'}"
                )
        self._left = {file.name for file in found.entry.files}
        self._verified = True

    @property
    def verified(self) -> bool:
        """Whether every official file was read and had its official checksum."""
        return self._verified and not self._left

    def available(self, files: Iterable[OfficialFile]) -> list[OfficialFile]:
        """Returns those of `files` that are there."""
        return [file for file in files if file.name in (self._members or self._paths)]

    def read(self, file: OfficialFile) -> tuple[bytes, str]:
        """Returns the unpacked content and what to call the file in errors."""
        if self._archive is not None:
            content, name = self._members.pop(file.name), f"{self._archive}: {file.name}"
        else:
            path = self._paths[file.name]
            content, name = read_unpacked(path, file.limit), str(path)
        digest = hashlib.sha256(content).hexdigest()
        _refuse_other_set(self._entry, digest, name)
        self._verified = self._verified and digest == file.sha256
        self._left.discard(file.name)
        return content, name


def _refuse_other_set(entry: Entry, digest: str, name: str) -> None:
    """Refuses Fashion-MNIST's files as MNIST and the reverse: they have the same names."""
    for other in catalog.ENTRIES.values():
        if other is not entry and digest in {file.sha256 for file in other.files}:
            raise ValueError(
                f"{name} must be a file of {entry.title}. Received: the file of {other.title}. "
                f"Put it into a folder named {other.name}."
            )


def _read_part(
    entry: Entry, contents: _Contents, files: tuple[OfficialFile, ...], whole: int
) -> Examples:
    """Reads the training or the test part."""
    if entry.format == "idx":
        content, name = contents.read(files[0])
        shape = entry.image_shape[:2]
        images = idx.parse(content, name, item_shape=shape, max_items=whole)[..., np.newaxis]
        content, name = contents.read(files[1])
        labels = idx.parse(content, name, item_shape=(), max_items=whole)
        return _examples(images, labels, name, entry)
    if entry.format == "mat":
        content, name = contents.read(files[0])
        return Examples(*mat.parse(content, name, max_items=whole, limit=files[0].limit))
    batches = [cifar.parse(*contents.read(file)) for file in contents.available(files)]
    return Examples(
        np.concatenate([images for images, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
    )


def _examples(
    images: Images, labels: "np.ndarray[tuple[int, ...], np.dtype[Any]]", name: str, entry: Entry
) -> Examples:
    """Checks labels against images and classes."""
    if len(labels) != len(images):
        raise ValueError(
            f"{name} must hold one label for each of {len(images)} images. Received: {len(labels)}"
        )
    if labels.min() < 0 or labels.max() >= entry.num_classes:
        raise ValueError(
            f"{name}: labels must be 0..{entry.num_classes - 1}. "
            f"Received: values from {labels.min()} to {labels.max()}"
        )
    return Examples(images, labels.astype(np.int32))


def _read_npz(entry: Entry, path: Path) -> tuple[Examples, Examples, bool]:
    """Reads Keras's mnist.npz; it verifies when the official idx files would."""
    limit = entry.files[0].limit
    arrays = read_npz(path, NPZ_ARRAYS, limit)
    parts = []
    digests = []
    for part, whole in (("train", entry.num_train), ("test", entry.num_test)):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if (
            images.dtype != np.uint8
            or images.shape[1:] != entry.image_shape[:2]
            or not 0 < len(images) <= whole
            or labels.dtype.kind not in "iu"
            or labels.shape != images.shape[:1]
        ):
            height, width, _ = entry.image_shape
            raise ValueError(
                f"{path} must hold x_{part}, uint8 (n, {height}, {width}) with n up to {whole}, "
                f"and y_{part}, n integers. Received: {images.dtype} {images.shape} and "
                f"{labels.dtype} {labels.shape}"
            )
        parts.append(_examples(images[..., np.newaxis], labels, f"{path}: y_{part}", entry))
        for values in (images, labels.astype(np.uint8)):
            content = idx.header(values.shape) + values.tobytes()
            digests.append(hashlib.sha256(content).hexdigest())
            _refuse_other_set(entry, digests[-1], str(path))
    train, test = parts
    return train, test, digests == [file.sha256 for file in entry.files]


def _read_image_folder(entry: Entry, path: Path, console: "Console | None") -> Dataset:
    """Reads a data set that is published as a folder of images."""
    data = folder.read_folder(path, console=console)
    if data.image_shape != entry.image_shape or data.class_names != entry.class_names:
        raise ValueError(
            f"{path} must hold the images of {entry.title}, {entry.image_shape}, in the classes "
            f"{', '.join(entry.class_names)}. Received: {data.image_shape}, "
            f"{', '.join(data.class_names)}"
        )
    verified = data.sha256 == entry.content_sha256
    dataset = make_dataset(entry, data.train, data.test, verified=verified, source="local")
    return dataclasses.replace(dataset, notes=data.notes)
