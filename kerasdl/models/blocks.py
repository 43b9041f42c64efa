"""The blocks that several networks share: pixels in, convolution with BatchNorm, logits out."""

from collections.abc import Sequence
from numbers import Integral

import keras
from keras import layers

# Keras's default of 0.99 needs several hundred steps before the moving statistics have caught up
# with the weights; a short training (a few epochs of a few thousand images) ends before that, and
# its test accuracy is that of stale statistics. 0.9 is PyTorch's default (written there as 0.1).
BATCH_NORM_MOMENTUM = 0.9

# PyTorch's value, which the published figures were obtained with (Keras's default is 1e-3).
BATCH_NORM_EPSILON = 1e-5


def image_input(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    minimum: int = 1,
    exact: int | None = None,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Start a network: raw pixels, brought to a size it can work with and scaled to [-1, 1].

    The input is declared float32, and takes uint8 arrays as well (Keras converts them, which is
    exact). Declared uint8 it would take floats too, but it would cut off their fractions, wrap
    what an augmentation moved outside 0..255 (-3 becomes 253), and pass no gradient to the pixels.

    Images that lack at most 4 pixels a side get a black frame (28x28 becomes 32x32, as LeCun et
    al. 1998 centre MNIST's digits in a larger field); all others are resized (bilinear).

    Args:
        input_shape: (height, width, channels) of the raw images, each at least 1.
        num_classes: number of classes, at least 2; checked here, so that every network checks it.
        minimum: smallest height and width that the network can work with, in pixels.
        exact: the one height and width that the network works with, in pixels; overrides
            `minimum`.

    Returns:
        The input (n, height, width, channels) with values 0..255, and the scaled images
        (n, new height, new width, channels), float32 in [-1, 1] under every dtype policy.

    Raises:
        ValueError: `input_shape` or `num_classes` cannot be a network's.
    """
    height, width, channels = check_shape(input_shape, num_classes)
    new_height, new_width = (exact or max(side, minimum) for side in (height, width))
    inputs = keras.Input((height, width, channels), dtype="float32", name="pixels")
    x = inputs
    missing = new_height - height, new_width - width
    # float32 in these layers, also under a mixed policy: bfloat16 keeps 8 bits, so that subtracting
    # 1 after the scaling would leave dark pixels with fewer.
    if all(0 <= lack <= 4 for lack in missing):
        if any(missing):
            frame = tuple((lack // 2, lack - lack // 2) for lack in missing)
            x = layers.ZeroPadding2D(frame, dtype="float32", name="frame")(x)
    else:
        resize = layers.Resizing(
            new_height, new_width, antialias=True, dtype="float32", name="resize"
        )
        x = resize(x)
    return inputs, layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="rescale")(x)


def check_shape(input_shape: Sequence[int], num_classes: int) -> tuple[int, int, int]:
    """Check what every network is built from.

    Args:
        input_shape: (height, width, channels) of the raw images.
        num_classes: number of classes.

    Returns:
        (height, width, channels) as a tuple of three ints.

    Raises:
        ValueError: not three positive integers, or fewer than two classes.
    """
    shape = tuple(input_shape) if isinstance(input_shape, Sequence) else (input_shape,)
    if len(shape) != 3 or not all(_is_count(side, at_least=1) for side in shape):
        raise ValueError(
            "`input_shape` must be (height, width, channels), three positive integers. "
            f"Received: {input_shape!r}. Pass the shape of one raw image, without the batch axis; "
            "a gray image has 1 channel."
        )
    if not _is_count(num_classes, at_least=2):
        raise ValueError(
            f"`num_classes` must be an integer of at least 2. Received: {num_classes!r}. "
            "A yes/no question has 2 classes."
        )
    height, width, channels = (int(side) for side in shape)
    return height, width, channels


def check_fraction(name: str, value: float) -> float:
    """Check a setting that must lie in [0, 1), such as a dropout rate.

    Args:
        name: name of the setting, for the message.
        value: its value.

    Returns:
        The value.

    Raises:
        ValueError: the value is not a number in [0, 1).
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be a number with 0 <= {name} < 1. Received: {value!r}.")
    return value


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    use_bias: bool = False,
    name: str,
) -> keras.KerasTensor:
    """Apply a convolution that keeps the size of its input (divided by the stride, rounded up).

    Args:
        x: (n, height, width, channels).
        filters: number of output channels.
        kernel_size: odd side of the kernel, in pixels.
        strides: step of the kernel, in pixels.
        use_bias: False where a BatchNorm follows, whose own offset does the same.
        name: name of the layer.

    Returns:
        (n, ceil(height / strides), ceil(width / strides), filters).
    """
    x, padding = padded(x, kernel_size, strides, name)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding,
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def depthwise_convolution(
    x: keras.KerasTensor, *, strides: int = 1, name: str
) -> keras.KerasTensor:
    """Apply a 3x3 convolution to each channel by itself.

    Args:
        x: (n, height, width, channels).
        strides: step of the kernel, in pixels.
        name: name of the layer.

    Returns:
        (n, ceil(height / strides), ceil(width / strides), channels).
    """
    x, padding = padded(x, 3, strides, name)
    # He's rule by hand: Keras takes 9 * channels for the fan-in of this kernel, but each output
    # sees the 9 pixels of one channel only.
    initializer = keras.initializers.RandomNormal(stddev=(2 / 9) ** 0.5)
    return layers.DepthwiseConv2D(
        3, strides, padding, use_bias=False, depthwise_initializer=initializer, name=name
    )(x)


def padded(
    x: keras.KerasTensor, kernel_size: int, strides: int, name: str
) -> tuple[keras.KerasTensor, str]:
    """Pad as the published networks do, evenly on all sides, before a convolution.

    Keras's "same" pads a strided convolution of an even-sized image on the right and the bottom
    only: its outputs would lie one pixel off those of the shortcut beside it.

    Args:
        x: (n, height, width, channels).
        kernel_size: odd side of the kernel, in pixels.
        strides: step of the kernel, in pixels.
        name: name of the convolution that follows.

    Returns:
        The tensor to convolve and the `padding` to give to the convolution.
    """
    if strides == 1 or kernel_size == 1:
        return x, "same"
    return layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x), "valid"


def batch_norm(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Normalise each channel over the batch (Ioffe and Szegedy 2015).

    Args:
        x: (n, height, width, channels).
        name: name of the layer.

    Returns:
        A tensor of the same shape.
    """
    return layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=name
    )(x)


def hasten_batch_norm(model: keras.Model) -> None:
    """Give each BatchNorm of another's network the momentum of ours, for a short training.

    Args:
        model: a built model, trained from the start; its own layers only.
    """
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM


def convolution_bn(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    relu: bool = True,
    name: str,
) -> keras.KerasTensor:
    """Apply a convolution without bias, a BatchNorm and, where asked for, a ReLU.

    Args:
        x: (n, height, width, channels).
        filters: number of output channels.
        kernel_size: odd side of the kernel, in pixels.
        strides: step of the kernel, in pixels.
        relu: whether a ReLU follows.
        name: name of the convolution; the others add `_bn` and `_relu` to it.

    Returns:
        (n, ceil(height / strides), ceil(width / strides), filters).
    """
    x = convolution(x, filters, kernel_size, strides=strides, name=name)
    x = batch_norm(x, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def logits(x: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    """End a network: one unnormalised score per class.

    Args:
        x: (n, features).
        num_classes: number of classes.

    Returns:
        (n, num_classes), float32 under every dtype policy: a softmax of bfloat16 scores would keep
        two to three digits of them.
    """
    # Glorot (Keras's default), not He: no ReLU halves the variance here.
    return layers.Dense(int(num_classes), dtype="float32", name="logits")(x)


def _is_count(value: object, at_least: int) -> bool:
    # Integral rather than int: shapes and class counts often come from NumPy. True is no count.
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= at_least
