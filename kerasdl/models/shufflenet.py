"""ShuffleNet V2, a network for little arithmetic and little memory traffic, in its CIFAR form.

Source: Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture
Design", ECCV 2018, figure 3 (c, d) and table 5.

What differs from the paper: the stem is a 3x3 convolution with stride 1, without the max-pooling
that follows the paper's (stride 2 each, for 224x224 images). The three stages then work on 16, 8
and 4 pixels of a 32x32 image. This is ShuffleNetV2 of github.com/kuangliu/pytorch-cifar, whose
1 263 854 parameters it has at width 1 with 3 channels and 10 classes.
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import blocks

# Channels of the three stages and of the last convolution, table 5 of the paper.
CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
UNITS = (4, 8, 4)


def shufflenet_v2(
    input_shape: Sequence[int], num_classes: int, *, width: float = 1.0
) -> keras.Model:
    """Build ShuffleNet V2 in its CIFAR form.

    Args:
        input_shape: (height, width, channels) of the raw images, of any size.
        num_classes: number of classes, at least 2.
        width: the paper's size of the network: 0.5, 1, 1.5 or 2.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape, a number of classes or a width that is not possible.
    """
    if isinstance(width, bool) or width not in CHANNELS:
        raise ValueError(
            f"`width` must be one of {', '.join(map(str, CHANNELS))}. Received: {width!r}."
        )
    *stages, last = CHANNELS[width]
    inputs, x = blocks.image_input(input_shape, num_classes)
    x = blocks.convolution_bn(x, 24, 3, name="stem")
    for stage, (channels, units) in enumerate(zip(stages, UNITS, strict=True), start=2):
        x = _downsampling_unit(x, channels // 2, f"stage{stage}_unit1")
        for index in range(2, units + 1):
            x = _basic_unit(x, channels // 2, f"stage{stage}_unit{index}")
    x = blocks.convolution_bn(x, last, 1, name="conv5")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name="shufflenet_v2")


def _basic_unit(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """Figure 3 (c): half of the channels pass untouched, the other half is convolved."""
    left, right = keras.ops.split(x, 2, axis=-1)
    right = _convolved_branch(right, channels, 1, f"{name}_right")
    return _shuffled(left, right, name)


def _downsampling_unit(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """Figure 3 (d): both branches see all channels and halve the sides."""
    left = blocks.depthwise_convolution(x, strides=2, name=f"{name}_left_depthwise")
    left = blocks.batch_norm(left, name=f"{name}_left_depthwise_bn")
    left = blocks.convolution_bn(left, channels, 1, name=f"{name}_left_conv")
    right = _convolved_branch(x, channels, 2, f"{name}_right")
    return _shuffled(left, right, name)


def _convolved_branch(
    x: keras.KerasTensor, channels: int, strides: int, name: str
) -> keras.KerasTensor:
    """1x1, depthwise 3x3 (no ReLU after it) and 1x1 convolutions."""
    x = blocks.convolution_bn(x, channels, 1, name=f"{name}_conv1")
    x = blocks.depthwise_convolution(x, strides=strides, name=f"{name}_depthwise")
    x = blocks.batch_norm(x, name=f"{name}_depthwise_bn")
    return blocks.convolution_bn(x, channels, 1, name=f"{name}_conv2")


def _shuffled(left: keras.KerasTensor, right: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Concatenate two branches of equal width and shuffle the channels between two groups.

    Shuffling is reading a (2, channels) table by columns, so the first channel of the left branch
    comes first, then the first of the right one, and so on: stacking the branches on a new last
    axis writes them in that order at once, without a transposition.
    """
    height, width, channels = left.shape[1:]
    x = keras.ops.stack([left, right], axis=-1)
    return layers.Reshape((height, width, 2 * channels), name=f"{name}_shuffle")(x)
