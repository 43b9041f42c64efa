"""Training, validation and test examples: disjoint, stratified, a function of the seed."""

import math

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Dataset, Examples, Labels, Splits, aligned_empty

Indices = npt.NDArray[np.int64]


def split(
    dataset: Dataset,
    *,
    validation_fraction: float,
    train_size: int | None = None,
    train_fraction: float | None = None,
    seed: int,
) -> Splits:
    """Divides a data set's training part; its test part is left whole.

    The validation examples are drawn first, so that they are the same for
    every `train_size`; the training examples are drawn from the rest, so that
    a smaller portion is contained in a larger one. Both keep the proportions
    of the classes, and a portion has at least one example of each. A data set
    that brings its own validation part keeps it.

    Args:
        dataset: The data set.
        validation_fraction: The share of the training part that is held out,
            0 <= f < 1; 0 leaves the validation part empty.
        train_size: How many of the remaining examples to train on, or None
            for all.
        train_fraction: The same as a share of them, 0 < f <= 1, or None.
        seed: A nonnegative integer. The split is the same on every machine.

    Returns:
        The three parts; examples keep the order of the data set.

    Raises:
        ValueError: If a value is impossible for this data set.
    """
    _check_fractions(validation_fraction, train_size, train_fraction, seed)
    labels = dataset.train.labels
    order = stratified_order(labels, seed)
    num_validation = 0
    if validation_fraction and dataset.validation is None:
        num_validation = max(1, round(len(labels) * validation_fraction))
        if num_validation >= len(labels):
            raise ValueError(
                f"validation_fraction must leave examples to train on: there are {len(labels)}. "
                f"Received: {validation_fraction!r}"
            )
    held_out, rest = np.sort(order[:num_validation]), order[num_validation:]
    chosen = _portion(rest, labels, train_size, train_fraction)
    if dataset.validation is not None and validation_fraction:
        validation = dataset.validation
    else:
        validation = _take(dataset.train, held_out)
    return Splits(
        train=_take(dataset.train, np.sort(chosen)), validation=validation, test=dataset.test
    )


def stratified_order(labels: Labels, seed: int) -> Indices:
    """Returns a random order of which every beginning has the proportions of the classes.

    Args:
        labels: int32 array (n,).
        seed: A nonnegative integer.

    Returns:
        int64 permutation of 0..n - 1.
    """
    # A bit generator's raw stream is guaranteed to stay the same over NumPy versions
    # and machines, which a Generator's methods are not (NumPy's NEP 19).
    ticket = np.random.Philox(seed).random_raw(len(labels))
    shuffled = np.argsort(ticket, kind="stable")
    return shuffled[np.argsort(_places(labels[shuffled]), kind="stable")]


def _places(labels: Labels) -> npt.NDArray[np.float64]:
    """Returns for each example its place within its class, (k + 1/2) / n."""
    places = np.empty(len(labels))
    for label in np.unique(labels):
        where = np.flatnonzero(labels == label)
        places[where] = (np.arange(len(where)) + 0.5) / len(where)
    return places


def _portion(
    rest: Indices, labels: Labels, train_size: int | None, train_fraction: float | None
) -> Indices:
    """Returns the first examples of `rest`, with one of each class in front of all others."""
    if train_fraction is not None:
        train_size = max(1, round(len(rest) * train_fraction))
    if train_size is None:
        return rest
    classes, first = np.unique(labels[rest], return_index=True)
    if not len(classes) <= train_size <= len(rest):
        given = "train_size" if train_fraction is None else "train_fraction"
        raise ValueError(
            f"{given} must select {len(classes)} (one of each class) to {len(rest)} (what "
            "validation leaves of the training part) examples. Received: "
            f"{train_size if train_fraction is None else train_fraction!r}"
        )
    front = np.sort(first)
    return np.concatenate([rest[front], np.delete(rest, front)])[:train_size]


def _take(examples: Examples, indices: Indices) -> Examples:
    if len(indices) == len(examples):
        return examples
    images = aligned_empty((len(indices), *examples.images.shape[1:]))
    # clip: NumPy would make another copy to keep `out` whole should an index be wrong.
    np.take(examples.images, indices, axis=0, out=images, mode="clip")
    return Examples(images, examples.labels[indices])


def _check_fractions(
    validation_fraction: float, train_size: int | None, train_fraction: float | None, seed: int
) -> None:
    if not (math.isfinite(validation_fraction) and 0 <= validation_fraction < 1):
        raise ValueError(
            "validation_fraction must be at least 0 and below 1, e.g. 0.1. "
            f"Received: {validation_fraction!r}"
        )
    if train_size is not None and train_fraction is not None:
        raise ValueError(
            "Give train_size or train_fraction, not both. "
            f"Received: {train_size!r} and {train_fraction!r}"
        )
    if train_size is not None and (isinstance(train_size, bool) or train_size < 1):
        raise ValueError(f"train_size must be a positive integer. Received: {train_size!r}")
    if train_fraction is not None and not 0 < train_fraction <= 1:
        raise ValueError(
            f"train_fraction must be above 0 and at most 1. Received: {train_fraction!r}"
        )
    if seed < 0:
        raise ValueError(f"seed must be a nonnegative integer. Received: {seed!r}")
