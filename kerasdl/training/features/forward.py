"""The forward pass of a frozen network over many images, as fast as this machine has it."""

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.training.features import entry
from kerasdl.training.features.folding import folded, nodes

ACTIVATIONS = 32 * 1024 * 1024
"""Bytes that the largest layer's output of one batch should take."""

SMALLEST_BATCH, LARGEST_BATCH = 8, 128


class Forward:
    """A frozen network as a function of blocks of images.

    Args:
        model: From (n, h, w, c) pixels to (n, d); with the weights that it has now.
    """

    def __init__(self, model: keras.Model) -> None:
        self.batch_size = batch_size(model)
        """So many images go through at a time."""
        self._model = folded(model)
        self._call = self._on_tensorflow() if keras.backend.backend() == "tensorflow" else None

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Returns what the network makes of at most `batch_size` images.

        Args:
            images: uint8 array (m, h, w, c).

        Returns:
            Array (m, d) of the network's own dtype.
        """
        count = len(images)
        if count < self.batch_size:
            # Tracing for another size would take longer than the images that are made up.
            images = np.concatenate(
                [images, np.zeros((self.batch_size - count, *images.shape[1:]), np.uint8)]
            )
        if self._call is None:
            found = self._model.predict_on_batch(images)
        else:
            found = self._call(images).numpy()
        return np.asarray(found)[:count]

    def _on_tensorflow(self) -> Any:
        import tensorflow as tf

        model = self._model
        return tf.function(lambda images: model(images, training=False), autograph=False)


def batch_size(model: keras.Model) -> int:
    """Returns how many images of a network should be computed at a time, a power of two.

    Args:
        model: A functional or Sequential model; models inside it count.
    """
    tensors = [tensor for node in nodes(model) for tensor in node.output_tensors]
    largest = max(
        math.prod(tensor.shape[1:]) * entry.dtype_of(tensor.dtype).itemsize for tensor in tensors
    )
    size = max(SMALLEST_BATCH, min(LARGEST_BATCH, ACTIVATIONS // largest))
    return int(2 ** math.floor(math.log2(size)))
