"""A data set restricted to some of its classes."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from kerasdl.datasets.dataset import Dataset, Examples, content_sha256


def restrict(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """Returns the examples of some classes only, with new labels 0, 1, ...

    Args:
        dataset: The data set.
        classes: Names of classes as in `class_names`, or their numbers, at least two; the
            new labels follow this order.

    Returns:
        The data set with these classes; its notes say so, and its checksum is of what is left.

    Raises:
        ValueError: If a class does not exist or is there twice, fewer than two are
            given, or one has no examples left to train or test with.
    """
    chosen = [_find(name, dataset.class_names) for name in classes]
    if len(chosen) < 2 or len(set(chosen)) != len(chosen):
        raise ValueError(
            f"classes must be two or more different ones of {_listed(dataset.class_names)}. "
            f"Received: {', '.join(classes)}"
        )
    names = tuple(dataset.class_names[label] for label in chosen)
    train, test = _pick(dataset.train, chosen), _pick(dataset.test, chosen)
    for part, examples in (("training", train), ("test", test)):
        counts = np.bincount(examples.labels, minlength=len(chosen))
        for name, count in zip(names, counts.tolist(), strict=True):
            if count == 0:
                raise ValueError(
                    f"the class {name!r} has no {part} images in {dataset.title}; choose others"
                )
    validation = None if dataset.validation is None else _pick(dataset.validation, chosen)
    return dataclasses.replace(
        dataset,
        title=f"{dataset.title}, classes {', '.join(names)}",
        train=train,
        test=test,
        validation=validation,
        class_names=names,
        sha256=content_sha256(train, test, validation),
        notes=(
            *dataset.notes,
            f"Only the classes {', '.join(names)} of {len(dataset.class_names)}.",
        ),
    )


def _find(name: str, known: Sequence[str]) -> int:
    """Returns the label of a class; a name goes before a number."""
    if name in known:
        return list(known).index(name)
    if name.isascii() and name.isdigit() and int(name) < len(known):
        return int(name)
    raise ValueError(f"classes must be some of {_listed(known)}. Received: {name!r}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{label} ({name})" for label, name in enumerate(names))


def _pick(examples: Examples, chosen: Sequence[int]) -> Examples:
    new = np.full(int(max(*examples.labels.tolist(), *chosen)) + 1, -1, np.int32)
    new[list(chosen)] = np.arange(len(chosen), dtype=np.int32)
    labels = new[examples.labels]
    kept = labels >= 0
    return Examples(np.ascontiguousarray(examples.images[kept]), labels[kept])
