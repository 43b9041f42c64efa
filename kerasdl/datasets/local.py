"""Official files in a folder: where they are, what they hold, whether they are the publisher's."""

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kerasdl.datasets import archive, catalog, cifar, folder, idx, mat
from kerasdl.datasets.catalog import Entry, OfficialFile
from kerasdl.datasets.compressed import read_unpacked
from kerasdl.datasets.dataset import Dataset, Examples, Images, content_sha256
from kerasdl.datasets.npz import read_npz

SUFFIXES = ("", ".gz", ".xz")
# Folders below the data set's own that its publisher or torchvision makes.
SUBFOLDERS = ("", "cifar-10-batches-py", "raw", "MNIST/raw", "FashionMNIST/raw")
NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@dataclasses.dataclass(frozen=True)
class Found:
    """Where the files of a data set are.

    Args:
        entry: The data set.
        folder: The folder they are in.
        files: The path of each official file by its name; for an archive, a
            .npz or an image folder, only that path under its own name.
    """

    entry: Entry
    folder: Path
    files: dict[str, Path]

    @property
    def paths(self) -> list[Path]:
        """Every file whose change would change the data set."""
        if self.entry.format == "folder":
            return folder.all_files(self.folder)
        return list(self.files.values())


def find(entry: Entry, data_dir: Path) -> Found | None:
    """Looks for a data set in `data_dir`/name, or in `data_dir` itself.

    Args:
        entry: The data set.
        data_dir: The folder with the folders of data sets, or a data set's own.

    Returns:
        Where it is, or None.
    """
    for place in (data_dir / entry.name, data_dir):
        if not place.is_dir():
            continue
        if entry.format == "folder":
            if _is_image_folder(entry, place):
                return Found(entry, place, {})
            continue
        for subfolder in SUBFOLDERS:
            files = _find_files(entry, place / subfolder)
            if files:
                return Found(entry, place / subfolder, files)
        files = _find_packed(entry, place, own=place != data_dir)
        if files:
            return Found(entry, place, files)
    return None


def missing(entry: Entry, data_dir: Path) -> FileNotFoundError:
    """Returns the error that says which files were looked for in `data_dir`, and where."""
    if entry.format == "folder":
        wanted = "the folders train and val with class folders " + ", ".join(entry.class_names)
    else:
        wanted = ", ".join(file.name for file in entry.files) + " (plain, .gz or .xz)"
        if entry.archives:
            wanted += " or " + ", ".join(f"{name}.tar.gz" for name in entry.archives)
        if entry.name == "mnist":
            wanted += " or mnist.npz"
    there = "no such folder"
    if data_dir.is_dir():
        names = sorted(path.name for path in data_dir.iterdir())
        there = f"{data_dir} with {', '.join(names[:12]) or 'nothing'}"
        there += ", ..." if len(names) > 12 else ""
    return FileNotFoundError(
        f"{entry.title} must be in {data_dir / entry.name} or in {data_dir}: {wanted}. "
        f"Received: {there}. Get it from {entry.homepage}, or name no data folder "
        "(neither an argument nor KERASDL_DATA) to download it."
    )


def read(found: Found) -> Dataset:
    """Reads the files that `find` found.

    Returns:
        The data set, source "local", `verified` when every part has the
        publisher's checksum, `partial` when it is not whole.

    Raises:
        ValueError: If a file is not what it should be.
    """
    entry = found.entry
    if entry.format == "folder":
        return _read_image_folder(entry, found.folder)
    if "npz" in found.files:
        train, test, verified = _read_npz(entry, found.files["npz"])
    else:
        contents = _Contents(found)
        train = _read_part(entry, contents, entry.train_files, entry.num_train)
        test = _read_part(entry, contents, entry.test_files, entry.num_test)
        verified = contents.verified
    return make_dataset(entry, train, test, verified=verified, source="local")


def make_dataset(
    entry: Entry, train: Examples, test: Examples, *, verified: bool, source: str
) -> Dataset:
    """Returns the Dataset of a catalog entry, labelled partial where it is."""
    return Dataset(
        name=entry.name,
        title=entry.title,
        train=train,
        test=test,
        class_names=entry.class_names,
        source=source,  # type: ignore[arg-type]
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
            if not _is_enough(found.entry, names):
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


def _read_image_folder(entry: Entry, path: Path) -> Dataset:
    """Reads a data set that is published as a folder of images."""
    data = folder.read_folder(path)
    if data.image_shape != entry.image_shape or data.class_names != entry.class_names:
        raise ValueError(
            f"{path} must hold the images of {entry.title}, {entry.image_shape}, in the classes "
            f"{', '.join(entry.class_names)}. Received: {data.image_shape}, "
            f"{', '.join(data.class_names)}"
        )
    verified = data.sha256 == entry.content_sha256
    return make_dataset(entry, data.train, data.test, verified=verified, source="local")


def _is_image_folder(entry: Entry, place: Path) -> bool:
    return all(
        (place / part / name).is_dir() for part in ("train", "val") for name in entry.class_names
    )


def _is_enough(entry: Entry, names: set[str]) -> bool:
    """Says whether these official files make a data set, whole or partial."""
    train = [file.name in names for file in entry.train_files]
    # CIFAR-10's training part comes in five batches, of which any number will do.
    enough = any(train) if entry.format == "cifar" else all(train)
    return enough and all(file.name in names for file in entry.test_files)


def _find_files(entry: Entry, place: Path) -> dict[str, Path]:
    """Returns the official files in `place` when there are enough of them."""
    files: dict[str, Path] = {}
    for file in entry.files:
        # Some mirrors write a dot: train-images.idx3-ubyte.
        for name in (file.name, file.name.replace("-idx", ".idx")):
            for suffix in SUFFIXES:
                path = place / (name + suffix)
                if file.name not in files and path.is_file():
                    files[file.name] = path
    return files if _is_enough(entry, set(files)) else {}


def _find_packed(entry: Entry, place: Path, *, own: bool) -> dict[str, Path]:
    """Returns the one file in `place` that holds the whole data set, if there is one.

    Args:
        entry: The data set.
        place: The folder.
        own: Whether the folder is the data set's own, so that an archive of any
            name in it is taken.
    """
    if entry.name == "mnist" and (place / "mnist.npz").is_file():
        return {"npz": place / "mnist.npz"}
    packed = [path for path in sorted(place.iterdir()) if archive.is_archive(path)]
    official = [path for path in packed if path.name.startswith(entry.archives or "/")]
    chosen = official or (packed if own else [])
    return {"archive": chosen[0]} if chosen else {}
