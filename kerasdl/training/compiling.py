"""From training settings to a compiled Keras model."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from kerasdl.training.discriminative import scaled
from kerasdl.training.schedules import WarmupDecay
from kerasdl.training.settings import OptimizerName, Training

OPTIMIZERS: dict[OptimizerName, Any] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "lion": keras.optimizers.Lion,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adamax": keras.optimizers.Adamax,
    "adafactor": keras.optimizers.Adafactor,
    "ftrl": keras.optimizers.Ftrl,
    "lamb": keras.optimizers.Lamb,
    "muon": keras.optimizers.Muon,
    "schedulefreeadamw": keras.optimizers.ScheduleFreeAdamW,
}
"""Keras's optimizers by their names in `Training`; all but the rates and decay are Keras's own."""


def make_optimizer(
    training: Training, steps: int, scales: Sequence[float] = ()
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of `training`.

    Args:
        training: The settings.
        steps: Steps of the run in all, >= 1.
        scales: Factors of the learning rate, one for each trainable variable; none for 1.
    """
    rate: float | WarmupDecay = training.learning_rate
    if training.schedule != "constant":
        rate = WarmupDecay(training.learning_rate, steps, training.warmup, training.schedule)
    kind = OPTIMIZERS[training.optimizer]
    decay = training.weight_decay
    options: dict[str, Any] = {"weight_decay": decay or None}
    if training.ema:
        options |= {"use_ema": True, "ema_momentum": training.ema}
    if training.optimizer == "sgd":
        options |= {"momentum": training.momentum, "nesterov": training.momentum > 0}
    # These have a default decay of their own; 0 must mean none.
    if training.optimizer == "adamw":
        options["weight_decay"] = decay
    elif training.optimizer == "muon":
        options |= {"weight_decay": decay, "adam_weight_decay": decay}
    if scales:
        kind, options["scales"] = scaled(kind), scales
    optimizer = kind(rate, **options)
    if decay:
        # A pull to 0 makes sense for kernels only: not for offsets or normalisation scales.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


class SmoothedCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of integer labels and logits with label smoothing, in nats.

    Keras's sparse cross-entropy has no smoothing. The target of class y is
    1 - s + s/k for y and s/k for the others (Szegedy et al. 2016, CVPR,
    "Rethinking the Inception Architecture", section 7).

    Args:
        smoothing: s, in [0, 1).
    """

    def __init__(self, smoothing: float, name: str = "smoothed_crossentropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each example.

        Args:
            y_true: int labels (n,) or (n, 1).
            y_pred: float logits (n, k).
        """
        log_p = keras.ops.log_softmax(y_pred)
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1, 1)), "int32")
        of_label = keras.ops.squeeze(keras.ops.take_along_axis(log_p, labels, axis=1), 1)
        uniform = keras.ops.mean(log_p, axis=1)
        return -(1.0 - self.smoothing) * of_label - self.smoothing * uniform

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the model."""
        return {**super().get_config(), "smoothing": self.smoothing}


keras.saving.register_keras_serializable("kerasdl")(SmoothedCrossentropy)


def class_loss(loss: Any) -> Any:
    """Returns the loss of a compiled classifier as an object; None for any other loss.

    Args:
        loss: As a model was compiled with it: a name, a function or an object.

    Returns:
        A SparseCategoricalCrossentropy, a SmoothedCrossentropy (both of class numbers) or a
        CategoricalCrossentropy (of one-hot rows).
    """
    sparse, dense = (
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.CategoricalCrossentropy,
    )
    names = {
        "sparse_categorical_crossentropy": sparse,
        "SparseCategoricalCrossentropy": sparse,
        keras.losses.sparse_categorical_crossentropy: sparse,
        "categorical_crossentropy": dense,
        "CategoricalCrossentropy": dense,
        keras.losses.categorical_crossentropy: dense,
    }
    if isinstance(loss, str) or inspect.isfunction(loss):
        return names[loss]() if loss in names else None
    return loss if type(loss) in (sparse, dense, SmoothedCrossentropy) else None


def compile_model(
    model: keras.Model,
    training: Training,
    num_examples: int,
    scales: Sequence[float] = (),
    optimizer: keras.optimizers.Optimizer | None = None,
    smoothing: float | None = None,
) -> None:
    """Compiles `model`, whose outputs are logits, for a training on `num_examples` images.

    Args:
        model: A model with one output (n, num_classes) of logits.
        training: The settings; the schedule ends with the last step of `epochs`.
        num_examples: Number of training images, which decides the steps.
        scales: As for `make_optimizer`.
        optimizer: One that the model brought along; None to make the settings' own.
        smoothing: The label smoothing that the model brought along; None for the settings'.
    """
    steps = training.num_epochs(num_examples) * -(-num_examples // training.batch_size)
    if share := training.label_smoothing if smoothing is None else smoothing:
        loss: keras.losses.Loss = SmoothedCrossentropy(share)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # XLA on the CPU makes TensorFlow's convolutions 5-10 times slower; JAX has nothing else.
    jit = keras.backend.backend() != "tensorflow"
    optimizer = optimizer or make_optimizer(training, steps, scales)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
