"""Patch whitening: a fixed first convolution that decorrelates small patches."""

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops


@keras.saving.register_keras_serializable("kerasdl")
class PatchWhitening(keras.layers.Layer):  # type: ignore[misc]
    """Projects each k×k patch on the whitened principal axes of such patches, and their negatives.

    Natural images vary mostly in brightness; after this layer every direction
    of a patch has variance 1, so that the next layer sees edges and colours as
    strongly as brightness from its first step. The kernel is set by `adapt`
    from training images, as in `keras.layers.Normalization`, and is not
    trained; before `adapt` it is a plain orthogonal basis of patches.

    Source: Jordan 2024, arXiv:2404.00498, section 3.1 (after Page 2019, "How to
    train your ResNet", part 8).

    Args:
        kernel_size: Side k of a patch in pixels, >= 1.
        epsilon: Added to each eigenvalue (inputs in [-1, 1]), > 0: bounds how
            much directions that hardly occur are amplified.
    """

    def __init__(self, kernel_size: int = 2, epsilon: float = 5e-4, **kwargs: Any) -> None:
        super().__init__(**{"trainable": False, **kwargs})
        self.kernel_size, self.epsilon = kernel_size, epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the kernel (k, k, channels, 2 k k channels)."""
        self.channels = int(input_shape[-1] or 0)
        size = self.kernel_size**2 * self.channels
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, self.channels, 2 * size),
            initializer=lambda shape, dtype=None: ops.cast(
                ops.reshape(np.concatenate([np.eye(size), -np.eye(size)], axis=1), shape), dtype
            ),
            trainable=False,
        )

    def adapt(self, images: npt.NDArray[Any], max_patches: int = 500_000) -> None:
        """Sets the kernel from the patches of images as this layer will see them.

        Args:
            images: Array (n, h, w, channels) of this layer's inputs, n >= 1.
            max_patches: Patches to use at the most, evenly spread; a few
                thousand fix the covariance of 2×2 patches to a per cent.

        Raises:
            ValueError: If the shape of `images` is not the layer's.
        """
        k, channels = self.kernel_size, self.channels
        if images.ndim != 4 or images.shape[-1] != channels or min(images.shape[:3]) < 1:
            raise ValueError(
                f"expected images of shape (n, h, w, {channels}). Received: {images.shape}"
            )
        windows = np.lib.stride_tricks.sliding_window_view(images, (k, k), axis=(1, 2))
        # (n, h', w', c, k, k) -> one row a patch, in the kernel's order (k, k, c). All
        # patches together take k² times the memory of the images: only the chosen are copied.
        places = windows.shape[:3]
        chosen = np.arange(0, math.prod(places), max(1, math.prod(places) // max_patches))
        patches = windows[np.unravel_index(chosen, places)].transpose(0, 2, 3, 1)
        patches = patches.reshape(-1, k * k * channels).astype(np.float64)
        covariance = np.cov(patches, rowvar=False, ddof=0).reshape(2 * (patches.shape[1],))
        values, vectors = np.linalg.eigh(covariance)
        # An eigenvector's sign is arbitrary: fix it, so that every machine has the same kernel.
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
        basis = vectors * np.sign(largest) / np.sqrt(np.maximum(values, 0.0) + self.epsilon)
        kernel = np.concatenate([basis, -basis], axis=1)
        self.kernel.assign(kernel.reshape(self.kernel.shape))

    def call(self, inputs: Any) -> Any:
        """Returns (n, h - k + 1, w - k + 1, 2 k k channels)."""
        kernel = ops.cast(self.kernel, self.compute_dtype)
        return ops.conv(ops.cast(inputs, self.compute_dtype), kernel, padding="valid")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape that `call` gives."""
        n, height, width, channels = input_shape
        shrink = self.kernel_size - 1
        return (
            n,
            None if height is None else height - shrink,
            None if width is None else width - shrink,
            2 * self.kernel_size**2 * int(channels or 0),
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the model."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "epsilon": self.epsilon,
        }


def adapt(model: keras.Model, images: npt.NDArray[np.uint8], max_images: int = 5_000) -> None:
    """Sets every PatchWhitening and Normalization layer of `model` from training images.

    Args:
        model: Any model; without such a layer nothing happens.
        images: uint8 array (n, h, w, c) of raw training images, n >= 1.
        max_images: Images to use at the most, evenly spread over `images`.
    """
    kinds = (PatchWhitening, keras.layers.Normalization)
    layers = [layer for layer in model.layers if isinstance(layer, kinds)]
    some = images[:: max(1, len(images) // max_images)]
    for layer in layers:
        before = keras.Model(model.inputs[0], layer.input)
        # In parts: TensorFlow keeps for itself what its intermediate values once took.
        inputs = np.empty((len(some), *layer.input.shape[1:]), np.float32)
        for first in range(0, len(some), 500):
            part = slice(first, first + 500)
            inputs[part] = keras.ops.convert_to_numpy(before(some[part]))
        layer.adapt(inputs)
