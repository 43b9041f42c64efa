"""What became of each model of a packed training: its numbers, failure and patience."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, npt.NDArray[np.float64]]


class Histories:
    """The histories of several models.

    Args:
        names: The models' names.
        patience: Epochs without a better validation loss after which each ends; 0 for never.
    """

    def __init__(self, names: Sequence[str], patience: Sequence[int]) -> None:
        self.values: list[dict[str, list[float]]] = [{} for _ in names]
        self.failed: dict[int, str] = {}
        self._names = names
        self._patience = np.array(patience)
        self._best = np.full(len(names), np.inf)
        self._wait = np.zeros(len(names), int)
        self._stopped = np.zeros(len(names), bool)

    @property
    def patient(self) -> npt.NDArray[np.bool_]:
        """Which models keep their best epoch's weights."""
        return self._patience > 0

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
        losses = columns.get("val_loss", np.full(len(self.values), np.nan))
        better = self.patient & ~self.ended & (losses < self._best)
        self._best = np.where(better, losses, self._best)
        self._wait = np.where(better, 0, self._wait + 1)
        self._stopped |= self.patient & (self._wait >= self._patience) & (epoch > 0) & ~self.ended
        return better

    def means(self, columns: Columns) -> dict[str, float]:
        """Returns the mean of each column over the models that have not ended, NaN if all have."""
        going = ~self.ended
        return {
            name: float(values[going].mean()) if going.any() else float("nan")
            for name, values in columns.items()
        }
