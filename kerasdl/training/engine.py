"""The training engine: whole stretches of an epoch as one compiled call.

The images rest on the device as uint8. One `tf.function` runs many steps, each
gathering its batch, augmenting it and calling Keras's own `model.train_step`
through `strategy.run`; Python is entered a few times a second only, for
callbacks, progress and Ctrl-C. `Model.fit` enters it at every step, which for
a small model takes longer than the model (benchmarks/engine.py).
"""

import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.evaluation import metrics
from kerasdl.training.kernels import fused_kernels
from kerasdl.training.order import epoch_order
from kerasdl.training.settings import Training
from kerasdl.training.steps import compile_steps

SECONDS_PER_CALL = 0.3
"""How long one compiled call should take: long against Python's share, short for Ctrl-C."""


class Engine:
    """Trains, evaluates and predicts with one compiled Keras model.

    Args:
        model: A compiled model (built inside `strategy.scope()`) that takes
            images as they are stored and gives logits.
        strategy: A `tf.distribute.Strategy`; None for the current one.
    """

    def __init__(self, model: keras.Model, strategy: Any = None) -> None:
        import tensorflow as tf

        self.model = model
        self.strategy = strategy or tf.distribute.get_strategy()
        self.train_seconds = 0.0
        self._predict_batch = tf.function(
            lambda images: model(images, training=False), reduce_retracing=True
        )

    def fit(
        self,
        train: Examples,
        training: Training,
        *,
        seed: int,
        validation: Examples | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> keras.callbacks.History:
        """Trains the model and returns its History, as `Model.fit` does.

        Callbacks see the same calls as in `fit` with `steps_per_execution`: the
        batch calls come once per compiled stretch, with the index of its first
        and of its last step.

        Args:
            train: The examples to fit on.
            training: Uses epochs, batch_size and the augmentation; the rest is
                in the compiled model.
            seed: Decides the order of the images and their augmentation, >= 0.
            validation: Scored after every epoch as `val_...`; None or empty for none.
            callbacks: Keras callbacks.

        Returns:
            The History; `self.train_seconds` has the wall time without validation.

        Raises:
            ValueError: If `train` is empty.
            FloatingPointError: If the loss becomes NaN or infinite.
        """
        epochs = training.num_epochs(len(train))
        run_steps, steps = compile_steps(self.model, self.strategy, train, training, seed)
        container = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            model=self.model,
            epochs=epochs,
            steps=steps,
            verbose=0,
        )
        self.model.stop_training = False
        self.train_seconds = 0.0
        container.on_train_begin()
        stretch = 1
        for epoch in range(epochs):
            container.on_epoch_begin(epoch)
            started = time.perf_counter()
            order = epoch_order(len(train), seed, epoch)
            self.model.reset_metrics()
            logs: dict[str, float] = {}
            first = 0
            while first < steps:
                last = min(first + stretch, steps)
                container.on_train_batch_begin(first)
                before = time.perf_counter()
                # Kernels matter while the function is traced, so at its first call.
                with self.strategy.scope(), fused_kernels(self.model):
                    logs = _to_floats(run_steps(order, epoch, first, last))
                took = time.perf_counter() - before
                self._check_finite(logs["loss"], epoch, last)
                container.on_train_batch_end(last - 1, logs)
                # The first call traces and tells nothing of a step's time.
                if epoch or first:
                    stretch = max(1, round((last - first) * SECONDS_PER_CALL / took))
                first = last
                if self.model.stop_training:
                    break
            self.train_seconds += time.perf_counter() - started
            # The losses were taken before their steps: the last step shows only here.
            self._check_weights(epoch)
            if validation is not None and len(validation):
                scores = self.evaluate(validation)
                logs = {**logs, **{f"val_{name}": value for name, value in scores.items()}}
            container.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                break
        # Keras's optimizers keep moving averages (use_ema) apart until the end.
        with self.strategy.scope():
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        container.on_train_end(logs)
        return self.model.history

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

    def _check_weights(self, epoch: int) -> None:
        if not all(np.isfinite(weight.numpy()).all() for weight in self.model.trainable_variables):
            raise FloatingPointError(
                f"the weights of {self.model.name} became nan or infinite in epoch {epoch + 1}. "
                "Try a lower --learning-rate or --precision float32"
            )

    def _check_finite(self, loss: float, epoch: int, step: int) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss of {self.model.name} became {loss} in epoch {epoch + 1} by step {step}. "
                "Try a lower --learning-rate or --precision float32"
            )


def _to_floats(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}
