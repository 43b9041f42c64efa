"""Sums over the steps of an epoch for the layers of one Keras model, as TensorFlow variables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasdl.training.layer_statistics import (
    EDGES,
    QUANTITIES,
    bins_of,
    flat_sides,
    from_sums,
    table,
)


class Watched(NamedTuple):
    """An activation: its layer, its flat sides, each unit's largest and smallest output."""

    layer: Any
    sides: tuple[float, float]
    most: Any
    least: Any


class LayerSums:
    """What an epoch adds up, as variables.

    Args:
        layers: The layers with a kernel.
        histograms: Whether there is room for histograms.
    """

    def __init__(self, layers: Sequence[Any], histograms: bool) -> None:
        import tensorflow as tf

        self._kernels = [layer.kernel for layer in layers]
        self._sizes = np.array([float(np.prod(kernel.shape)) for kernel in self._kernels])
        count = len(layers)

        def zeros(*shape: int, dtype: Any = np.float64) -> Any:
            return tf.Variable(np.zeros(shape, dtype), trainable=False)

        self.steps, self._counted = zeros(dtype=np.int64), tf.Variable(False, trainable=False)
        self._sums, self._flat = zeros(len(QUANTITIES) - 2, count), zeros(2, count)
        bins = count * (len(EDGES) - 1) if histograms else 0
        self.counts = zeros(bins, dtype=np.int64)
        self.watched: dict[int, Watched] = {}
        for place, layer in enumerate(layers):
            active = _activation_layer(layer)
            sides = None if active is None else flat_sides(active)
            units = None if active is None else _units(active)
            if sides is None or units is None:
                continue
            most, least = (
                tf.Variable(np.full(units, sign * np.inf, np.float32), trainable=False)
                for sign in (-1, 1)
            )
            self.watched[place] = Watched(active, sides, most, least)

    def variables(self) -> list[Any]:
        """Returns all of them."""
        extremes = [v for watch in self.watched.values() for v in (watch.most, watch.least)]
        return [self.steps, self._counted, self._sums, self._flat, self.counts, *extremes]

    def start(self, counted: bool) -> None:
        """Sets them to where an epoch begins."""
        for variable in (self.steps, self._sums, self._flat, self.counts):
            variable.assign(np.zeros(variable.shape, variable.dtype.as_numpy_dtype))
        self._counted.assign(counted)
        for watch in self.watched.values():
            watch.most.assign(np.full(watch.most.shape, -np.inf, np.float32))
            watch.least.assign(np.full(watch.least.shape, np.inf, np.float32))

    def kernels(self) -> list[Any]:
        """Returns the present kernels as tensors."""
        import tensorflow as tf

        return [tf.convert_to_tensor(kernel.value) for kernel in self._kernels]

    def add(self, gradients: dict[int, Any], before: Sequence[Any]) -> None:
        """Adds a step, after its update.

        Args:
            gradients: By the identity of the Keras variable.
            before: The kernels before the update.
        """
        import tensorflow as tf

        found = [gradients.get(id(kernel)) for kernel in self._kernels]
        # A layer that the loss does not depend on has no gradient.
        dense = [
            tf.zeros_like(old) if g is None else tf.cast(tf.convert_to_tensor(g), old.dtype)
            for g, old in zip(found, before, strict=True)
        ]
        columns = []
        for gradient, old, new in zip(dense, before, self.kernels(), strict=True):
            squares = tf.square(gradient), gradient, tf.abs(gradient)
            entries = (*squares, tf.square(old), old, tf.square(new - old))
            columns.append([tf.cast(tf.reduce_sum(each), "float64") for each in entries])
        sums = [tf.stack(each) for each in zip(*columns, strict=True)]
        self._sums.assign_add(tf.stack(from_sums(sums, self._sizes)))
        self.steps.assign_add(1)
        if self.counts.shape[0]:
            self.counts.assign_add(
                tf.cond(
                    self._counted,
                    lambda: tf.concat([self._histogram(each) for each in dense], axis=0),
                    lambda: tf.zeros_like(self.counts),
                )
            )

    def see(self, place: int, outputs: Any) -> None:
        """Adds what a layer's activation gives for a batch."""
        import tensorflow as tf

        watch = self.watched[place]
        low, high = watch.sides
        out = tf.stop_gradient(tf.cast(outputs, "float32"))
        flat = tf.cast((out <= low) | (out >= high), "float32")
        share = tf.cast(tf.reduce_mean(flat), "float64")
        column = tf.one_hot(place, self._flat.shape[1], dtype="float64")
        self._flat.assign_add(tf.stack([share * column, column]))
        axes = list(range(len(out.shape) - 1))
        watch.most.assign(tf.maximum(watch.most, tf.reduce_max(out, axis=axes)))
        watch.least.assign(tf.minimum(watch.least, tf.reduce_min(out, axis=axes)))

    def quantities(self) -> Any:
        """Returns the epoch's quantities, float64 (quantities, layers)."""
        means = table(self._sums.numpy(), int(self.steps))
        dead, saturated = np.full((2, means.shape[1]), np.nan)
        shares, calls = self._flat.numpy()
        for place, watch in self.watched.items():
            low, high = watch.sides
            stuck = (watch.most.numpy() <= low) | (watch.least.numpy() >= high)
            dead[place], saturated[place] = stuck.mean(), table(shares, calls[place])[place]
        return np.stack([*means, dead, saturated])

    def _histogram(self, gradient: Any) -> Any:
        import tensorflow as tf

        places = bins_of(gradient)
        places = tf.boolean_mask(places, places >= 0)
        size = len(EDGES) - 1
        return tf.math.bincount(places, minlength=size, maxlength=size, dtype="int64")


def _activation_layer(layer: Any) -> Any:
    """Returns the layer whose output is the activation of a layer with a kernel, or None."""
    while getattr(layer, "activation", None) in (None, keras.activations.linear):
        # A layer may have been called for several graphs, in each of them by the same one.
        users = {id(node.operation): node.operation for node in layer._outbound_nodes}
        if len(users) != 1:
            return None
        (layer,) = users.values()
        if isinstance(layer, keras.layers.ReLU | keras.layers.LeakyReLU | keras.layers.ELU):
            return layer
        between = keras.layers.BatchNormalization, keras.layers.Dropout, keras.layers.Activation
        if not isinstance(layer, between):
            return None
    return layer


def _units(layer: Any) -> int | None:
    """Returns how many units (channels) a layer gives, or None where that is not known."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if layer._inbound_nodes:
        return int(layer._inbound_nodes[-1].outputs[0].shape[-1])
    units = getattr(layer, "units", getattr(layer, "filters", None))
    return None if units is None else int(units)
