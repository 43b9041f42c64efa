"""Multilayer perceptrons: preprocessing, flattening and fully connected layers.

`mlp` is a functional model in which everything can be chosen; `mlp1` is the textbook's
one-hidden-layer network as a Sequential model. Preprocessing is part of both, so that they
take raw pixels.
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import blocks
from kerasdl.models.flat import NORMALIZATIONS, flat_input

ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "linear", "elu", "gelu", "silu")

INITIALIZERS = {
    "auto": None,
    "glorot": "glorot_uniform",
    "he": "he_normal",
    "lecun": "lecun_normal",
    "orthogonal": "orthogonal",
    # Models get copies without the seed, which keeps Keras from drawing one here: an import would
    # move Python's random numbers, and with them what is built first in a process.
    "pytorch": keras.initializers.VarianceScaling(
        1 / 3, mode="fan_in", distribution="uniform", seed=0
    ),
    "normal": keras.initializers.RandomNormal(stddev=1.0, seed=0),
    "small_normal": keras.initializers.RandomNormal(stddev=0.01, seed=0),
    "uniform": keras.initializers.RandomUniform(0.0, 1.0, seed=0),
    "zeros": "zeros",
}
"""Rules for the first weights. Glorot and Bengio 2010 (AISTATS, equation 16), He et al. 2015
(ICCV, equation 10), LeCun et al. 1998 (Efficient BackProp, section 4.6); "pytorch" is
`torch.nn.Linear`'s uniform distribution of +-1/sqrt(inputs); "normal" and "uniform" are NumPy's
`randn` and `rand` without any scale, as course reports use them."""


def mlp(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    units: Sequence[int] = (256, 128, 64),
    activation: str = "relu",
    initializer: str = "auto",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_norm: bool = False,
    skip: bool = False,
    normalize: str = "unit",
    grayscale: bool = False,
    resize: int = 0,
) -> keras.Model:
    """Build a multilayer perceptron.

    Args:
        input_shape: (height, width, channels) of the raw images.
        num_classes: number of classes, at least 2.
        units: neurons of each hidden layer, from the input on; none makes a linear classifier.
        activation: of the hidden layers, one of `ACTIVATIONS`.
        initializer: rule for the hidden layers' weights, one of `INITIALIZERS`; "auto" is He's for
            ReLU and its relatives and Glorot's for the others. The output layer has Glorot's, or
            the named rule where one is named. Biases are 0.
        dropout: share of each hidden layer's outputs that is dropped in training, 0 <= p < 1.
        input_dropout: the same for the pixels.
        l1: L1 penalty of the kernels, >= 0: adds l1 * sum |w| to the loss.
        l2: L2 penalty of the kernels, >= 0: adds l2 * sum w^2 to the loss.
        batch_norm: normalise before each activation (Ioffe and Szegedy 2015, ICML).
        skip: add a hidden layer's input to its output where both have one width (He et al. 2016).
        normalize: "unit" scales pixels to 0..1, "symmetric" to -1..1, "standard" subtracts the
            training pixels' mean and divides by their standard deviation, channel by channel.
        grayscale: turn colours into one channel first (Rec. 601 luma).
        resize: height and width to bring images to first, in pixels; 0 leaves them.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible.
    """
    kernel = _check(units, activation, initializer, normalize)
    blocks.check_fraction("dropout", dropout)
    blocks.check_fraction("input_dropout", input_dropout)
    _check_strengths(l1=l1, l2=l2)
    inputs, x = flat_input(
        input_shape, num_classes, normalize=normalize, grayscale=grayscale, resize=resize
    )
    if input_dropout:
        x = layers.Dropout(input_dropout, name="drop_pixels")(x)
    penalty = keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None
    for number, width in enumerate(units, start=1):
        before = x
        x = layers.Dense(
            width,
            kernel_initializer=_copy(kernel),
            kernel_regularizer=penalty,
            use_bias=not batch_norm,
            name=f"dense{number}",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(
                momentum=blocks.BATCH_NORM_MOMENTUM,
                epsilon=blocks.BATCH_NORM_EPSILON,
                name=f"norm{number}",
            )(x)
        x = layers.Activation(activation, name=f"activation{number}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"drop{number}")(x)
        if skip and before.shape[-1] == width:
            x = layers.Add(name=f"add{number}")([before, x])
    last = "glorot_uniform" if initializer == "auto" else _copy(kernel)
    outputs = layers.Dense(
        num_classes,
        kernel_initializer=last,
        kernel_regularizer=penalty,
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(inputs, outputs, name="mlp")


def mlp1(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    width: int = 512,
    activation: str = "relu",
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
) -> keras.Sequential:
    """Build the one-hidden-layer perceptron of the textbooks as a Sequential model.

    Args:
        input_shape: (height, width, channels) of the raw images.
        num_classes: number of classes, at least 2.
        width: neurons of the hidden layer, at least 1.
        activation: of the hidden layer, one of `ACTIVATIONS`.
        dropout: share of the hidden layer's outputs that is dropped in training, 0 <= p < 1.
        l1: L1 penalty of the kernels, >= 0.
        l2: L2 penalty of the kernels, >= 0.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits;
        the pixels are scaled to 0..1.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible.
    """
    shape = blocks.check_shape(input_shape, num_classes)
    kernel = _check([width], activation, "auto", "unit")
    blocks.check_fraction("dropout", dropout)
    _check_strengths(l1=l1, l2=l2)
    penalty = keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None
    model = keras.Sequential(name="mlp1")
    model.add(keras.Input(shape, dtype="float32", name="pixels"))
    model.add(layers.Rescaling(1 / 255, dtype="float32", name="rescale"))
    model.add(layers.Flatten(name="flatten"))
    model.add(
        layers.Dense(
            width,
            activation=activation,
            kernel_initializer=_copy(kernel),
            kernel_regularizer=penalty,
            name="hidden",
        )
    )
    if dropout:
        model.add(layers.Dropout(dropout, name="drop"))
    model.add(layers.Dense(num_classes, kernel_regularizer=penalty, dtype="float32", name="logits"))
    return model


def _check(
    units: Sequence[int], activation: str, initializer: str, normalize: str
) -> str | keras.initializers.Initializer:
    """Checks settings; returns Keras's initializer of the hidden layers."""
    counts = units if isinstance(units, list | tuple) else [units]
    if counts is not units or not all(type(n) is int and n >= 1 for n in counts):
        raise ValueError(
            f"`units` must be a list of positive integers, one per layer. Received: {units!r}."
        )
    for name, value, known in (
        ("activation", activation, ACTIVATIONS),
        ("initializer", initializer, tuple(INITIALIZERS)),
        ("normalize", normalize, NORMALIZATIONS),
    ):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(known)}. Received: {value!r}.")
    if initializer != "auto":
        chosen: str | keras.initializers.Initializer = INITIALIZERS[initializer]
        return chosen
    rectifies = activation in ("relu", "leaky_relu", "elu", "gelu", "silu")
    return "he_normal" if rectifies else "glorot_uniform"


def _copy(rule: str | keras.initializers.Initializer) -> str | keras.initializers.Initializer:
    """Returns an initializer with a seed of its own: one object gives one layer's values twice."""
    return rule if isinstance(rule, str) else rule.__class__.from_config(_unseeded(rule))


def _unseeded(rule: keras.initializers.Initializer) -> dict[str, object]:
    return {**rule.get_config(), "seed": None}


def _check_strengths(**strengths: float) -> None:
    for name, strength in strengths.items():
        if not 0 <= strength < float("inf"):
            raise ValueError(f"`{name}` must be a number >= 0. Received: {strength!r}.")
