"""One door to every data set: by name, from wherever it can be had, or a folder of images."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kerasdl.datasets import catalog, local, official, store, synthetic, tfds
from kerasdl.datasets.catalog import Entry
from kerasdl.datasets.dataset import Dataset

if TYPE_CHECKING:
    from rich.console import Console

DATA_VARIABLE = "KERASDL_DATA"

Notify = Callable[[str], None]


def load(
    name_or_path: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    synthetic_train: int = 12_000,
    synthetic_test: int = 2_000,
    notify: Notify | None = None,
    console: "Console | None" = None,
) -> Dataset:
    """Returns a data set.

    A catalog name is looked for in `data_dir` or else in the folder that the
    environment variable KERASDL_DATA names; and where no such folder is
    named, in the store, in TensorFlow Datasets (which downloads), and last the
    synthetic set of the same image shape is rendered in its place, which says so
    in its `source`, `title` and `label`.

    Args:
        name_or_path: A name of the catalog (mnist, fashion_mnist, cifar10, svhn,
            gurmukhi), "synthetic" (32, 32, 3), "synthetic_gray" (28, 28, 1), or the
            path of a folder with one folder of images per class.
        data_dir: The folder with the official files, as DIR/name/... or directly.
        seed: Chooses the synthetic images, and the test images of a folder that
            has none.
        synthetic_train: How many synthetic training images.
        synthetic_test: How many synthetic test images.
        notify: Called with one sentence whenever the user should know what is
            going on.
        console: Where to show progress when reading many files takes seconds; None
            for nowhere.

    Returns:
        The data set.

    Raises:
        FileNotFoundError: If a source was named and the data set is not there.
        ValueError: If the name is unknown or a file is not what it should be.
    """
    tell = notify or _silent
    name = catalog.canonical(name_or_path)
    if name is None:
        return _load_folder(name_or_path, seed, tell, console)
    counts = {"num_train": synthetic_train, "num_test": synthetic_test, "seed": seed}
    if name in catalog.SYNTHETIC_SHAPES:
        title = "Synthetic street digits"
        return synthetic.synthetic(name, title, catalog.SYNTHETIC_SHAPES[name], **counts)
    entry = catalog.ENTRIES[name]
    folder = data_folder(data_dir)
    if folder is not None:
        return _load_local(entry, folder, tell, console)
    dataset = _load_stored(entry, tell)
    if dataset is None:
        tell(
            f"{entry.title} is not at hand. SYNTHETIC digits are rendered in its place. For the "
            f"real images name their folder (an argument or {DATA_VARIABLE}) or run "
            "`python -m kerasdl.datasets import FOLDER`."
        )
        title = f"Synthetic street digits in place of {entry.title}"
        dataset = synthetic.synthetic(name, title, entry.image_shape, **counts)
    return dataset


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Returns the folder that the user named, by `data_dir` or KERASDL_DATA, or None."""
    named = os.fspath(data_dir) if data_dir is not None else os.environ.get(DATA_VARIABLE)
    return Path(named).expanduser() if named else None


def _load_local(entry: Entry, folder: Path, tell: Notify, console: "Console | None") -> Dataset:
    """Reads official files; slow ones are kept in the store while they do not change."""
    found = local.find(entry, folder)
    if found is None:
        raise local.missing(entry, folder)
    key = f"{entry.name} {found.folder.resolve()}"
    return store.cached(key, lambda: found.paths, lambda: official.read(found, console), tell)


def _load_folder(name: str, seed: int, tell: Notify, console: "Console | None") -> Dataset:
    """Reads a person's own images."""
    from kerasdl.datasets import folder, folder_files

    root = Path(name).expanduser()
    if not root.is_dir():
        if root.name != name:  # it has a separator, so it was meant as a path
            raise FileNotFoundError(
                f"A folder of images, one folder per class, must be at {root}. "
                f"Received: {'a file' if root.exists() else 'nothing there'}."
            )
        raise catalog.unknown_name(name)
    key = f"folder {root.resolve()} {seed}"
    return store.cached(
        key,
        lambda: folder_files.all_files(root),
        lambda: folder.read_folder(root, seed=seed, console=console),
        tell,
    )


def _load_stored(entry: Entry, tell: Notify) -> Dataset | None:
    """Returns what the store or TensorFlow Datasets has, or None."""
    path = store.path_of(entry.name)
    damage: ValueError | None = None
    if path.exists():
        try:
            return dataclasses.replace(store.load(path), source="store")
        except ValueError as error:
            damage = error
            tell(str(error))
    dataset = tfds.fetch(entry, tell)
    if dataset is None:
        if damage is not None:
            # Real data were here: synthetic ones must not slip into their place.
            raise damage
        return None
    try:
        store.save(dataset, path)
    except OSError as error:
        tell(f"{entry.title} cannot be kept in the store: {error}")
    return dataset


def _silent(message: str) -> None:
    """Tells nobody."""
