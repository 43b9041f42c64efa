"""Residual networks: ResNet-20 for CIFAR, and ResNet-18, -50 and -101 in a 32x32 form.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016; section 4.2
for ResNet-20, table 1 and figure 5 for the others.

ResNet-20 is the paper's own network for 32x32 images, with its shortcuts of option A: where a stage
begins, the shortcut takes every second pixel and fills the new channels with zeros, without
parameters. It has 269 722 parameters (the paper's table 6: 0.27 M) with 3 channels and 10 classes.

ResNet-18, -50 and -101 are the paper's ImageNet networks with these changes, all of them those of
github.com/kuangliu/pytorch-cifar, whose parameter counts they have:

- The stem is a 3x3 convolution with stride 1 in place of a 7x7 with stride 2 and a max-pooling,
  which would leave 8x8 pixels of a 32x32 image. The four stages then work on 32, 16, 8 and 4.
- The stride of a bottleneck is in its 3x3 convolution; the paper has it in the first 1x1, which
  throws three quarters of the pixels away unread.

Their shortcuts are option B, as in the paper: a 1x1 convolution with BatchNorm where the shape
changes, the identity elsewhere.
"""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from kerasdl.models import blocks

Block = Callable[[keras.KerasTensor, int, int, str], keras.KerasTensor]


def resnet18(input_shape: Sequence[int], num_classes: int) -> keras.Model:
    """Build ResNet-18 in its 32x32 form: four stages of two basic blocks.

    Args:
        input_shape: (height, width, channels) of the raw images, of any size.
        num_classes: number of classes, at least 2.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape or a number of classes that is not possible.
    """
    return _resnet(input_shape, num_classes, "resnet18", 64, (2, 2, 2, 2), _basic_block)


def resnet20(input_shape: Sequence[int], num_classes: int) -> keras.Model:
    """Build ResNet-20, the paper's CIFAR network: three stages of three basic blocks, option A.

    Args:
        input_shape: (height, width, channels) of the raw images, of any size.
        num_classes: number of classes, at least 2.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape or a number of classes that is not possible.
    """
    return _resnet(input_shape, num_classes, "resnet20", 16, (3, 3, 3), _basic_block_option_a)


def resnet50(input_shape: Sequence[int], num_classes: int) -> keras.Model:
    """Build ResNet-50 in its 32x32 form: stages of 3, 4, 6 and 3 bottleneck blocks.

    Args:
        input_shape: (height, width, channels) of the raw images, of any size.
        num_classes: number of classes, at least 2.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape or a number of classes that is not possible.
    """
    return _resnet(input_shape, num_classes, "resnet50", 64, (3, 4, 6, 3), _bottleneck_block)


def resnet101(input_shape: Sequence[int], num_classes: int) -> keras.Model:
    """Build ResNet-101 in its 32x32 form: stages of 3, 4, 23 and 3 bottleneck blocks.

    Args:
        input_shape: (height, width, channels) of the raw images, of any size.
        num_classes: number of classes, at least 2.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape or a number of classes that is not possible.
    """
    return _resnet(input_shape, num_classes, "resnet101", 64, (3, 4, 23, 3), _bottleneck_block)


def _resnet(
    input_shape: Sequence[int],
    num_classes: int,
    name: str,
    filters: int,
    stages: tuple[int, ...],
    block: Block,
) -> keras.Model:
    """Stack the stages: each doubles the filters and, but for the first, halves the sides."""
    inputs, x = blocks.image_input(input_shape, num_classes)
    x = blocks.convolution_bn(x, filters, 3, name="stem")
    for stage, num_blocks in enumerate(stages, start=1):
        for index in range(1, num_blocks + 1):
            strides = 2 if stage > 1 and index == 1 else 1
            x = block(x, filters * 2 ** (stage - 1), strides, f"stage{stage}_block{index}")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)


def _basic_block(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    """Two 3x3 convolutions beside a shortcut of option B."""
    y = blocks.convolution_bn(x, filters, 3, strides=strides, name=f"{name}_conv1")
    y = blocks.convolution_bn(y, filters, 3, relu=False, name=f"{name}_conv2")
    return _join(_projection(x, filters, strides, name), y, name)


def _basic_block_option_a(
    x: keras.KerasTensor, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """Two 3x3 convolutions beside a shortcut of option A."""
    y = blocks.convolution_bn(x, filters, 3, strides=strides, name=f"{name}_conv1")
    y = blocks.convolution_bn(y, filters, 3, relu=False, name=f"{name}_conv2")
    new = filters - x.shape[-1]
    if new:
        # Pooling over a single pixel is Keras's layer for "every second pixel".
        x = layers.MaxPooling2D(1, strides, name=f"{name}_subsample")(x)
        x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (new // 2, new - new // 2)))
    return _join(x, y, name)


def _bottleneck_block(
    x: keras.KerasTensor, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """1x1, 3x3 and 1x1 convolutions, the last with four times the filters."""
    y = blocks.convolution_bn(x, filters, 1, name=f"{name}_conv1")
    y = blocks.convolution_bn(y, filters, 3, strides=strides, name=f"{name}_conv2")
    y = blocks.convolution_bn(y, 4 * filters, 1, relu=False, name=f"{name}_conv3")
    return _join(_projection(x, 4 * filters, strides, name), y, name)


def _projection(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    """Option B: the identity, or a 1x1 convolution where the shape changes."""
    if strides == 1 and x.shape[-1] == filters:
        return x
    return blocks.convolution_bn(
        x, filters, 1, strides=strides, relu=False, name=f"{name}_shortcut"
    )


def _join(shortcut: keras.KerasTensor, y: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, y]))
