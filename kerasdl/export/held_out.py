"""The images that an export is compared on: the run's own, found as the run found them."""

import dataclasses
from typing import Any

import numpy as np

from kerasdl.datasets.dataset import Examples
from kerasdl.export.runs import WINNER, Source
from kerasdl.studies.data import divide, load_whole

ENOUGH = 1000
AT_MOST = 2000
"""Test images; more would show little more and make the export of a large network slow."""


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Images for the comparison.

    Args:
        examples: Test images, at most AT_MOST, evenly spread over the test part. Where there are
            fewer than ENOUGH, validation images follow, and training images after these.
        counts: How many are from "test", "validation" and "training", where any.
        validation: The images that the model was not trained on and choices are made by; may
            be empty.
    """

    examples: Examples
    counts: dict[str, int]
    validation: Examples


def load(source: Source, data_dir: str | None, console: Any) -> HeldOut:
    """Loads them.

    Args:
        source: The model.
        data_dir: The folder with the data sets' files, or None, as for the run.
        console: A `rich` console for notices.

    Raises:
        FileNotFoundError: If the data set is not there.
        ValueError: If it is not the one that the model was trained on.
    """
    dataset = load_whole(source.data, data_dir, console)
    if dataset.sha256 != source.dataset.sha256:
        raise ValueError(
            f"the images must be those of the run: {source.dataset.label}. Received: "
            f"{dataset.label}, other images; name their folder with --data DIR"
        )
    splits = divide(dataset, source.data)
    test = spread(splits.test, AT_MOST)
    # A winner was trained on the validation images, too.
    held_out = splits.validation if source.model != WINNER else spread(splits.validation, 0)
    parts = {"test": test}
    for name, part in (("validation", held_out), ("training", splits.train)):
        missing = ENOUGH - sum(map(len, parts.values()))
        if missing > 0:
            parts[name] = spread(part, missing)
    return HeldOut(
        examples=Examples(
            np.concatenate([part.images for part in parts.values()]),
            np.concatenate([part.labels for part in parts.values()]),
        ),
        counts={name: len(part) for name, part in parts.items() if len(part)},
        validation=held_out,
    )


def spread(examples: Examples, count: int) -> Examples:
    """Returns `count` examples, evenly spread; all where there are no more."""
    if count >= len(examples):
        return examples
    chosen = np.arange(count) * len(examples) // max(count, 1)
    return Examples(examples.images[chosen], examples.labels[chosen])
