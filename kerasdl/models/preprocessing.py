"""What each pre-trained architecture expects of its pixels, as layers with constants.

Weights are worth nothing behind another preprocessing than theirs: VGG and the first ResNets were
trained on BGR channels of 0..255 less their means, the others on RGB channels scaled in one of
three ways. `keras.applications` leaves that to the user (`preprocess_input`) or has it in the
model; here it is always in the model, in front of the base, and equals Keras's to the last bit.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

# keras/src/applications/imagenet_utils.py, in the order of the channels: RGB, and BGR for "caffe".
MEAN_BGR = (103.939, 116.779, 123.68)
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
NONE = (0.0, 0.0, 0.0)

KINDS = ("caffe", "tf", "torch", "efficientnet", "convnext")


def preprocessed(x: keras.KerasTensor, kind: str) -> keras.KerasTensor:
    """Apply the preprocessing that a base was trained behind.

    Args:
        x: (n, height, width, 3) RGB pixels 0..255, float32.
        kind: one of `KINDS`. "caffe": BGR, less the channels' means. "tf": to [-1, 1]. "torch",
            "efficientnet" and "convnext": to [0, 1], less the channels' means, divided by their
            deviations, each rounded as its architecture in Keras does.

    Returns:
        (n, height, width, 3), float32 under every dtype policy: bfloat16 keeps 8 bits, too few
        for a pixel less a mean.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "caffe":
        return _shifted(keras.ops.flip(x, axis=-1), MEAN_BGR)
    if kind == "tf":
        return _shifted(_divided(x, 127.5), (1.0, 1.0, 1.0))
    if kind == "torch":
        # Squared after the rounding to float32, or the layer's root is another float32.
        squares = [float(np.float32(value)) ** 2 for value in DEVIATION]
        return _normalized(_shifted(_divided(x, 255.0), MEAN), NONE, squares, "deviations")
    if kind == "efficientnet":
        # ImageNet's deviations stand in Keras's weights in the variances' place; a second scaling
        # by the root makes up for it: github.com/tensorflow/tensorflow/issues/49930.
        x = layers.Rescaling(1 / 255, dtype="float32", name="rescale")(x)
        x = _normalized(x, MEAN, DEVIATION, "normalize")
        scales = [1 / deviation**0.5 for deviation in DEVIATION]
        return layers.Rescaling(scales, dtype="float32", name="deviations")(x)
    if kind == "convnext":
        means = [mean * 255 for mean in MEAN]
        return _normalized(x, means, [(value * 255) ** 2 for value in DEVIATION], "normalize")
    raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: {kind!r}.")


def _divided(x: keras.KerasTensor, divisor: float) -> keras.KerasTensor:
    # A division and not a Rescaling: the product with 1 / 127.5 is another number in its last bit.
    return _normalized(x, NONE, (divisor**2,) * 3, "divide")


def _shifted(x: keras.KerasTensor, means: Sequence[float]) -> keras.KerasTensor:
    offsets = [-mean for mean in means]
    return layers.Rescaling(1.0, offset=offsets, dtype="float32", name="center")(x)


def _normalized(
    x: keras.KerasTensor, means: Sequence[float], variances: Sequence[float], name: str
) -> keras.KerasTensor:
    return layers.Normalization(
        mean=list(means), variance=list(variances), dtype="float32", name=name
    )(x)
