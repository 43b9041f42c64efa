"""The network: dense layers in a row, forward and backward."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.scratch.activations import ACTIVATIONS, Floats, softmax
from kerasdl.scratch.initializers import INITIALIZERS
from kerasdl.scratch.layers import Dense
from kerasdl.scratch.losses import Labels, softmax_cross_entropy

DTYPES = ("float32", "float64")

ROWS_AT_ONCE = 1000
"""Examples that a prediction takes through the network together: their outputs fit the cache."""


# A network whose training diverged answers with inf and nan, as in Keras, not with warnings.
_silent = np.errstate(over="ignore", invalid="ignore", divide="ignore")


class Network:
    """A classifier: dense hidden layers of one activation, then logits for softmax.

    All weights and biases are views of one flat array, `parameters`, and their gradients of
    another, `gradients`: an optimizer sees two vectors, whatever the layers.

    Args:
        num_inputs: Numbers per example, >= 1; 784 for 28×28 pixels.
        hidden: Units of each hidden layer, each >= 1; none makes softmax regression.
        num_classes: Number of classes, >= 2.
        activation: Of the hidden layers, a name in `ACTIVATIONS`.
        initializer: Rule for the first weights, a name in `INITIALIZERS`.
        scale: Multiplies the first weights, >= 0.
        seed: Of the first weights, >= 0. They are drawn in float64 and then rounded, so that
            both dtypes start at the same place.
        dtype: "float32" for speed or "float64" for proofs.

    Raises:
        ValueError: If a value is none of these.
    """

    def __init__(
        self,
        num_inputs: int,
        hidden: Sequence[int] = (256, 128, 64),
        num_classes: int = 10,
        *,
        activation: str = "relu",
        initializer: str = "he",
        scale: float = 1.0,
        seed: int = 0,
        dtype: str = "float32",
    ):
        _check_sizes(num_inputs, hidden, num_classes)
        _check_choice("activation", activation, ACTIVATIONS)
        _check_choice("initializer", initializer, INITIALIZERS)
        _check_choice("dtype", dtype, DTYPES)
        if not (scale >= 0 and math.isfinite(scale)):
            raise ValueError(f"scale must be a number of at least 0. Received: {scale}")
        self._lay_out((num_inputs, *hidden, num_classes), activation, dtype)
        generator = np.random.default_rng(seed)
        for layer in self.layers:
            inputs, units = layer.weights.shape
            layer.weights[:] = scale * INITIALIZERS[initializer](inputs, units, generator)

    def _lay_out(self, sizes: Sequence[int], activation: str, dtype: str) -> None:
        """Makes the flat arrays, all 0, and the layers as views of them."""
        self.sizes = tuple(map(int, sizes))
        self.activation = activation
        self.dtype = np.dtype(dtype)
        shapes = list(itertools.pairwise(self.sizes))
        num_parameters = sum((inputs + 1) * units for inputs, units in shapes)
        self.parameters: Floats = np.zeros(num_parameters, self.dtype)
        self.gradients: Floats = np.zeros_like(self.parameters)
        self.layers: list[Dense] = []
        start = 0
        for number, (inputs, units) in enumerate(shapes, start=1):
            name = activation if number < len(shapes) else "linear"
            values = _views(self.parameters[start:], inputs, units)
            gradients = _views(self.gradients[start:], inputs, units)
            self.layers.append(Dense(*values, *gradients, ACTIVATIONS[name]))
            start += (inputs + 1) * units
        # Each layer's outputs and their errors in the last training step; see `_make_room`.
        self._outputs: list[Floats] = []
        self._errors: list[Floats] = []

    def __getstate__(self) -> tuple[tuple[int, ...], str, str, Floats]:
        return self.sizes, self.activation, self.dtype.name, self.parameters

    def __setstate__(self, state: tuple[tuple[int, ...], str, str, Floats]) -> None:
        # A copy or a pickle of views would be arrays of their own, which no optimizer moves.
        self._lay_out(*state[:3])
        self.parameters[:] = state[3]

    @property
    def num_inputs(self) -> int:
        """Numbers per example."""
        return self.sizes[0]

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.sizes[-1]

    def forward(self, inputs: Floats) -> Floats:
        """Computes the logits and keeps every layer's outputs for `backward`.

        Args:
            inputs: Array (n, num_inputs) of the network's dtype.

        Returns:
            Array (n, num_classes); the next call overwrites it.
        """
        self._make_room(len(inputs))
        for layer, outputs in zip(self.layers, self._outputs, strict=True):
            layer.forward(inputs, outputs)
            inputs = outputs
        return inputs

    def backward(self, inputs: Floats) -> None:
        """Fills `gradients` from the last layer to the first: back-propagation.

        Args:
            inputs: Array (n, num_inputs), the same that `forward` had; the last of `_errors`
                holds the gradient of the loss with respect to the logits.
        """
        for i in reversed(range(len(self.layers))):
            first = i == 0
            self.layers[i].backward(
                inputs=inputs if first else self._outputs[i - 1],
                outputs=self._outputs[i],
                errors=self._errors[i],
                input_errors=None if first else self._errors[i - 1],
            )

    def loss_and_gradients(self, inputs: Floats, labels: Labels) -> tuple[float, Floats]:
        """Runs a batch forward and backward.

        Args:
            inputs: Array (n, num_inputs) of the network's dtype, n >= 1.
            labels: int array (n,), each 0 <= label < num_classes.

        Returns:
            The mean cross-entropy, and the logits (n, num_classes) it comes from. `gradients`
            holds its gradient with respect to `parameters`.
        """
        logits = self.forward(inputs)
        loss = softmax_cross_entropy(logits, labels, self._errors[-1])
        self.backward(inputs)
        return loss, logits

    @_silent
    def logits(self, inputs: npt.ArrayLike) -> Floats:
        """Computes the logits of any number of examples, without touching the training step.

        Args:
            inputs: See `prepare`.

        Returns:
            Array (n, num_classes) of the network's dtype.
        """
        rows = self.prepare(inputs)
        results = np.empty((len(rows), self.num_classes), self.dtype)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            values = to_floats(rows[start : start + ROWS_AT_ONCE], self.dtype)
            for layer in self.layers:
                outputs = np.empty((len(values), len(layer.biases)), self.dtype)
                layer.forward(values, outputs)
                values = outputs
            results[start : start + ROWS_AT_ONCE] = values
        return results

    @_silent
    def predict_proba(self, inputs: npt.ArrayLike) -> Floats:
        """Computes the classes' probabilities: softmax of the logits.

        Args:
            inputs: See `prepare`.

        Returns:
            Array (n, num_classes), each row of sum 1.
        """
        results = self.logits(inputs)
        softmax(results)
        return results

    @_silent
    def evaluate(self, inputs: npt.ArrayLike, labels: Labels) -> tuple[float, float]:
        """Scores the network.

        Args:
            inputs: See `prepare`; n >= 1.
            labels: int array (n,), each 0 <= label < num_classes.

        Returns:
            Mean cross-entropy in nats, and the share of right answers, 0..1.
        """
        logits = self.logits(inputs)
        loss = softmax_cross_entropy(logits, labels, np.empty_like(logits))
        return loss, float((logits.argmax(axis=1) == labels).mean())

    def prepare(self, inputs: npt.ArrayLike) -> npt.NDArray[Any]:
        """Brings examples into rows.

        Args:
            inputs: Array (n, ...) with num_inputs numbers per example: floats, which are taken as
                they are, or uint8 pixels, which a batch scales to 0..1 when its turn comes.

        Returns:
            Array (n, num_inputs), of the network's dtype, or uint8 without a copy.

        Raises:
            ValueError: If these are no such examples.
        """
        array = np.asarray(inputs)
        rows = array.reshape(len(array), math.prod(array.shape[1:])) if array.ndim > 1 else array
        numbers = array.dtype == np.uint8 or array.dtype.kind == "f"
        if rows.ndim != 2 or rows.shape[1] != self.num_inputs or not numbers:
            raise ValueError(
                f"inputs must be examples of {self.num_inputs} numbers each, floats or uint8 "
                f"pixels. Received: shape {array.shape}, {array.dtype}"
            )
        return rows if rows.dtype == np.uint8 else rows.astype(self.dtype, copy=False)

    def _make_room(self, n: int) -> None:
        """Provides arrays of n rows for a step. They are reused while n stays the same."""
        if not self._outputs or len(self._outputs[0]) != n:
            self._outputs = [np.empty((n, units), self.dtype) for units in self.sizes[1:]]
            self._errors = [np.empty((n, units), self.dtype) for units in self.sizes[1:]]


def to_floats(rows: npt.NDArray[Any], dtype: np.dtype[Any]) -> Floats:
    """Scales uint8 pixels to 0..1; returns anything else as it is."""
    return rows * dtype.type(1 / 255) if rows.dtype == np.uint8 else rows


def _views(flat: Floats, inputs: int, units: int) -> tuple[Floats, Floats]:
    """Returns the weights (inputs, units) and biases (units,) at the beginning of `flat`."""
    end = inputs * units
    return flat[:end].reshape(inputs, units), flat[end : end + units]


def _check_sizes(num_inputs: int, hidden: Sequence[int], num_classes: int) -> None:
    if num_inputs < 1 or num_classes < 2 or any(units < 1 for units in hidden):
        raise ValueError(
            "a network needs at least 1 input, 1 unit in each hidden layer and 2 classes. "
            f"Received: {num_inputs} inputs, hidden {tuple(hidden)}, {num_classes} classes"
        )


def _check_choice(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}. Received: {name!r}")
