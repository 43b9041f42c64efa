"""LeNet-5, the convolutional network that read bank cheques.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998, section II.B and figure 2.

What differs from the paper, as in nearly all LeNets of today:

- S2 and S4 take the maximum (or, as a setting, the plain average) of 2x2 pixels. The paper's
  subsampling multiplies the sum by a learned coefficient, adds a bias and applies a sigmoid.
- C3 sees all 6 maps; the paper's table I connects each of its maps with 3, 4 or 6 of them.
- ReLU (or, as a setting, tanh) in place of 1.7159 tanh(2x/3).
- The output layer is linear, trained with cross-entropy; the paper's has radial basis functions
  with fixed centres.
- Any number of input channels; the paper has one.

So it has 61 706 parameters with one channel and 62 006 with three, and the paper's about 60 000.
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import blocks


def lenet5(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    activation: str = "relu",
    pooling: str = "max",
) -> keras.Model:
    """Build LeNet-5 in its 32x32 form.

    Args:
        input_shape: (height, width, channels) of the raw images. 28x28 gets a black frame, as in
            the paper; any other size is resized to 32x32.
        num_classes: number of classes, at least 2.
        activation: "relu" or "tanh" (the paper's, but for its scale).
        pooling: "max" or "average" (nearer to the paper's subsampling).

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible.
    """
    if activation not in ("relu", "tanh"):
        raise ValueError(f"`activation` must be 'relu' or 'tanh'. Received: {activation!r}.")
    if pooling not in ("max", "average"):
        raise ValueError(f"`pooling` must be 'max' or 'average'. Received: {pooling!r}.")
    # He's rule makes up for the half that a ReLU cuts off; tanh cuts off nothing.
    initializer = "he_normal" if activation == "relu" else "glorot_uniform"
    pool = layers.MaxPooling2D if pooling == "max" else layers.AveragePooling2D

    def convolve(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
        return layers.Conv2D(
            filters, 5, activation=activation, kernel_initializer=initializer, name=name
        )(x)

    def connect(x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
        return layers.Dense(
            units, activation=activation, kernel_initializer=initializer, name=name
        )(x)

    # The names are the paper's.
    inputs, x = blocks.image_input(input_shape, num_classes, exact=32)
    x = convolve(x, 6, "c1")
    x = pool(2, name="s2")(x)
    x = convolve(x, 16, "c3")
    x = pool(2, name="s4")(x)
    # C5 is a convolution over all of S4's 5x5 pixels, which is a dense layer.
    x = layers.Flatten(name="flatten")(x)
    x = connect(x, 120, "c5")
    x = connect(x, 84, "f6")
    return keras.Model(inputs, blocks.logits(x, num_classes), name="lenet5")
