"""What a training of a search is given, and what it leaves."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.training.settings import Training

Say = Callable[[str], None]
MakeCallbacks = Callable[[str, int], list[keras.callbacks.Callback]]
"""From what is trained, in words, and the batch size to Keras callbacks, e.g. a progress bar."""


class Rows(NamedTuple):
    """Examples of any shape and number format; what `datasets.dataset.Examples` is for images.

    Args:
        images: Array (n, ...), what the models take.
        labels: int32 array (n,).
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.images)


class Job(NamedTuple):
    """A model to train.

    Args:
        name: Of the trial and seed, for messages.
        model: Built and compiled.
        training: Epochs, batch size, patience and augmentation.
        seed: Of its dropout; trained alone, of the order of the examples, too.
        initial_epoch: The 0-based epoch to begin with, see `Packed.fit`.
        trial_id: KerasTuner's.
        hp: The trial's HyperParameters, for a `fit` that asks for more.
    """

    name: str
    model: keras.Model
    training: Training
    seed: int
    initial_epoch: int = 0
    trial_id: str = ""
    hp: Any = None


class Trained(NamedTuple):
    """What a training left, besides the model's weights and optimizer.

    Args:
        history: Lists by name, one number an epoch.
        epoch: Which of these epochs the weights are of, counted from 0.
        right: Which validation images it answers rightly, bool (n,); (0,) where nobody can say.
        error: Why it failed, or None.
        seconds: Wall time, or the share of it where several were trained together.
        packed: How many were trained together.
    """

    history: dict[str, list[float]]
    epoch: int
    right: npt.NDArray[np.bool_]
    error: str | None
    seconds: float
    packed: int


@contextlib.contextmanager
def closing(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Closes callbacks that can be closed, a progress bar, also after an error."""
    try:
        yield
    finally:
        for callback in callbacks:
            if hasattr(callback, "close"):
                callback.close()
