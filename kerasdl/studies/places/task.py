"""What a process is given that trains groups of a comparison, and what it gives back.

A group is trained there as it would be here, by a `Study` on the same folder: it leaves its models
and checkpoints, and the process that asked, which alone writes the record, gets its runs and
predictions. A group whose process was lost is trained again, from its last checkpoint.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from kerasdl import record
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.studies.plan import Recipe

if TYPE_CHECKING:
    from kerasdl.studies.stacking import Group

LOSSES = 2
"""How often a process may be lost in a row before it is taken for more than bad luck."""


@dataclasses.dataclass(frozen=True)
class Task:
    """All that a process needs to train groups of a comparison.

    Args:
        plan: The recipe.
        dataset: The data set, without its training images: those are in `splits`.
        splits: Its parts.
        folder: The run folder, which this process must see, too.
        weights: Paths of the weights that bases begin with, by model.
        log: Names of the logs.
        checkpoint_seconds: As of `Study`.
        cache_limit: Of the features of frozen bases, or None for the usual.
        kernels: TensorFlow's kernels, as the record has them.
    """

    plan: Recipe
    dataset: Dataset
    splits: Splits
    folder: Path
    weights: Mapping[str, str]
    log: Sequence[str]
    checkpoint_seconds: float
    cache_limit: Any
    kernels: str | None


class Outcome(NamedTuple):
    """What a group's training left.

    Args:
        runs: Of the models that did not diverge.
        error: What became of the first that did, or None.
        scores: For each run its log-probabilities of the test images, where these are not in the
            study's predictions yet.
    """

    runs: list[record.Run]
    error: FloatingPointError | None
    scores: Sequence[npt.NDArray[np.float32]] = ()


class Place(Protocol):
    """Where groups are trained."""

    def train(self, groups: Sequence["Group"]) -> Iterator[tuple["Group", Outcome]]:
        """Trains groups and gives each when it is done, in whatever order."""
        ...

    def close(self) -> None:
        """Ends what is on its way; checkpoints stay."""
        ...
