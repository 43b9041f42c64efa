"""One pack of models: its training step and its scores, as TensorFlow operations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.training.compiling import class_loss
from kerasdl.training.layer_statistics import LayerStatistics
from kerasdl.training.packed.forward import Forward
from kerasdl.training.packed.observe import Observer
from kerasdl.training.packed.parts import Layout, Part
from kerasdl.training.packed.plan import Bundle
from kerasdl.training.packed.updates import Update
from kerasdl.training.packed.weights import Stack


class Pack:
    """Models that are updated together.

    Args:
        bundles: The models, as planned.
        seeds: The seed of each model's dropout, by its index, >= 0.
        layer_statistics: Whether `observer` measures the layers.
        histograms: Whether it also counts the gradients' entries, in the steps that say so.
    """

    def __init__(
        self,
        bundles: list[Bundle],
        seeds: Sequence[int],
        *,
        layer_statistics: bool = False,
        histograms: bool = False,
    ) -> None:
        import tensorflow as tf

        self.layout = Layout(bundles)
        members = self.layout.members
        own = np.array([seeds[member.index] for member in members], np.int64)
        self._seeds = tf.Variable(own, trainable=False)
        self.indices = np.array([member.index for member in members], np.int32)
        self._smoothing = np.array([member.smoothing for member in members])
        # As Keras does: the loss is computed in the number format of the loss object.
        self._loss_dtype = class_loss(members[0].chain.model.loss).dtype
        self._stacks = self.layout.stacks()
        self._trained = [stack for stack in self._stacks if stack.trainable]
        self.update = Update(members[0].rule, self._trained)
        self.observer = Observer(self.layout, histograms=histograms) if layer_statistics else None
        self._best: dict[Stack, Any] = {}

    def variables(self) -> list[Any]:
        """Returns everything that a training changes: weights, the optimizers' state, the best."""
        stacks = [stack.variable for stack in self._stacks]
        return [*stacks, *self.update.variables(), *(self._best[s] for s in self._best)]

    def remember(self) -> None:
        """Makes room for the weights that `keep` remembers."""
        import tensorflow as tf

        for stack in self._stacks:
            self._best.setdefault(stack, tf.Variable(stack.variable, trainable=False))

    def begin_with(self, other: "Pack") -> None:
        """Takes the models of another pack of the same form in the place of its own."""
        self._best = {}
        for own, new in zip(self._stacks, other._stacks, strict=True):
            own.owners = new.owners
        self._seeds.assign(other._seeds)
        for own, new in zip(self.variables(), other.variables(), strict=True):
            own.assign(new)

    def step(
        self, x: Any, labels: Any, weights: Any, counter: Any, counted: Any
    ) -> tuple[Any, Any]:
        """Trains every model on one batch.

        Args:
            x: The shared input (batch, features).
            labels: int32 (batch,).
            weights: The images' weights in the loss (batch,), or None.
            counter: int64 scalar, the step's number in the run.
            counted: bool scalar, whether the observer counts the gradients' entries.

        Returns:
            The models' losses, penalties included, and numbers of right answers (models,).
        """
        import tensorflow as tf

        values = {stack: stack.read() for stack in self._stacks}
        sources = [values[stack] for stack in self._trained]
        outputs: dict[Part, Any] = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            seeds = self._seeds.read_value()
            forward = Forward(self.layout, x, values, counter, seeds, self._watch(outputs))
            logits = tf.cast(forward.logits(), self._loss_dtype)
            losses = self._losses(logits, labels)
            if weights is not None:
                losses *= tf.cast(weights, losses.dtype)
            losses = tf.reduce_mean(losses, axis=1)
            # Each model's loss moves its own weights only: the sum's gradient is everyone's own.
            total = tf.reduce_sum(losses)
        gradients = tape.gradient(total, sources)
        losses = tf.cast(losses, "float64") + self._penalties(values)
        gradients = [
            stack.with_penalty(gradient, value)
            for stack, gradient, value in zip(self._trained, gradients, sources, strict=True)
        ]
        self.update.apply(gradients)
        if self.observer is not None:
            found = dict(zip(self._trained, gradients, strict=True))
            self.observer.add(values, found, outputs, counted)
        return losses, _right(logits, labels)

    def score(self, x: Any, labels: Any) -> tuple[Any, Any]:
        """Returns the sums of the cross-entropies and the numbers of right answers (models,)."""
        import tensorflow as tf

        logits = self.predict(x)
        losses = _crossentropy(logits, labels)
        return tf.reduce_sum(tf.cast(losses, "float64"), axis=1), _right(logits, labels)

    def predict(self, x: Any) -> Any:
        """Returns the logits (models, batch, classes) of a batch."""
        values = {stack: stack.read() for stack in self._stacks}
        return Forward(self.layout, x, values).logits()

    def finite(self) -> Any:
        """Returns whether all weights of each model are finite, bool (models,)."""
        import tensorflow as tf

        # 0 × x is 0 for a finite x, NaN for others.
        sums = [(stack, stack.per_model(stack.read() * 0.0)) for stack in self._trained]
        return tf.math.is_finite(self._to_models(sums))

    def keep(self, chosen: npt.NDArray[np.bool_]) -> None:
        """Remembers the present weights of the chosen models, bool (models,)."""
        self.remember()
        for stack in self._stacks:
            self._best[stack].assign(self._mixed(stack, chosen, stack.variable, self._best[stack]))

    def restore(self, chosen: npt.NDArray[np.bool_]) -> None:
        """Puts the remembered weights of the chosen models back, bool (models,)."""
        for stack, best in self._best.items():
            stack.variable.assign(self._mixed(stack, chosen, best, stack.variable))

    def _mixed(self, stack: Stack, chosen: npt.NDArray[np.bool_], one: Any, other: Any) -> Any:
        import tensorflow as tf

        mask = stack.coefficients(chosen[stack.models]).astype(bool)
        return tf.where(tf.constant(mask), one, other)

    def unpack(self, *, optimizers: bool) -> None:
        """Writes the weights back into the Keras models, and the state into their optimizers."""
        for stack in self._stacks:
            stack.store()
        if optimizers:
            self.update.store()

    def take_statistics(
        self, statistics: Sequence[LayerStatistics], epoch: int, counted: bool
    ) -> None:
        """Adds what the observer measured in an epoch to the statistics of the models.

        Args:
            statistics: One for each model, by its index.
            epoch: 0-based.
            counted: Whether gradients' entries were counted.
        """
        if self.observer is None:
            return
        table, counts = self.observer.take()
        of_model: dict[int, list[tuple[int, int]]] = {}
        for row, (model, place) in enumerate(self.observer.rows):
            of_model.setdefault(int(self.indices[model]), []).append((place, row))
        for model, found in of_model.items():
            rows = [row for _, row in sorted(found)]
            statistics[model].epochs.append(table[:, rows])
            if counted:
                statistics[model].histograms[epoch] = counts[rows]

    def _watch(self, outputs: dict[Part, Any]) -> Any:
        """Returns what puts the outputs into `outputs` that the observer wants."""
        observer = self.observer
        if observer is None:
            return None

        def watch(part: Part, out: Any) -> None:
            if observer.wants(part):
                outputs[part] = out

        return watch

    def _losses(self, logits: Any, labels: Any) -> Any:
        """Returns the cross-entropies with label smoothing (models, batch)."""
        import tensorflow as tf

        losses = _crossentropy(logits, labels)
        if self._smoothing.any():
            # -sum q log p for q = (1 - s) of the label + s/k of all.
            smoothing = tf.constant(self._smoothing[:, None], logits.dtype)
            chosen = tf.one_hot(labels, tf.shape(logits)[2], dtype=logits.dtype)
            difference = tf.reduce_sum(logits * chosen, axis=2) - tf.reduce_mean(logits, axis=2)
            losses += smoothing * difference
        return losses

    def _penalties(self, values: Any) -> Any:
        """Returns the regularizers' penalties (models,)."""
        found = [(stack, stack.penalties(values[stack])) for stack in self._trained]
        return self._to_models([(stack, part) for stack, part in found if part is not None])

    def _to_models(self, parts: list[tuple[Any, Any]]) -> Any:
        """Adds up numbers (n,) of stacks' models into float64 (models,)."""
        import tensorflow as tf

        if not parts:
            return tf.zeros(len(self.indices), "float64")
        values = tf.concat([tf.cast(part, "float64") for _, part in parts], axis=0)
        models = np.concatenate([stack.models for stack, _ in parts])
        return tf.math.unsorted_segment_sum(values, models, len(self.indices))


def _crossentropy(logits: Any, labels: Any) -> Any:
    """Returns -log p of the labels (models, batch)."""
    import tensorflow as tf

    models, batch, classes = tf.unstack(tf.shape(logits))
    flat = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.tile(labels, [models]), logits=tf.reshape(logits, [models * batch, classes])
    )
    return tf.reshape(flat, [models, batch])


def _right(logits: Any, labels: Any) -> Any:
    """Returns how many images of the batch each model answers rightly, int64 (models,)."""
    import tensorflow as tf

    answers = tf.argmax(logits, axis=2, output_type="int32")
    return tf.reduce_sum(tf.cast(answers == labels[None], "int64"), axis=1)
