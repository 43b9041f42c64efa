"""The engine for Keras's other backends: the same training through `Model.fit`.

The compiled epochs of `kerasdl.training.engine` are TensorFlow's. On JAX, Keras's
own loop does the work, fed in the order and with the augmentation that seed,
epoch and batch decide, so that a run is a function of its recipe here too.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.evaluation import metrics
from kerasdl.training import augment
from kerasdl.training.ending import check_loss, check_weights, early_stopping
from kerasdl.training.interrupt import DeferredInterrupt
from kerasdl.training.order import flip_phase, order_of
from kerasdl.training.settings import Training
from kerasdl.training.steps import class_weights


def make_engine(model: keras.Model, strategy: Any, **options: Any) -> Any:
    """Returns the engine for Keras's backend: `Engine` on TensorFlow, else `FitEngine`.

    Args:
        model: A compiled model, built inside `strategy.scope()`.
        strategy: As from `make_strategy`.
        **options: Further arguments of `Engine`, which mean nothing to `FitEngine`.
    """
    if keras.backend.backend() == "tensorflow":
        from kerasdl.training.engine import Engine

        return Engine(model, strategy, **options)
    return FitEngine(model)


class FitEngine:
    """Trains, evaluates and predicts like `Engine`, on any backend and one device.

    The weights are those of `Engine` but for rounding, where nothing is random
    besides the order: each backend has its own random numbers for initial
    weights, dropout and augmentation.

    Args:
        model: A compiled model that takes images as they are stored and gives logits.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.train_seconds = 0.0

    def fit(
        self,
        train: Examples,
        training: Training,
        *,
        seed: int,
        validation: Examples | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        initial_epoch: int = 0,
    ) -> keras.callbacks.History:
        """Trains the model with `Model.fit` and returns its History.

        As in `Engine.fit`, the moving averages of `training.ema` are what is
        validated, what callbacks see at the end of an epoch and what remains.
        There are no checkpoints: a training that was killed starts anew.

        Args:
            train: The examples to fit on.
            training: Uses epochs, batch_size, the augmentation, class_weight and
                patience; the rest is in the compiled model.
            seed: Decides the order of the images and their augmentation, >= 0.
            validation: Scored after every epoch as `val_...`; None or empty for none.
            callbacks: Keras callbacks.
            initial_epoch: The 0-based epoch to begin with, for a model and optimizer that have
                come so far.

        Returns:
            The History; `self.train_seconds` has the wall time without validation.

        Raises:
            ValueError: If `train` is empty, or `patience` lacks validation images.
            FloatingPointError: If the loss or a weight becomes NaN or infinite.
        """
        epochs = training.num_epochs(len(train))
        batches = _Batches(train, training, seed)
        self.train_seconds = 0.0
        stopping = early_stopping(training, validation)
        with DeferredInterrupt() as interrupt:
            watch = _Watch(self, batches, validation, interrupt)
            history = self.model.fit(
                batches,
                epochs=epochs,
                initial_epoch=initial_epoch,
                shuffle=False,
                verbose=0,
                callbacks=[watch, *stopping, *callbacks],
            )
        _assign(self.model, _values(self.model))
        return history

    def predict(self, images: npt.NDArray[np.uint8], batch_size: int = 500) -> Any:
        """Returns the model's outputs for `images`.

        Args:
            images: uint8 array (n, h, w, c).
            batch_size: Images at a time; does not change the result.

        Returns:
            float32 array (n, num_classes), as the model gives them (logits).
        """
        if not len(images):
            return np.zeros((0, self.model.output_shape[-1]), np.float32)
        with DeferredInterrupt():
            return self.model.predict(images, batch_size=batch_size, verbose=0)

    def evaluate(self, examples: Examples) -> dict[str, float]:
        """Returns `loss` (cross-entropy in nats, unsmoothed) and `accuracy` (0..1)."""
        score = metrics.score(examples.labels, self.predict(examples.images))
        return {"loss": score.loss, "accuracy": score.accuracy}


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch, each a function of (seed, epoch, index).

    The epoch is set from outside: Keras starts an iteration also to build the
    model and ends one before the first, so that counting them would be wrong.
    """

    def __init__(self, train: Examples, training: Training, seed: int) -> None:
        super().__init__(workers=0)
        self._train, self._training, self._seed = train, training, seed
        self._batch_size = min(training.batch_size, len(train))
        self._weights = class_weights(train.labels, training)
        self._augment: Callable[..., Any] | None = None
        if augment.is_active(training):
            self._augment = _compiled(partial(augment.augment, training=training))
            self._phase = flip_phase(len(train), seed)
        self.start(0)

    def start(self, epoch: int) -> None:
        """Makes the batches those of the 0-based `epoch`."""
        self._epoch = epoch
        self._order = order_of(self._train, self._seed, epoch)

    def __len__(self) -> int:
        """Returns the number of steps of an epoch."""
        return -(-len(self._train) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Returns images, labels and, where classes weigh differently, weights of a step."""
        batch = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        x, y = self._train.images[batch], self._train.labels[batch]
        if self._augment is not None:
            uniform = self._random_numbers(len(batch), self._epoch * len(self) + index)
            x = self._augment(x, uniform, self._phase[batch] != (self._epoch % 2 == 1))
        return (x, y) if self._weights is None else (x, y, self._weights[y])

    def _random_numbers(self, size: int, counter: int) -> npt.NDArray[np.float32]:
        """Draws what the augmentation takes, from each stream (size, its numbers)."""
        drawn = []
        for stream, numbers in augment.streams(self._training):
            generator = np.random.Generator(np.random.Philox(key=[self._seed ^ stream, counter]))
            drawn.append(generator.random((size, numbers), np.float32))
        return np.concatenate(drawn, axis=1)


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the epoch of the batches, keeps the time, checks the numbers, adds the validation.

    It must come first: later callbacks and the History see the scores it adds to
    `logs`, and the moving averages of the weights that it puts into the model
    until the next epoch begins.
    """

    def __init__(
        self,
        engine: FitEngine,
        batches: _Batches,
        validation: Examples | None,
        interrupt: DeferredInterrupt,
    ) -> None:
        super().__init__()
        self._engine, self._batches, self._validation = engine, batches, validation
        self._interrupt = interrupt
        self._raw: list[Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started, self._epoch = time.perf_counter(), epoch
        self._batches.start(epoch)
        if self._raw is not None:
            _assign(self.model, self._raw)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._interrupt.check()
        check_loss(self.model, (logs or {})["loss"], self._epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._engine.train_seconds += time.perf_counter() - self._started
        # The losses were taken before their steps: the last step shows only here.
        check_weights(self.model, epoch)
        optimizer = self.model.optimizer
        # Under mixed_float16 Keras wraps the optimizer in one that scales the loss.
        if getattr(optimizer, "inner_optimizer", optimizer).use_ema:
            self._raw = _values(self.model)
            optimizer.finalize_variable_values(self.model.trainable_variables)
            _assign(self.model, _values(self.model))
        if logs is not None and self._validation is not None and len(self._validation):
            scores = self._engine.evaluate(self._validation)
            logs.update({f"val_{name}": value for name, value in scores.items()})


def _values(model: keras.Model) -> list[npt.NDArray[Any]]:
    return [keras.ops.convert_to_numpy(weight.value) for weight in model.trainable_variables]


def _assign(model: keras.Model, values: list[npt.NDArray[Any]]) -> None:
    """Gives the weights these values, in memory of their own.

    On JAX, Keras puts moving averages into a model by sharing the optimizer's
    arrays, which the model's next step or prediction then takes away (donates).
    """
    for weight, value in zip(model.trainable_variables, values, strict=True):
        weight.assign(value)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of tensors on JAX, which runs it operation by operation otherwise."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    compiled: Callable[..., Any] = jax.jit(function)
    return compiled
