"""predictions.npz: what every trained model says about every test image, stored once.

Every score, matrix and picture of a report is computed from this file, so that
two of them can never disagree about a run.

What is kept are log-probabilities (natural logarithm of the softmax, computed
in float64, rounded to float32). They are the logits but for a constant per
image, so nothing is lost (temperature scaling gives the same probabilities),
and the cross-entropy of an image is one of the stored numbers, exact to seven
digits however small it is; a stored probability near 1 would round it away.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl import files

FORMAT = 1

Floats = npt.NDArray[np.floating[Any]]
Key = tuple[str, int, str]


def log_softmax(logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the logarithm of the softmax over the last axis, in float64.

    Args:
        logits: Real array (..., num_classes); log-probabilities are returned as
            they are, up to rounding.

    Returns:
        float64 array of the same shape, values <= 0, natural logarithm.
    """
    values = np.asarray(logits, dtype=np.float64)
    # The largest logit becomes 0: exp cannot overflow (Goodfellow et al. 2016, p. 78).
    shifted = values - values.max(axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def softmax(logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns class probabilities over the last axis, in float64.

    Args:
        logits: Real array (..., num_classes), logits or log-probabilities.

    Returns:
        float64 array of the same shape, values 0..1, rows that sum to 1.
    """
    return np.exp(log_softmax(logits))


def log_probabilities(scores: npt.ArrayLike, *, from_logits: bool = True) -> Floats:
    """Checks a model's outputs and turns them into log-probabilities.

    Args:
        scores: Real array (n, num_classes): logits or log-probabilities, or with
            `from_logits=False` probabilities (0..1, rows that sum to 1).
        from_logits: What `scores` are.

    Returns:
        float64 array (n, num_classes), values <= 0. A probability of 0 counts as
        the smallest normal float32, 1e-38: its logarithm must be finite.

    Raises:
        ValueError: If the shape is not two-dimensional, a value is NaN or
            infinite, probabilities do not sum to 1, or logits do.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 1:
        raise ValueError(
            "scores must have the shape (n, num_classes): one row per image. "
            f"Received: shape {values.shape}"
        )
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise ValueError(
            f"scores must be finite. Received: {values[row]} for image {row}; "
            "did training diverge? Try a lower learning rate."
        )
    normalised = bool((values >= 0).all() and np.allclose(values.sum(axis=1), 1.0, atol=1e-3))
    if from_logits:
        # Softmax of a softmax is the classic silent mistake: right accuracy, wrong loss.
        if len(values) and values.shape[1] > 1 and normalised:
            raise ValueError(
                "expected logits. Received: probabilities (all rows sum to 1); "
                "pass from_logits=False"
            )
        return log_softmax(values)
    if not normalised:
        raise ValueError(
            "expected probabilities: values 0..1 in rows that sum to 1. "
            f"Received: values {values.min():.3g}..{values.max():.3g}; "
            "for logits pass from_logits=True"
        )
    return log_softmax(np.log(np.maximum(values, np.finfo(np.float32).tiny)))


def _key(model: str, seed: int, settings: Mapping[str, Any] | None) -> Key:
    return model, int(seed), json.dumps(dict(settings or {}), sort_keys=True, default=str)


@dataclasses.dataclass(eq=False)
class Predictions:
    """Log-probabilities of the test images by run.

    Args:
        labels: Integer array (n,), values 0..num_classes - 1: the true classes.
        num_classes: The number of classes.

    Raises:
        ValueError: If the labels are none, not integers or out of range.
    """

    labels: npt.NDArray[np.int32]
    num_classes: int
    _runs: dict[Key, npt.NDArray[np.float32]] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 1 or len(labels) == 0 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                "labels must be a non-empty integer array of shape (n,). "
                f"Received: {labels.dtype} {labels.shape}"
            )
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(
                f"labels must lie in 0..{self.num_classes - 1}. "
                f"Received: {labels.min()}..{labels.max()}"
            )
        self.labels = labels.astype(np.int32)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for model, seed, _ in self._runs:
            yield model, seed

    def add(
        self,
        model: str,
        seed: int,
        scores: npt.ArrayLike,
        *,
        settings: Mapping[str, Any] | None = None,
        from_logits: bool = True,
    ) -> npt.NDArray[np.float32]:
        """Adds (or replaces) the outputs of one run.

        Args:
            model: The model's name, as in the record.
            seed: The run's seed.
            scores: Real array (n, num_classes), see `log_probabilities`.
            settings: The settings of the run, as in the record; needed only
                where a model and seed occur with several.
            from_logits: False when `scores` are probabilities.

        Returns:
            What is stored: float32 log-probabilities (n, num_classes). Compute
            the test scores of the record from these.

        Raises:
            ValueError: If shape or values do not fit.
        """
        expected = (len(self.labels), self.num_classes)
        if np.shape(scores) != expected:
            raise ValueError(
                f"scores of {model} (seed {seed}) must have the shape {expected}: one row per "
                f"test image, one column per class. Received: {np.shape(scores)}"
            )
        stored = log_probabilities(scores, from_logits=from_logits).astype(np.float32)
        self._runs[_key(model, seed, settings)] = stored
        return stored

    def get(
        self, model: str, seed: int, settings: Mapping[str, Any] | None = None
    ) -> npt.NDArray[np.float32] | None:
        """Returns one run's log-probabilities, float32 (n, num_classes), or None.

        Args:
            model: The model's name.
            seed: The run's seed.
            settings: The run's settings; a run that was added without any is
                found with every settings.
        """
        found = self._runs.get(_key(model, seed, settings))
        return found if found is not None else self._runs.get(_key(model, seed, None))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all runs atomically to `path` (.npz); the old file is replaced.

        Names of models are data inside the file, never names of its entries.

        Args:
            path: The file, usually `<run folder>/predictions.npz`.
        """
        keys = [[model, seed, json.loads(settings)] for model, seed, settings in self._runs]
        arrays = {f"run_{i}": values for i, values in enumerate(self._runs.values())}
        with files.atomic_open(path, "wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                format=np.int32(FORMAT),
                num_classes=np.int32(self.num_classes),
                labels=self.labels,
                keys=np.array(json.dumps(keys)),
                **arrays,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Predictions":
        """Reads predictions.npz.

        Args:
            path: The file.

        Returns:
            The predictions.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not such a file, or damaged; the message names it.
        """
        with Path(path).open("rb") as file:
            try:
                return cls._decode(np.load(file, allow_pickle=False))
            # A damaged archive fails in a dozen ways: zip, zlib, header, JSON, memory.
            except Exception as error:
                raise ValueError(
                    f"{os.fspath(path)} is not a kerasdl predictions.npz (format {FORMAT}), or it "
                    f"is damaged: {error}. Delete it and run again."
                ) from error

    @classmethod
    def _decode(cls, content: Any) -> "Predictions":
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise ValueError("expected an .npz archive. Received: a single array")
        if int(content["format"]) != FORMAT:
            raise ValueError(f"expected format {FORMAT}. Received: {content['format']}")
        predictions = cls(content["labels"], int(content["num_classes"]))
        for i, (model, seed, settings) in enumerate(json.loads(str(content["keys"]))):
            predictions.add(model, seed, content[f"run_{i}"], settings=settings)
            # Not the recomputed values: a file read and written again stays the same bytes.
            predictions._runs[_key(model, seed, settings)] = content[f"run_{i}"].astype(np.float32)
        return predictions
