"""One door to every data set: by name, from wherever it can be had, or a folder of images."""

import os
from collections.abc import Callable
from pathlib import Path

from kerasdl.datasets import catalog, local
from kerasdl.datasets.dataset import Dataset

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

    Returns:
        The data set.

    Raises:
        FileNotFoundError: If a source was named and the data set is not there.
        ValueError: If the name is unknown or a file is not what it should be.
    """
    tell = notify or _silent
    name = catalog.canonical(name_or_path)
    if name is None:
        return _load_folder(name_or_path, seed)
    entry = catalog.ENTRIES[name]
    named = os.fspath(data_dir) if data_dir is not None else os.environ.get(DATA_VARIABLE)
    if named:
        return _load_local(entry, Path(named).expanduser(), tell)
    raise NotImplementedError(name)


def _load_local(entry: catalog.Entry, data_dir: Path, tell: Notify) -> Dataset:
    found = local.find(entry, data_dir)
    if found is None:
        raise local.missing(entry, data_dir)
    return local.read(found)


def _load_folder(path: str, seed: int) -> Dataset:
    from kerasdl.datasets.folder import read_folder

    return read_folder(Path(path), seed=seed)


def _silent(message: str) -> None:
    """Tells nobody."""
