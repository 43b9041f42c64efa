"""Official files in a folder: which data set is where."""

import dataclasses
import hashlib
from pathlib import Path

from kerasdl.datasets import archive, catalog, folder_files
from kerasdl.datasets.catalog import Entry
from kerasdl.datasets.compressed import read_unpacked

SUFFIXES = ("", ".gz", ".xz")
# Folders below the data set's own that its publisher or torchvision makes.
SUBFOLDERS = ("", "cifar-10-batches-py", "raw", "MNIST/raw", "FashionMNIST/raw")


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
    def paths(self) -> list[str]:
        """Every file whose change would change the data set."""
        if self.entry.format == "folder":
            return folder_files.all_files(self.folder)
        return [str(path) for path in self.files.values()]


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
            if files and (place != data_dir or not _of_other_set(entry, files)):
                return Found(entry, place / subfolder, files)
        files = _find_packed(entry, place, own=place != data_dir)
        if files:
            return Found(entry, place, files)
    return None


def missing(entry: Entry, data_dir: Path) -> FileNotFoundError:
    """Returns the error that says which files were looked for in `data_dir`, and where."""
    there = "no such folder"
    if data_dir.is_dir():
        names = sorted(path.name for path in data_dir.iterdir())
        there = f"{data_dir} with {', '.join(names[:12]) or 'nothing'}"
        there += ", ..." if len(names) > 12 else ""
    return FileNotFoundError(
        f"{entry.title} must be in {data_dir / entry.name} or in {data_dir}: "
        f"{wanted_files(entry)}. Received: {there}.{_how_to_get(entry)}"
    )


def wanted_files(entry: Entry) -> str:
    """Returns which files a data set is made of, for people."""
    if entry.format == "folder":
        return "the folders train and val with the class folders " + ", ".join(entry.class_names)
    wanted = ", ".join(file.name for file in entry.files) + " (plain, .gz or .xz)"
    if entry.archives:
        wanted += " or " + ", ".join(f"{name}.tar.gz" for name in entry.archives)
    return wanted + " or mnist.npz" if entry.name == "mnist" else wanted


def _how_to_get(entry: Entry) -> str:
    page = f" Get it from {entry.homepage}." if entry.homepage else ""
    if entry.tfds_name is None:
        return page
    return f"{page} To download it, name no folder (no argument, no KERASDL_DATA)."


def _is_image_folder(entry: Entry, place: Path) -> bool:
    return all(
        (place / part / name).is_dir() for part in ("train", "val") for name in entry.class_names
    )


def is_enough(entry: Entry, names: set[str]) -> bool:
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
    return files if is_enough(entry, set(files)) else {}


def _of_other_set(entry: Entry, files: dict[str, Path]) -> bool:
    """Says whether files in a folder without a set's name are those of another set.

    MNIST's and Fashion-MNIST's have the same names, so the labels decide.
    """
    if entry.format != "idx":
        return False
    file = entry.test_files[-1]
    digest = hashlib.sha256(read_unpacked(files[file.name], file.limit)).hexdigest()
    others = (other for other in catalog.ENTRIES.values() if other is not entry)
    return any(digest == known.sha256 for other in others for known in other.files)


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
