"""What the record of a comparison says of its data."""

from kerasdl import record
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.studies.plan import Data


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
