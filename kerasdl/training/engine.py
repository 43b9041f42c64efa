"""The training engine: whole stretches of an epoch as one compiled call.

The images rest on the device as uint8. One `tf.function` runs many steps, each
gathering its batch, augmenting it and calling Keras's own `model.train_step`
through `strategy.run`; Python is entered a few times a second only, for
callbacks, progress and Ctrl-C. `Model.fit` enters it at every step, which for
a small model takes longer than the model (benchmarks/engine.py).
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.evaluation import metrics
from kerasdl.training import state
from kerasdl.training.checkpoint import Checkpoint, CheckpointStore
from kerasdl.training.ending import check_loss, check_weights, early_stopping
from kerasdl.training.kernels import fused_kernels
from kerasdl.training.order import order_of
from kerasdl.training.settings import Training
from kerasdl.training.steps import compile_steps, without_warning
from kerasdl.training.strategy import agree, workers_of

SECONDS_PER_CALL = 0.3
"""How long one compiled call should take: long against Python's share, short for Ctrl-C."""


class Engine:
    """Trains, evaluates and predicts with one compiled Keras model.

    Args:
        model: A compiled model (built inside `strategy.scope()`) that takes
            images as they are stored and gives logits.
        strategy: A `tf.distribute.Strategy`; None for the current one.
        seconds_per_call: How long one compiled call should take; 0 makes every step
            a call of its own, so that callbacks see each.
    """

    def __init__(
        self,
        model: keras.Model,
        strategy: Any = None,
        seconds_per_call: float = SECONDS_PER_CALL,
    ) -> None:
        import tensorflow as tf

        self.model = model
        self.strategy = strategy or tf.distribute.get_strategy()
        self.train_seconds = 0.0
        self._seconds_per_call = seconds_per_call
        self._predict_batch = tf.function(
            lambda images: model(images, training=False), reduce_retracing=True, autograph=False
        )
        without_warning(self._predict_batch)

    def fit(
        self,
        train: Examples,
        training: Training,
        *,
        seed: int,
        validation: Examples | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoints: CheckpointStore | None = None,
        initial_epoch: int = 0,
    ) -> keras.callbacks.History:
        """Trains the model and returns its History, as `Model.fit` does.

        Callbacks see the same calls as in `fit` with `steps_per_execution`: the
        batch calls come once per compiled stretch, with the index of its first
        and of its last step. With `training.ema` the moving averages of the
        weights are what is validated, what callbacks see at the end of an epoch
        and what remains in the end.

        With `checkpoints`, a training that was killed goes on where its last
        checkpoint is and ends with the very bits of an uninterrupted one (on
        one CPU): a step depends on the state and on (seed, epoch, step) only.
        `on_epoch_begin` of the epoch it goes on in is called once more, before the
        state is put back, which undoes what the call changed.

        Args:
            train: The examples to fit on.
            training: Uses epochs, batch_size, the augmentation, class_weight and
                patience; the rest is in the compiled model.
            seed: Decides the order of the images and their augmentation, >= 0.
            validation: Scored after every epoch as `val_...`; None or empty for none.
            callbacks: Keras callbacks. Their state goes into the checkpoints
                (kerasdl/training/state.py says how).
            checkpoints: Where the training is saved on its way; None for nowhere.
            initial_epoch: The 0-based epoch to begin with, for a model and optimizer that have
                come so far; a checkpoint goes before.

        Returns:
            The History; `self.train_seconds` has the wall time without validation
            and checkpoints, of all the starts together.

        Raises:
            ValueError: If `train` is empty, or `patience` lacks validation images.
            FloatingPointError: If the loss becomes NaN or infinite.
            OSError: If a checkpoint cannot be written; the earlier one is intact.
        """
        epochs = training.num_epochs(len(train))
        run_steps, steps = compile_steps(self.model, self.strategy, train, training, seed)
        container = keras.callbacks.CallbackList(
            [*early_stopping(training, validation), *callbacks],
            add_history=True,
            model=self.model,
            epochs=epochs,
            steps=steps,
            verbose=0,
        )
        self.model.stop_training = False
        self.train_seconds = 0.0
        container.on_train_begin()
        epoch, first, logs = self._resume(checkpoints, container) or (initial_epoch, 0, {})
        stretch, traced = 1, False
        while epoch < epochs and not self.model.stop_training:
            order = order_of(train, seed, epoch)
            if not first:
                container.on_epoch_begin(epoch)
                self.model.reset_metrics()
            while first < steps and not self.model.stop_training:
                last = min(first + stretch, steps)
                started = time.perf_counter()
                container.on_train_batch_begin(first)
                before = time.perf_counter()
                # Kernels matter while the function is traced, so at its first call.
                with self.strategy.scope(), fused_kernels(self.model):
                    logs = _to_floats(run_steps(order, epoch, first, last))
                took = time.perf_counter() - before
                check_loss(self.model, logs["loss"], epoch, last)
                container.on_train_batch_end(last - 1, logs)
                self.train_seconds += time.perf_counter() - started
                # The first call traces and tells nothing of a step's time.
                wanted = round((last - first) * self._seconds_per_call / took) if traced else 1
                traced, first = True, last
                # Several workers must make the same calls, whatever their clocks say.
                stretch, save, stop = agree(
                    self.strategy,
                    (max(1, wanted), _is_due(checkpoints), int(self.model.stop_training)),
                )
                self.model.stop_training = bool(stop)
                # Stopped here, the epoch ends at once, and is saved when that is done.
                if save and first < steps and not stop:
                    self._save(checkpoints, container, epoch, first, logs)
            # The losses were taken before their steps: the last step shows only here.
            check_weights(self.model, epoch)
            with self._averaged():
                if validation is not None and len(validation):
                    scores = self._scores(validation)
                    logs = {**logs, **{f"val_{name}": value for name, value in scores.items()}}
                container.on_epoch_end(epoch, logs)
            epoch, first = epoch + 1, 0
            # The chief may have callbacks of its own, which stop the training for all.
            save, stop = agree(self.strategy, (_is_due(checkpoints), int(self.model.stop_training)))
            self.model.stop_training = bool(stop)
            if save:
                self._save(checkpoints, container, epoch, first, logs)
        # Keras's optimizers keep moving averages (use_ema) apart until the end.
        with self.strategy.scope():
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        container.on_train_end(logs)
        return self.model.history

    def _resume(
        self, checkpoints: CheckpointStore | None, container: keras.callbacks.CallbackList
    ) -> tuple[int, int, dict[str, float]] | None:
        """Puts the last checkpoint back; returns the epoch and step to go on with, and the logs."""
        found = None if checkpoints is None else self._latest(checkpoints)
        if found is None:
            return None
        if found.step:
            container.on_epoch_begin(found.epoch)
        with self.strategy.scope():
            state.put(self.model, container.callbacks, found.arrays, found.state["training"])
        self.train_seconds = found.state["train_seconds"]
        return found.epoch, found.step, found.state["logs"]

    def _latest(self, checkpoints: CheckpointStore) -> Checkpoint | None:
        """Returns the last checkpoint, the same on every worker.

        Raises:
            ValueError: If a worker sees another one than the chief.
        """
        workers = workers_of(self.strategy)
        # The chief first: it sets aside what cannot be used.
        found = checkpoints.latest() if workers.is_chief else None
        workers.share(None)
        found = found if workers.is_chief else checkpoints.latest()
        places = workers.gather(None if found is None else [found.epoch, found.step])
        for rank, place in enumerate(places):
            if place != places[0]:
                raise ValueError(
                    f"{workers.cluster.name(rank)} must see the checkpoints of "
                    f"{workers.cluster.name(0)}: --out is a folder that all workers share. "
                    f"Received in {checkpoints.folder}, as [finished epochs, steps]: "
                    f"{place or 'no checkpoint'} there, {places[0] or 'no checkpoint'} here"
                )
        return found

    def _scores(self, validation: Examples) -> dict[str, float]:
        """Returns `evaluate` of the validation examples, by the chief for all workers."""
        workers = workers_of(self.strategy)
        scores: dict[str, float] = workers.share(
            self.evaluate(validation) if workers.is_chief else None
        )
        return scores

    def _save(
        self,
        checkpoints: CheckpointStore | None,
        container: keras.callbacks.CallbackList,
        epoch: int,
        step: int,
        logs: dict[str, float],
    ) -> None:
        if checkpoints is None:
            return
        arrays, training = state.take(self.model, container.callbacks)
        rest = {"training": training, "train_seconds": self.train_seconds, "logs": logs}
        checkpoints.save(Checkpoint(epoch, step, arrays, rest))

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Gives the model the moving averages of its weights inside the block, if it has any."""
        optimizer = self.model.optimizer
        # Under mixed_float16 Keras wraps the optimizer in one that scales the loss.
        if not getattr(optimizer, "inner_optimizer", optimizer).use_ema:
            yield
            return
        weights = self.model.trainable_variables
        raw = [weight.numpy() for weight in weights]
        with self.strategy.scope():
            optimizer.finalize_variable_values(weights)
        try:
            yield
        finally:
            with self.strategy.scope():
                for weight, value in zip(weights, raw, strict=True):
                    weight.assign(value)

    def predict(self, images: npt.NDArray[np.uint8], batch_size: int = 500) -> Any:
        """Returns the model's outputs for `images`.

        Args:
            images: uint8 array (n, h, w, c).
            batch_size: Images at a time; does not change the result.

        Returns:
            float32 array (n, num_classes), as the model gives them (logits).
        """
        parts = [
            self._predict_batch(images[first : first + batch_size]).numpy()
            for first in range(0, len(images), batch_size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.model.output_shape[-1]))

    def evaluate(self, examples: Examples) -> dict[str, float]:
        """Returns `loss` (cross-entropy in nats, unsmoothed) and `accuracy` (0..1)."""
        score = metrics.score(examples.labels, self.predict(examples.images))
        return {"loss": score.loss, "accuracy": score.accuracy}


def _is_due(checkpoints: CheckpointStore | None) -> int:
    return int(checkpoints is not None and checkpoints.is_due())


def _to_floats(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}
