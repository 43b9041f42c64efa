"""A small convolutional network as a Sequential model: the first one of most courses.

Convolution and pooling twice, then a hidden layer. After LeCun et al. 1998 (see lenet.py), with
3x3 kernels, ReLU and dropout (Srivastava et al. 2014, JMLR 15).
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import blocks


def cnn(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    filters: Sequence[int] = (32, 64),
    dense: int = 128,
    dropout: float = 0.25,
) -> keras.Sequential:
    """Build the network.

    Args:
        input_shape: (height, width, channels) of the raw images; each convolution halves height
            and width.
        num_classes: number of classes, at least 2.
        filters: output channels of each convolution, from the input on.
        dense: neurons of the hidden layer, at least 1.
        dropout: share of the features dropped before and after the hidden layer, 0 <= p < 1.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits;
        the pixels are scaled to 0..1.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible.
    """
    shape = blocks.check_shape(input_shape, num_classes)
    blocks.check_fraction("dropout", dropout)
    counts = [*filters, dense] if isinstance(filters, Sequence) else [0]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in counts):
        raise ValueError(
            "`filters` must be a list of positive integers and `dense` one. "
            f"Received: {filters!r} and {dense!r}."
        )
    if min(shape[:2]) < 2 ** len(filters):
        raise ValueError(
            f"{len(filters)} poolings need images of {2 ** len(filters)} pixels a side or more. "
            f"Received: {shape[0]}x{shape[1]}."
        )
    model = keras.Sequential(name="cnn")
    model.add(keras.Input(shape, dtype="float32", name="pixels"))
    model.add(layers.Rescaling(1 / 255, dtype="float32", name="rescale"))
    for number, width in enumerate(filters, start=1):
        model.add(
            layers.Conv2D(
                width,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"conv{number}",
            )
        )
        model.add(layers.MaxPooling2D(name=f"pool{number}"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dropout(dropout, name="drop1"))
    model.add(layers.Dense(dense, activation="relu", kernel_initializer="he_normal", name="hidden"))
    model.add(layers.Dropout(dropout, name="drop2"))
    model.add(layers.Dense(int(num_classes), dtype="float32", name="logits"))
    return model
