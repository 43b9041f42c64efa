"""VGG16, thirteen 3x3 convolutions in a row of stages, in its CIFAR form.

Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015, table 1, column D; BatchNorm after each convolution as in Ioffe, Szegedy, "Batch
Normalization", ICML 2015.

What differs from the paper:

- The five max-poolings take a 32x32 image to 1x1, so that one dense layer of 512 inputs is left of
  the paper's three (25088-4096-4096-1000), and with them goes their dropout.
- BatchNorm, without which a 16-layer network needs the paper's detour over a trained 11-layer one.

This is VGG16 of github.com/kuangliu/pytorch-cifar, whose 14 728 266 parameters it has with 3
channels and 10 classes.
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import blocks

# (convolutions, filters) of each stage; a max-pooling ends it.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vgg16(
    input_shape: Sequence[int], num_classes: int, *, batch_normalization: bool = True
) -> keras.Model:
    """Build VGG16 in its CIFAR form.

    Args:
        input_shape: (height, width, channels) of the raw images. The five poolings need 32 pixels:
            sides of 28 to 31 get a black frame, smaller ones are resized. A larger image ends in
            more than one pixel, over which the average is taken.
        num_classes: number of classes, at least 2.
        batch_normalization: whether a BatchNorm follows each convolution.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape or a number of classes that is not possible.
    """
    inputs, x = blocks.image_input(input_shape, num_classes, minimum=32)
    for stage, (convolutions, filters) in enumerate(STAGES, start=1):
        for index in range(1, convolutions + 1):
            name = f"conv{stage}_{index}"
            # The bias does nothing before a BatchNorm; the published form has it.
            x = blocks.convolution(x, filters, 3, use_bias=True, name=name)
            if batch_normalization:
                x = blocks.batch_norm(x, name=f"{name}_bn")
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name="vgg16")
