"""Stopping a training before its last epoch."""

from typing import Any

import keras


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
