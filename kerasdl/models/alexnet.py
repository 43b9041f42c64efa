"""AlexNet, the network that won ImageNet 2012, in a 32x32 form.

Source: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", NeurIPS 2012, sections 3 and 4, figure 2.

Kept: five convolutions of 96, 256, 384, 384 and 256 filters, overlapping 3x3 pooling with stride 2
after the first, the second and the fifth, two dense layers of 4096 with dropout 0.5, ReLU.

What differs from the paper:

- The first convolution is 5x5 with stride 1. The paper's 11x11 with stride 4 takes a 224x224 image
  to 55x55; it would take a 32x32 image to 7x7 at once. The maps are then 32, 15, 7 and 3 wide
  (the paper's: 55, 27, 13, 6).
- One tower: the paper splits convolutions 2, 4 and 5 into two groups, because two GPUs of 3 GB
  shared the work.
- No local response normalisation (section 3.3): VGG (Simonyan and Zisserman 2015, section 2.3)
  finds that it does not help.
- He's initialisation and zero biases; the paper's normal distribution with a standard deviation of
  0.01 and biases of 1 was tuned for ImageNet.

No published figure of parameters is for this form; with 3 channels and 10 classes it has
29 983 114, of which the dense layers hold 26 263 562.
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import blocks


def alexnet(input_shape: Sequence[int], num_classes: int, *, dropout: float = 0.5) -> keras.Model:
    """Build AlexNet in its 32x32 form.

    Args:
        input_shape: (height, width, channels) of the raw images. Sides of 28 to 31 pixels get a
            black frame; any other size is resized to 32x32.
        num_classes: number of classes, at least 2.
        dropout: fraction of the outputs of each hidden dense layer set to zero in training,
            0 <= dropout < 1 (section 4.2).

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible.
    """
    blocks.check_fraction("dropout", dropout)

    def convolve(x: keras.KerasTensor, filters: int, size: int, name: str) -> keras.KerasTensor:
        x = blocks.convolution(x, filters, size, use_bias=True, name=name)
        return layers.ReLU(name=f"{name}_relu")(x)

    inputs, x = blocks.image_input(input_shape, num_classes, exact=32)
    x = convolve(x, 96, 5, "conv1")
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = convolve(x, 256, 5, "conv2")
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = convolve(x, 384, 3, "conv3")
    x = convolve(x, 384, 3, "conv4")
    x = convolve(x, 256, 3, "conv5")
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(4096, activation="relu", kernel_initializer="he_normal", name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name="alexnet")
