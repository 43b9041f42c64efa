"""The images of a study: loaded, divided, and what its record says of them."""

from typing import Any

from kerasdl import record
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.studies.plan import Data


def load_whole(data: Data, folder: str | None, console: Any) -> Dataset:
    """Loads the data set that a recipe names, with the classes that it wants.

    Args:
        data: The recipe's part.
        folder: The folder with the data sets' files, or None.
        console: A `rich` console for notices and progress.

    Raises:
        ValueError, FileNotFoundError: If there is no such data set.
    """
    from kerasdl.datasets.classes import restrict
    from kerasdl.datasets.load import load

    dataset = load(
        data.dataset,
        data_dir=folder,
        seed=data.split_seed,
        notify=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
        console=console,
    )
    return restrict(dataset, data.classes) if data.classes else dataset


def divide(dataset: Dataset, data: Data) -> Splits:
    """Divides a data set as a recipe says."""
    from kerasdl.datasets.splits import split

    return split(
        dataset,
        validation_fraction=data.validation_fraction,
        train_size=data.train_size,
        train_fraction=data.train_fraction,
        seed=data.split_seed,
    )


def is_published(info: record.DatasetInfo | None, data: Any, name: str) -> bool:
    """Whether images are a data set that reports speak of: the real ones, all classes.

    Args:
        info: What the record says of the images; None without images.
        data: The recipe's part: a `Data`, or the same as plain data.
        name: The data set's name in the catalog.
    """
    classes = data.get("classes") if isinstance(data, dict) else data.classes
    # A person's folder may have the name of a data set.
    real = info is not None and info.source in ("local", "store", "tfds")
    return real and info is not None and info.name == name and not classes


def describe(dataset: Dataset, splits: Splits, data: Data) -> record.DatasetInfo:
    """Returns the record's entry.

    Args:
        dataset: The data set, undivided.
        splits: Its parts.
        data: How the recipe divides it.
    """
    portion = None
    if data.train_size is not None or data.train_fraction is not None:
        portion = f"trained on {len(splits.train)} of {len(dataset.train)}"
    return record.DatasetInfo(
        name=dataset.name,
        title=dataset.title,
        source=dataset.source,
        verified=dataset.verified,
        partial=dataset.partial,
        train=len(splits.train),
        validation=len(splits.validation),
        test=len(splits.test),
        sha256=dataset.sha256,
        image_shape=dataset.image_shape,
        class_names=list(dataset.class_names),
        partial_test=dataset.partial_test,
        portion=portion,
        notes=list(dataset.notes),
    )
