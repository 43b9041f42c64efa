"""What became of the trials of a search, and the files in which it survives a kill."""

import base64
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

Status = Literal["COMPLETED", "FAILED"]


class Execution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One training of a trial.

    Args:
        seed: The seed of its first weights and of its dropout.
        history: Lists of `loss`, `accuracy`, `val_loss` and `val_accuracy`, one number an epoch;
            null where it is not finite.
        epoch: The 0-based epoch, counted from the first of `history`, whose weights are kept.
        scores: The history's numbers of that epoch.
        right: Which validation images it answers rightly, see `answers`.
        error: Why it failed; null if it did not.
    """

    seed: int
    history: dict[str, list[float | None]]
    epoch: int
    scores: dict[str, float]
    right: str
    error: str | None = None

    def answers(self, count: int) -> npt.NDArray[np.bool_]:
        """Returns which validation images it answers rightly, bool (count,)."""
        packed = np.frombuffer(base64.b85decode(self.right), np.uint8)
        return np.unpackbits(packed, count=count).astype(bool)


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finished trial.

    Args:
        trial_id: KerasTuner's.
        values: The hyper-parameters, by name, those of conditions that do not hold left out.
        status: KerasTuner's.
        message: Why the trial failed; null if it did not.
        parameters: The model's trainable and other weights.
        seconds: Its share of the wall time of the trainings it was part of.
        packed: How many models were trained as one computation with it, itself included;
            1 for a model trained alone.
        executions: One a seed; none where there was no model to train.
    """

    trial_id: str
    values: dict[str, Any]
    status: Status
    message: str | None
    parameters: int
    seconds: float
    packed: int
    executions: list[Execution]

    @property
    def initial_epoch(self) -> int:
        """How many epochs an earlier trial trained it for, from which it went on."""
        return int(self.values.get("tuner/initial_epoch", 0))

    def scores(self, metric: str) -> list[float]:
        """Returns one number a seed, e.g. of "val_accuracy"."""
        return [execution.scores[metric] for execution in self.executions]


def own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the hyper-parameters without the notes that KerasTuner's Hyperband adds."""
    return {key: one for key, one in values.items() if not key.startswith("tuner/")}


def pack_answers(right: npt.NDArray[np.bool_]) -> str:
    """Returns a bool array (n,) as text; `Execution.answers` is the way back."""
    return base64.b85encode(np.packbits(right).tobytes()).decode("ascii")
