"""What a search trains on: images, or the features that a frozen base makes of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from rich.console import Console

from kerasdl.datasets.dataset import Dataset, Examples, Splits
from kerasdl.training.settings import Training
from kerasdl.tuning.hypermodels import NetworkModel, Searched
from kerasdl.tuning.plan import Search
from kerasdl.tuning.subjects import Subject
from kerasdl.tuning.training_jobs import Rows


class Finished(NamedTuple):
    """The winner as it leaves.

    Args:
        model: From pixels to logits.
        said: What a report says of it besides; may be empty.
    """

    model: keras.Model
    said: str


class Material(NamedTuple):
    """What a search trains on, and what becomes of its winner.

    Args:
        train: Examples to fit on.
        validation: Examples by which trials are scored.
        test: Returns the test examples, which a search does not look at before its end.
        hypermodel: From the examples to fit on and the training to what is searched.
        finish: From a trained winner and its values to what is saved.
    """

    train: Rows
    validation: Rows
    test: Callable[[], Rows]
    hypermodel: Callable[[Rows, Training], Searched]
    finish: Callable[[keras.Model, Any], Finished]

    def whole(self) -> Rows:
        """Returns the examples that are not the test's, in one."""
        parts: Sequence[Rows] = self.train, self.validation
        images: Sequence[npt.NDArray[Any]] = [part.images for part in parts]
        labels = np.concatenate([part.labels for part in parts])
        return Rows(np.concatenate(images), labels)


def prepare(
    plan: Search,
    subject: Subject,
    dataset: Dataset,
    parts: Splits,
    *,
    data_dir: str | None,
    console: Console,
) -> Material:
    """Returns what a search trains on; computes features where they are not at hand.

    Args:
        plan: How it is searched.
        subject: What is searched.
        dataset: The images.
        parts: Their division.
        data_dir: Where the user said that the data sets' files are, or None.
        console: Where to say what is going on.

    Raises:
        ValueError, FileNotFoundError: If the weights of a frozen base are not what they should be.
    """
    if subject.frozen:
        from kerasdl.tuning.frozen_material import of_features

        return of_features(plan, subject, dataset, parts, data_dir=data_dir, console=console)
    return Material(
        _rows(parts.train),
        _rows(parts.validation),
        partial(_rows, parts.test),
        partial(_network, plan, subject, dataset),
        lambda model, values: Finished(model, ""),
    )


def _rows(examples: Examples) -> Rows:
    return Rows(examples.images, examples.labels)


def _network(
    plan: Search, subject: Subject, dataset: Dataset, train: Rows, training: Training
) -> Searched:
    if subject.build:
        from kerasdl.tuning.own_hypermodel import OwnModel

        return OwnModel(subject.build, dataset, train, training=training, precision=plan.precision)
    return NetworkModel(
        subject.network,
        dataset,
        train,
        settings=subject.settings,
        training=training,
        precision=plan.precision,
        space=plan.changes,
    )
