"""The weights of many models in few variables."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl.training.packed.chains import penalty


class Owner(NamedTuple):
    """One model's weight in a stack.

    Args:
        model: The model's place in its pack.
        place: The place of the weight's node in the model's chain.
        variable: The Keras variable.
        role: "kernel", "bias", "gamma", "beta", "moving_mean" or "moving_variance".
        decay: Decoupled weight decay, >= 0.
        scale: The model's learning rate by that of the pack (see updates.py), > 0.
        optimizer: The model's Keras optimizer.
        trainable: All the variables that it updates.
    """

    model: int
    place: int
    variable: Any
    role: str
    decay: float
    scale: float
    optimizer: Any
    trainable: list[Any]


class Stack:
    """The same weight of several models as one variable.

    Kernels of equal shape lie one after the other, (n, inputs, outputs), vectors as
    (n, 1, units), for batched products. Weights that meet the shared input lie side by
    side instead ("wide"), (inputs, all units) and (all units,), whatever their widths,
    for one product. A stack of one has the weight's own shape.

    The variable holds weight / scale: where learning rates differ by constant factors,
    one fused update with one rate then moves each weight by its own rate.

    Args:
        owners: The models' weights, in the order of the stack.
        wide: Whether they lie side by side.
    """

    def __init__(self, owners: Sequence[Owner], *, wide: bool) -> None:
        import tensorflow as tf

        self.owners, self.wide = tuple(owners), wide
        first = owners[0].variable
        self.role, self.dtype = owners[0].role, first.dtype
        self.trainable = not self.role.startswith("moving")
        self.shape = tuple(first.shape)
        self.units = [owner.variable.shape[-1] for owner in owners]
        self.models = np.array([owner.model for owner in owners], np.int32)
        scales = np.array([owner.scale if self.trainable else 1.0 for owner in owners])
        self._scale = self.coefficients(scales) if (scales != 1).any() else None
        penalties = np.array([penalty(owner.variable) for owner in owners])
        self._l1, self._l2 = penalties[:, 0], penalties[:, 1]
        self.decay = np.array([owner.decay for owner in owners])
        self.variable = tf.Variable(self._gather(), trainable=False, name=self.role)

    @property
    def stacked(self) -> bool:
        """Whether there is a leading axis of models."""
        return not self.wide and len(self.owners) > 1

    def coefficients(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns one number a model in a shape that multiplies the variable.

        Args:
            values: Array (n,).
        """
        values = values.astype(self.dtype)
        if len(values) == 1:
            return values[0]  # type: ignore[no-any-return]
        return np.repeat(values, self.units) if self.wide else values.reshape(-1, 1, 1)

    def read(self) -> Any:
        """Returns the weights as a tensor in the variable's shape."""
        return self.in_units(self.variable.read_value())

    def in_units(self, value: Any, *, scaled: bool = True) -> Any:
        """Returns a value of the variable's shape in the models' own units.

        Args:
            value: Array or tensor.
            scaled: Whether it is in the variable's units; otherwise it stays as it is.
        """
        return value if self._scale is None or not scaled else value * self._scale

    def per_model(self, values: Any) -> Any:
        """Returns the sums (n,) of a tensor of the variable's shape over each model's part."""
        import tensorflow as tf

        if self.stacked:
            return tf.reduce_sum(values, axis=[1, 2])
        if len(self.owners) == 1:
            return tf.expand_dims(tf.reduce_sum(values), 0)
        units = sum(self.units)
        if len(self.shape) == 2:
            # In two steps: TensorFlow walks down every column, and in a high matrix misses the
            # cache at each row; five times slower with 1 024 rows.
            inputs = self.shape[0]
            few = next(rows for rows in range(math.isqrt(inputs), 0, -1) if inputs % rows == 0)
            parts = tf.reduce_sum(tf.reshape(values, [few, inputs // few * units]), axis=0)
            values = tf.reduce_sum(tf.reshape(parts, [inputs // few, units]), axis=0)
        return tf.math.segment_sum(values, np.repeat(np.arange(len(self.units)), self.units))

    def norms(self, values: Any) -> Any:
        """Returns the Euclidean norms (n,) of each model's part of a tensor of its shape."""
        import tensorflow as tf

        if self.wide and len(self.owners) > 1:
            return tf.sqrt(self.per_model(tf.square(values)))
        # One pass, without the squares in memory.
        if self.stacked:
            return tf.raw_ops.EuclideanNorm(input=values, axis=[1, 2])
        flat = tf.reshape(values, [1, -1])
        return tf.raw_ops.EuclideanNorm(input=flat, axis=[1])

    def penalties(self, value: Any) -> Any | None:
        """Returns the penalty (n,) of each model's weight, or None where there is none.

        Args:
            value: The weights, as from `read`.
        """
        import tensorflow as tf

        total = None
        for strength, function in ((self._l1, tf.abs), (self._l2, tf.square)):
            if strength.any():
                part = self.per_model(function(value)) * strength.astype(self.dtype)
                total = part if total is None else total + part
        return total

    def with_penalty(self, gradient: Any, value: Any) -> Any:
        """Adds the gradient of the penalties to that of the loss."""
        import tensorflow as tf

        if self._l1.any():
            gradient += tf.sign(value) * self.coefficients(self._l1)
        if self._l2.any():
            gradient += value * self.coefficients(2.0 * self._l2)
        return gradient

    def split(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Divides an array of the variable's shape into the models' own, in their own shapes."""
        if self.wide:
            return np.split(array, np.cumsum(self.units)[:-1], axis=-1)
        parts = array if self.stacked else array[None]
        return [part.reshape(self.shape) for part in parts]

    def store(self) -> None:
        """Writes the weights back into the Keras variables."""
        for owner, value in zip(self.owners, self.split(self.read().numpy()), strict=True):
            owner.variable.assign(value)

    def _gather(self) -> npt.NDArray[Any]:
        """Returns the Keras variables' values as the variable holds them."""
        return self.join([owner.variable.numpy() for owner in self.owners])

    def join(self, values: Sequence[npt.NDArray[Any]], *, scaled: bool = True) -> npt.NDArray[Any]:
        """Puts arrays of the models' own shapes and units together as the variable holds them.

        Args:
            values: One array for each owner.
            scaled: Whether they are in the weights' units; otherwise these do not matter.
        """
        if len(values) == 1:
            array = values[0]
        elif self.wide:
            array = np.concatenate(values, axis=-1)
        else:
            array = np.stack([value.reshape((-1, value.shape[-1])) for value in values])
        plain = self._scale is None or not scaled
        return array if plain else array / self._scale
