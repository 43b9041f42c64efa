"""The compiled loops of packed training: many steps, or all batches of a scoring, in one call."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasdl.datasets.dataset import Examples
from kerasdl.training import augment
from kerasdl.training.order import flip_phase
from kerasdl.training.packed.pack import Pack
from kerasdl.training.replicas import on_devices
from kerasdl.training.settings import Training
from kerasdl.training.steps import class_weights, without_warning


class Compiled:
    """All packs' computations on shared batches.

    Args:
        front: The layers that turn images into the shared input, in order.
        dtype: The number format in which the first of them takes images.
        packs: The packs; together they have every model once.
        batch_size: Images scored at a time.
    """

    def __init__(
        self, front: Sequence[Any], dtype: str, packs: Sequence[Pack], batch_size: int
    ) -> None:
        import tensorflow as tf

        self._front, self._dtype = tuple(front), dtype
        self._packs, self._batch_size = tuple(packs), batch_size
        self._trained: tuple[Examples, Callable[..., Any], int] | None = None
        # From the order of the packs to that of the models.
        self._places = np.argsort(np.concatenate([pack.indices for pack in packs]))
        self.score = tf.function(self._score, reduce_retracing=True, autograph=False)
        self.predict = tf.function(self._predict, reduce_retracing=True, autograph=False)
        self.finite = tf.function(self._finite, autograph=False)
        for function in (self.score, self.predict, self.finite):
            without_warning(function)

    def train(self, train: Examples, training: Training) -> tuple[Callable[..., Any], int]:
        """Returns a function that runs steps of an epoch in one call, and the steps of an epoch.

        The function takes the run's seed, the epoch's order (int32, n), the 0-based epoch, the
        first and last (exclusive) step, whether gradients' entries are counted, and sums, float64
        (2, models): the losses of each step so far, times its images, and the numbers of right
        answers. It returns these with its own steps added.

        Args:
            train: The examples; copied to the device once.
            training: Uses batch_size, class_weight and the augmentation.
        """
        import tensorflow as tf

        if self._trained is not None and self._trained[0] is train:
            return self._trained[1], self._trained[2]

        batch_size = min(training.batch_size, len(train))
        steps = -(-len(train) // batch_size)
        by_class = class_weights(train.labels, training)
        active = augment.is_active(training)
        here = tf.distribute.get_strategy()
        data = tuple(on_devices(here, array) for array in (train.images, train.labels))
        phases: dict[int, Any] = {}

        def step(data: Any, seed: Any, order: Any, epoch: Any, index: Any, counted: Any) -> Any:
            images, labels, phase = data
            batch = order[index * batch_size : (index + 1) * batch_size]
            counter = epoch * steps + tf.cast(index, "int64")
            x, y = tf.gather(images, batch), tf.gather(labels, batch)
            if active:
                uniform = augment.random_numbers(tf.size(batch), seed, counter, training)
                mirrored = tf.not_equal(tf.gather(phase, batch), epoch % 2 == 1)
                x = augment.augment(x, uniform, mirrored, training)
            weights = None if by_class is None else tf.gather(tf.constant(by_class), y)
            x = self._shared(x)
            losses, right = self._each(
                lambda pack, x: pack.step(x, y, weights, counter, counted), x
            )
            return tf.stack([losses * tf.cast(tf.size(batch), "float64"), right])

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def run_steps(
            data: Any,
            seed: Any,
            order: Any,
            epoch: Any,
            first: Any,
            last: Any,
            counted: Any,
            sums: Any,
        ) -> Any:
            return tf.while_loop(
                lambda index, _: index < last,
                lambda index, sums: (
                    index + 1,
                    sums + step(data, seed, order, epoch, index, counted),
                ),
                (first, sums),
            )[1]

        without_warning(run_steps)

        def call(
            seed: int, order: Any, epoch: int, first: int, last: int, counted: bool, sums: Any
        ) -> Any:
            if seed not in phases:
                phases.clear()
                phases[seed] = on_devices(here, flip_phase(len(train), seed))
            # Tensors, not Python numbers: those would be traced anew for each value.
            numbers = tf.constant(epoch, "int64"), tf.constant(first), tf.constant(last)
            return run_steps(
                (*data, phases[seed]),
                tf.constant(seed, "int64"),
                tf.constant(order),
                *numbers,
                tf.constant(counted),
                tf.constant(sums, "float64"),
            ).numpy()

        self._trained = train, call, steps
        return call, steps

    def _shared(self, images: Any) -> Any:
        """Returns the shared input (batch, features) of images as they are stored."""
        import tensorflow as tf

        x = tf.cast(images, self._dtype)
        for layer in self._front:
            x = layer(x)
        return x

    def _each(self, function: Callable[..., Any], x: Any) -> list[Any]:
        """Calls `function(pack, x)` for one pack after the other; puts the models in order."""
        import tensorflow as tf

        results: list[Any] = []
        for pack in self._packs:
            # One after the other, so that each finds its own numbers in the cache.
            with tf.control_dependencies(results[-1] if results else []):
                x = tf.identity(x)
            results.append([tf.cast(value, "float64") for value in function(pack, x)])
        return [
            tf.gather(tf.concat(values, axis=0), self._places)
            for values in zip(*results, strict=True)
        ]

    def _score(self, images: Any, labels: Any) -> Any:
        """Returns the sums of the cross-entropies and of the right answers, float64 (2, models)."""
        import tensorflow as tf

        count = tf.shape(images)[0]

        def batch(first: Any, sums: Any) -> Any:
            last = tf.minimum(first + self._batch_size, count)
            x, y = self._shared(images[first:last]), labels[first:last]
            return last, sums + tf.stack(self._each(lambda pack, x: pack.score(x, y), x))

        start = tf.constant(0), tf.zeros([2, len(self._places)], "float64")
        return tf.while_loop(lambda first, _: first < count, batch, start)[1]

    def _predict(self, images: Any) -> Any:
        """Returns the logits (models, n, classes) of images."""
        import tensorflow as tf

        x = self._shared(images)
        logits = tf.concat([pack.predict(x) for pack in self._packs], axis=0)
        return tf.gather(logits, self._places)

    def _finite(self) -> Any:
        """Returns whether the weights of each model are finite, bool (models,)."""
        import tensorflow as tf

        return tf.gather(tf.concat([pack.finite() for pack in self._packs], 0), self._places)
