"""What ends a training early, whatever the engine: diverging numbers, patience, a first look."""

from typing import Any

import keras
import numpy as np

from kerasdl.datasets.dataset import Examples
from kerasdl.training.settings import Training

_ADVICE = "Try a lower --learning-rate or --precision float32"


def check_loss(model: keras.Model, loss: float, epoch: int, step: int) -> None:
    """Raises FloatingPointError if `loss` is NaN or infinite.

    Args:
        model: The model, for its name.
        loss: The mean loss of the epoch so far.
        epoch: 0-based epoch.
        step: Number of steps of the epoch that are done.
    """
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"the loss of {model.name} became {loss} in epoch {epoch + 1} by step {step}. {_ADVICE}"
        )


def check_weights(model: keras.Model, epoch: int) -> None:
    """Raises FloatingPointError if a trainable weight is NaN or infinite.

    Args:
        model: The model.
        epoch: 0-based epoch.
    """
    values = (keras.ops.convert_to_numpy(one.value) for one in model.trainable_variables)
    if not all(np.isfinite(value).all() for value in values):
        raise FloatingPointError(
            f"the weights of {model.name} became nan or infinite in epoch {epoch + 1}. {_ADVICE}"
        )


def early_stopping(
    training: Training, validation: Examples | None
) -> list[keras.callbacks.EarlyStopping]:
    """Returns the callback for `training.patience`, if it asks for one.

    Args:
        training: Uses patience.
        validation: The examples whose loss decides.

    Raises:
        ValueError: If there is patience and nothing to validate on.
    """
    if not training.patience:
        return []
    if validation is None or not len(validation):
        raise ValueError(
            f"patience {training.patience} needs validation images to stop by. Received: none; "
            "use a --validation-fraction above 0"
        )
    return [keras.callbacks.EarlyStopping(patience=training.patience, restore_best_weights=True)]


class StopAfter(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training after its first epochs, in the middle of its learning-rate schedule.

    Args:
        epochs: How many, >= 1.

    Raises:
        ValueError: If `epochs` is below 1.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        if epochs < 1:
            raise ValueError(f"expected epochs >= 1. Received: {epochs}")
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Asks the training to stop when this was the last wanted epoch."""
        if epoch + 1 >= self.epochs:
            self.model.stop_training = True
