"""What is measured of each layer while it trains, and the tables of it.

Every quantity belongs to a layer with a kernel, and is the mean over the steps of an
epoch, but for `dead_units`, which is a property of the whole epoch. The gradient is the
one that the optimizer gets: of the mean loss of the batch with its penalties. Activations
are those of the training steps, before dropout.
"""

import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl import files

QUANTITIES = {
    "gradient_norm": "Euclidean norm of the kernel's gradient",
    "gradient_mean": "mean of the gradient's entries",
    "gradient_absolute_mean": "mean of their absolute values",
    "weight_norm": "Euclidean norm of the kernel before the step",
    "weight_mean": "mean of the kernel's entries",
    "update_ratio": "norm of the kernel's change in a step / norm of the kernel before it",
    "dead_units": "share of units whose output was on one flat side for every image of the epoch",
    "saturated": "share of outputs on a flat side",
}
"""What is measured, and what it is. NaN where an activation has no flat side."""

DECADES = -12, 2
_POSITIVE = np.logspace(*DECADES, 4 * (DECADES[1] - DECADES[0]) + 1)
EDGES: npt.NDArray[np.float32] = np.concatenate([-_POSITIVE[::-1], _POSITIVE]).astype(np.float32)
"""Edges of the histograms' bins, four a decade; smaller values share the bin around 0."""

_TANH = 0.98
_INF = float("inf")
_FLAT_SIDES = {
    "relu": (0.0, _INF),
    "leaky_relu": (0.0, _INF),
    "relu6": (0.0, 6.0),
    "elu": (-0.96, _INF),
    "selu": (-0.96 * 1.0507009873554805 * 1.6732632423543772, _INF),
    "softplus": (0.04, _INF),
    "sigmoid": (1 - (1 + _TANH) / 2, (1 + _TANH) / 2),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-_TANH, _TANH),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-0.8, 0.8),
}


def flat_sides(layer: Any) -> tuple[float, float] | None:
    """Returns where the activation of a layer is flat: outputs <= low and outputs >= high.

    Flat is where the derivative is at most 4 % of its maximum: for ReLU the outputs 0, for
    the sigmoid those within 0.01 of 0 or 1, for tanh within 0.02 of -1 or 1 (the same points
    of the same curve). Leaky ReLU is flat nowhere; for it the negative side counts.

    Args:
        layer: A Keras layer with an `activation`, or ReLU, LeakyReLU or ELU.

    Returns:
        low and high, infinite where there is no such side; None where there is none at all, or
        where it is not known.
    """
    if type(layer) is keras.layers.ReLU:
        most = layer.max_value
        return 0.0, _INF if most is None else float(most)
    if type(layer) is keras.layers.LeakyReLU:
        return _FLAT_SIDES["leaky_relu"]
    if type(layer) is keras.layers.ELU:
        return -0.96 * float(layer.alpha), _INF
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "")
    # By its name only if it is Keras's own.
    return _FLAT_SIDES.get(name) if activation is getattr(keras.activations, name, 0) else None


@dataclasses.dataclass
class LayerStatistics:
    """What was measured of one model.

    Args:
        layers: Names of the layers with a kernel, in the order of computation.
        epochs: One array (quantities, layers) an epoch, in the order of QUANTITIES.
        histograms: Counts of the gradients' entries, summed over the steps of an epoch, by
            0-based epoch: int64 (layers, len(EDGES) - 1). The outermost bins have what lies
            beyond, too; NaN is counted nowhere.
    """

    layers: tuple[str, ...]
    epochs: list[npt.NDArray[np.float64]] = dataclasses.field(default_factory=list)
    histograms: dict[int, npt.NDArray[np.int64]] = dataclasses.field(default_factory=dict)

    def __getitem__(self, quantity: str) -> npt.NDArray[np.float64]:
        """Returns one of QUANTITIES as a float64 array (epochs, layers)."""
        place = list(QUANTITIES).index(quantity)
        if not self.epochs:
            return np.zeros((0, len(self.layers)))
        return np.stack([epoch[place] for epoch in self.epochs])

    def rows(self) -> Iterator[tuple[int, str, str, float]]:
        """Yields (0-based epoch, layer, quantity, value)."""
        for epoch, table in enumerate(self.epochs):
            for place, layer in enumerate(self.layers):
                for quantity, values in zip(QUANTITIES, table, strict=True):
                    yield epoch, layer, quantity, float(values[place])

    def write_csv(self, path: Path | str) -> None:
        """Writes the rows as a CSV file with a header, whole or not at all.

        Raises:
            OSError: If it cannot be written.
        """
        with files.atomic_open(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("epoch", "layer", "quantity", "value"))
            writer.writerows(self.rows())


def table(sums: npt.NDArray[np.float64], steps: int) -> npt.NDArray[np.float64]:
    """Returns the means over the steps from the sums over them, NaN where there was no step."""
    return sums / steps if steps else np.full_like(sums, np.nan)


def from_sums(sums: Any, size: Any) -> list[Any]:
    """Returns the first six QUANTITIES of one step from sums over each kernel's entries.

    Args:
        sums: float64 tensors (kernels,): of the squared gradient, the gradient, its absolute
            value, the squared weight, the weight, the squared change.
        size: Entries of each kernel, float64 (kernels,).
    """
    import tensorflow as tf

    squares, total, absolute, weight_squares, weights, changes = sums
    norm = tf.sqrt(weight_squares)
    return [
        tf.sqrt(squares),
        total / size,
        absolute / size,
        norm,
        weights / size,
        tf.math.divide_no_nan(tf.sqrt(changes), norm),
    ]


def bins_of(values: Any) -> Any:
    """Returns the bin of each value, int32, as EDGES divides them; -1 for NaN."""
    import tensorflow as tf

    places = tf.raw_ops.Bucketize(input=tf.cast(values, "float32"), boundaries=EDGES.tolist())
    places = tf.clip_by_value(places - 1, 0, len(EDGES) - 2)
    return tf.where(tf.math.is_nan(values), -1, places)
