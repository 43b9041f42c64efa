"""The front of networks that see an image as one row of numbers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from kerasdl.models import blocks

BRIGHTNESS = 0.2989, 0.5870, 0.1140
"""What red, green and blue contribute to it (Rec. 601, as Keras has it)."""

NORMALIZATIONS = ("unit", "symmetric", "standard")


class Grayscale(layers.Layer):  # type: ignore[misc]
    """Three channels of colour become one of brightness, 0.2989 R + 0.5870 G + 0.1140 B."""

    def call(self, inputs: Any) -> Any:
        """Returns (n, height, width, 1)."""
        return keras.ops.image.rgb_to_grayscale(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape that `call` gives."""
        return (*input_shape[:-1], 1)


# Called rather than used as a decorator: a decorator without types would hide the class's.
keras.saving.register_keras_serializable("kerasdl")(Grayscale)


def flat_input(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    normalize: str = "unit",
    grayscale: bool = False,
    resize: int = 0,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Start a network: raw pixels, perhaps without colour or resized, scaled and flattened.

    Args:
        input_shape: (height, width, channels) of the raw images, each at least 1; 1 or 3
            channels where `grayscale` is asked for.
        num_classes: number of classes, at least 2; checked here, so that every network checks it.
        normalize: "unit" scales to 0..1, "symmetric" to -1..1, "standard" to mean 0 and standard
            deviation 1 by channel, as `kerasdl.models.whitening.adapt` finds them.
        grayscale: three channels become one, 0.2989 R + 0.5870 G + 0.1140 B (Rec. 601).
        resize: height and width to resize to (bilinear, antialiased), in pixels; 0 leaves them.

    Returns:
        The input (n, height, width, channels) with values 0..255, and (n, features) numbers,
        float32 under every dtype policy.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible.
    """
    shape = blocks.check_shape(input_shape, num_classes)
    if isinstance(resize, bool) or not isinstance(resize, int) or resize < 0:
        raise ValueError(f"`resize` must be a side in pixels or 0. Received: {resize!r}.")
    if grayscale and shape[2] not in (1, 3):
        raise ValueError(
            f"`grayscale` needs images of 1 or 3 channels. Received: {shape[2]} channels."
        )
    inputs = keras.Input(shape, dtype="float32", name="pixels")
    x = inputs
    if resize and (resize, resize) != shape[:2]:
        x = layers.Resizing(resize, resize, antialias=True, dtype="float32", name="resize")(x)
    if grayscale and shape[2] == 3:
        x = Grayscale(dtype="float32", name="grayscale")(x)
    if normalize == "standard":
        x = layers.Normalization(axis=-1, dtype="float32", name="standardize")(x)
    elif normalize == "symmetric":
        x = layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="rescale")(x)
    else:
        x = layers.Rescaling(1 / 255, dtype="float32", name="rescale")(x)
    return inputs, layers.Flatten(name="flatten")(x)
