"""What became of each model of a packed training: its numbers, failure and patience."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, npt.NDArray[np.float64]]


class Keep(NamedTuple):
    """By which score a model's best epoch is chosen.

    Args:
        column: The score's name in a history.
        direction: Which way is better.
    """

    column: str
    direction: Literal["min", "max"]


class Histories:
    """The histories of several models.

    Args:
        names: The models' names.
        patience: Epochs without a better validation loss after which each ends; 0 for never.
        keep: By whose best epoch all models are judged; None for the validation loss of those
            with patience.

    Attributes:
        values: The histories.
        failed: What went wrong, by model.
        best_epochs: int (models,), the 0-based epochs of the kept weights, -1 for none.
    """

    def __init__(
        self, names: Sequence[str], patience: Sequence[int], keep: Keep | None = None
    ) -> None:
        self.values: list[dict[str, list[float]]] = [{} for _ in names]
        self.failed: dict[int, str] = {}
        self._names = names
        self._patience = np.array(patience)
        self._by, self._keeping = keep or Keep("val_loss", "min"), keep is not None
        self._best = np.full(len(names), np.inf)
        self.best_epochs = np.full(len(names), -1)
        self._wait = np.zeros(len(names), int)
        self._stopped = np.zeros(len(names), bool)

    @property
    def patient(self) -> npt.NDArray[np.bool_]:
        """Which models keep their best epoch's weights."""
        return (self._patience > 0) | self._keeping

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Which models have failed or have used up their patience."""
        ended = self._stopped.copy()
        ended[list(self.failed)] = True
        return ended

    def add(
        self, epoch: int, columns: Columns, finite: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Adds an epoch.

        Args:
            epoch: 0-based.
            columns: Float arrays (models,) by name.
            finite: Whether the weights of each model are finite.

        Returns:
            Which models, of those with patience, were never better.
        """
        good = finite & np.isfinite(columns["loss"])
        for bad in np.flatnonzero(~good & ~self._stopped).tolist():
            self.failed.setdefault(
                bad,
                f"the loss or the weights of {self._names[bad]} became nan or infinite in "
                f"epoch {epoch + 1}. Try a lower learning rate",
            )
        for place, history in enumerate(self.values):
            if self._stopped[place]:
                continue
            for name, values in columns.items():
                value = float("nan") if place in self.failed else float(values[place])
                history.setdefault(name, []).append(value)
        # As Keras's EarlyStopping counts.
        scores = columns.get(self._by.column, np.full(len(self.values), np.nan))
        # The lower the better.
        scores = scores if self._by.direction == "min" else -scores
        better = self.patient & ~self.ended & (scores < self._best)
        self._best = np.where(better, scores, self._best)
        self.best_epochs = np.where(better, epoch, self.best_epochs)
        self._wait = np.where(better, 0, self._wait + 1)
        impatient = (self._patience > 0) & (self._wait >= self._patience)
        self._stopped |= impatient & (epoch > 0) & ~self.ended
        return better

    def state(self) -> dict[str, Any]:
        """Returns all of it as JSON can say it."""
        return {
            "values": self.values,
            "failed": [[place, reason] for place, reason in self.failed.items()],
            "best": self._best.tolist(),
            "best_epochs": self.best_epochs.tolist(),
            "wait": self._wait.tolist(),
            "stopped": self._stopped.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` returned."""
        self.values = [dict(history) for history in state["values"]]
        self.failed = dict(state["failed"])
        self._best = np.array(state["best"], np.float64)
        self.best_epochs = np.array(state["best_epochs"], int)
        self._wait = np.array(state["wait"], int)
        self._stopped = np.array(state["stopped"], bool)

    def means(self, columns: Columns) -> dict[str, float]:
        """Returns the mean of each column over the models that have not ended, NaN if all have."""
        going = ~self.ended
        return {
            name: float(values[going].mean()) if going.any() else float("nan")
            for name, values in columns.items()
        }
