"""Transfer: a base of `keras.applications`, trained elsewhere, and a small head on its features.

Source: Yosinski, Clune, Bengio, Lipson, "How Transferable Are Features in Deep Neural Networks?",
NeurIPS 2014. The two phases (train the head on a frozen base, then perhaps some of the base at a
low rate) and the BatchNorm in inference mode are those of keras.io/guides/transfer_learning.

One model, from raw pixels to logits: gray becomes three channels, the images are resized, the
base's own preprocessing follows, then the base as one layer, cut at the block that is asked for, a
pooling and the head. What the parts of such a model are, and which of them train, the functions
below tell.
"""

import difflib
from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import bases, blocks
from kerasdl.models import weights as weights_of
from kerasdl.models.base_model import PretrainedBase, base_model
from kerasdl.models.preprocessing import preprocessed

POOLINGS = {
    "average": layers.GlobalAveragePooling2D,
    "max": layers.GlobalMaxPooling2D,
    "flatten": layers.Flatten,
}
WHOLE, NOTHING = "conv", "none"


def transfer(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    base: str = "vgg16",
    weights: str = "imagenet",
    weights_sha256: str = "",
    size: int = 0,
    features: str = "",
    pooling: str = "average",
    freeze: str = "conv",
    head: Sequence[int] = (),
    dropout: float = 0.0,
) -> keras.Model:
    """Build a head on a base of `keras.applications`.

    Args:
        input_shape: (height, width, channels) of the raw images, with 1 or 3 channels.
        num_classes: number of classes, at least 2.
        base: one of `bases.names()`.
        weights: "imagenet", "random", a file in one of Keras's formats, or a run's folder that
            holds a model with this base; see `weights.resolve`.
        weights_sha256: what `weights.identity` must find; "" for any.
        size: height and width that the images are resized to, in pixels, at least the base's
            minimum; 0 takes the images' own, or the minimum where that is larger.
        features: the layer of the base whose output is the features, e.g. one of `cuts(base)`; ""
            for the base's last.
        pooling: of the features' map: "average", "max" or "flatten".
        freeze: what of the base does not train: "conv" for all of it, "none", or the name of the
            last layer that does not. Must be "none" with random weights.
        head: neurons of the hidden layers between the features and the logits.
        dropout: share of the features, and of each hidden layer's outputs, that is dropped in
            training, 0 <= p < 1.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, num_classes) float32 logits.
        With other weights than random ones, the base computes in inference mode also where it
        trains: the statistics of a few small batches would undo what its BatchNorm learnt.

    Raises:
        ValueError: a shape, a number of classes or a setting that is not possible, or a file that
            does not hold weights of this base.
        FileNotFoundError: there are no such weights here, and they cannot be fetched.
    """
    known = bases.get(base)
    height, width, channels = blocks.check_shape(input_shape, num_classes)
    _check(known, channels, size, pooling, head)
    blocks.check_fraction("dropout", dropout)
    path = weights_of.resolve(weights, base)
    if path is None and freeze != NOTHING:
        raise ValueError(
            '`freeze` must be "none" with random weights: a frozen random base would never learn. '
            f"Received: {freeze!r}."
        )
    sides = [size or max(side, known.minimum) for side in (height, width)]
    whole = base_model(known, (sides[0], sides[1], 3))
    body = cut(whole, known.layer_name, features, pretrained=path is not None)
    if path is not None:
        weights_of.load(whole, path, base, until=body)
    weights_of.check_identity(body, weights_sha256, path)

    inputs = keras.Input((height, width, channels), dtype="float32", name="pixels")
    x = inputs
    if channels == 1:
        x = layers.Concatenate(dtype="float32", name="rgb")([x, x, x])
    if sides != [height, width]:
        x = layers.Resizing(*sides, antialias=True, dtype="float32", name="resize")(x)
    x = preprocessed(x, known.preprocessing)
    if path is None:
        blocks.hasten_batch_norm(body)
    x = body(x)
    x = standardized(POOLINGS[pooling](name="pool")(x))
    if dropout:
        x = layers.Dropout(dropout, name="drop0")(x)
    for number, units in enumerate(head, start=1):
        name = f"hidden{number}"
        x = layers.Dense(units, activation="relu", kernel_initializer="he_normal", name=name)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"drop{number}")(x)
    outputs = scores(x, num_classes, linear=not head and path is not None)
    model = keras.Model(inputs, outputs, name="transfer")
    set_trainable(model, freeze)
    return model


def standardized(features: keras.KerasTensor) -> keras.KerasTensor:
    """Bring each feature to mean 0 and deviation 1, for a head to learn on.

    Pooled features differ a thousandfold in scale, so that no rate suits all weights: on SVHN's
    digits a head on MobileNet's came to 54 % without this. A BatchNorm without weights, as He et
    al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, appendix A.1, use it for
    linear probes, but with an epsilon of 1e-3: a feature that is dead on the training images must
    not outshout the others when a test image wakes it up.

    Args:
        features: (n, d).

    Returns:
        A tensor of the same shape.
    """
    return layers.BatchNormalization(
        momentum=blocks.BATCH_NORM_MOMENTUM,
        epsilon=1e-3,
        center=False,
        scale=False,
        name="standardize",
    )(features)


def scores(features: keras.KerasTensor, num_classes: int, *, linear: bool) -> keras.KerasTensor:
    """End a head: one unnormalised score per class.

    Args:
        features: (n, d).
        num_classes: number of classes.
        linear: whether this is all of the head. Then it begins at zero, as a convex problem may:
            what a feature that is dead on the training images says of others stays nothing.

    Returns:
        (n, num_classes), float32 under every dtype policy, as `blocks.logits`.
    """
    if not linear:
        return blocks.logits(features, num_classes)
    return layers.Dense(
        int(num_classes), kernel_initializer="zeros", dtype="float32", name="logits"
    )(features)


def cut(whole: keras.Model, name: str, features: str, *, pretrained: bool = False) -> keras.Model:
    """Return a base up to one of its layers, sharing its layers and weights.

    Args:
        whole: a base.
        name: name of the new model.
        features: name of the last layer; "" for all of it.
        pretrained: whether it computes in inference mode always; see `PretrainedBase`.

    Raises:
        ValueError: there is no such layer, or its output is no map of features.
    """
    last = _layer(whole, features) if features else whole
    if len(last.output.shape) != 4 or isinstance(last, layers.InputLayer):
        raise ValueError(
            "`features` must be a layer of the base that makes a map of features. "
            f"Received: {features!r} with output {last.output.shape}."
        )
    kind = PretrainedBase if pretrained else keras.Model
    return kind(whole.input, last.output, name=name)


def cuts(base: str) -> tuple[str, ...]:
    """Return the names of the layers that end a base's blocks, from the image to the base's end.

    Args:
        base: one of `bases.names()`.

    Returns:
        Values for `features`; any other layer that makes a map of features is possible too.

    Raises:
        ValueError: there is no such base.
    """
    return bases.get(base).cuts


def is_transfer(model: keras.Model) -> bool:
    """Return whether a model is one of `transfer`, built or loaded."""
    found = {layer.name for layer in model.layers}
    return {"pixels", "pool", "logits"} <= found and len(_models_inside(model)) == 1


def base_of(model: keras.Model) -> keras.Model:
    """Return the base inside a model of `transfer`, up to its cut.

    Raises:
        ValueError: the model is another.
    """
    if not is_transfer(model):
        raise ValueError(
            f"Expected a model of kerasdl.models.transfer. Received: {model.name!r}, which has no "
            "base and head."
        )
    (base,) = _models_inside(model)
    return base


def features_model(model: keras.Model) -> keras.Model:
    """Return the part before the head, sharing its layers and weights.

    Args:
        model: a model of `transfer`, built or loaded.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, d) features.

    Raises:
        ValueError: the model is another.
    """
    base_of(model)
    return keras.Model(model.input, model.get_layer("pool").output, name="features")


def head_model(model: keras.Model) -> keras.Model:
    """Return the part behind the features, sharing its layers and weights: training it trains both.

    Args:
        model: a model of `transfer`, built or loaded.

    Returns:
        A model from (n, d) features to (n, num_classes) float32 logits.

    Raises:
        ValueError: the model is another.
    """
    base_of(model)
    pool = model.get_layer("pool")
    inputs = keras.Input(pool.output.shape[1:], dtype=pool.output.dtype, name="features")
    x = inputs
    # The head is a chain, so that the order of the layers is the order of their calls.
    for layer in model.layers[model.layers.index(pool) + 1 :]:
        x = layer(x)
    return keras.Model(inputs, x, name="head")


def set_trainable(model: keras.Model, freeze: str) -> None:
    """Choose what of the base trains; the head always does.

    A compiled model must be compiled anew: its training step has the old choice in it.

    Args:
        model: a model of `transfer`, built or loaded.
        freeze: "conv", "none", or the name of the base's last layer that does not train; those
            before it, in the order of the base's layers, do not either.

    Raises:
        ValueError: the model is another, or there is no such layer.
    """
    base = base_of(model)
    frozen = {WHOLE: len(base.layers), NOTHING: 0}.get(freeze)
    if frozen is None:
        frozen = base.layers.index(_layer(base, freeze, (WHOLE, NOTHING))) + 1
    _freeze(base, frozen)


def unfreeze(model: keras.Model, layer: str) -> None:
    """Let the base train from a layer on, to its end; the layers before it do not.

    Args:
        model: a model of `transfer`, built or loaded.
        layer: name of the first layer of the base that trains.

    Raises:
        ValueError: the model is another, or there is no such layer.
    """
    base = base_of(model)
    _freeze(base, base.layers.index(_layer(base, layer)))


def _freeze(base: keras.Model, count: int) -> None:
    base.trainable = count < len(base.layers)
    for index, layer in enumerate(base.layers):
        layer.trainable = index >= count


def _layer(base: keras.Model, name: str, others: tuple[str, ...] = ()) -> keras.Layer:
    known = [layer.name for layer in base.layers]
    if name not in known:
        near = difflib.get_close_matches(str(name), [*known, *others], n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Unknown layer of {base.name}, whose last is {known[-1]!r}. `python -m kerasdl.models "
            f"--layers transfer:BASE` lists them. Received: {name!r}.{hint}"
        )
    return base.get_layer(name)


def _models_inside(model: keras.Model) -> list[keras.Model]:
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


def _check(base: bases.Base, channels: int, size: int, pooling: str, head: Sequence[int]) -> None:
    if channels not in (1, 3):
        raise ValueError(
            "`input_shape` must have 1 or 3 channels, gray or RGB: the base was trained on RGB. "
            f"Received: {channels} channels."
        )
    if type(size) is not int or (size != 0 and size < base.minimum):
        raise ValueError(
            f"`size` must be 0 or an integer of at least {base.minimum} pixels for {base.name}. "
            f"Received: {size!r}."
        )
    if pooling not in POOLINGS:
        raise ValueError(f"`pooling` must be one of {', '.join(POOLINGS)}. Received: {pooling!r}.")
    counts = head if isinstance(head, list | tuple) else [head]
    if counts is not head or not all(type(units) is int and units >= 1 for units in counts):
        raise ValueError(
            f"`head` must be a list of positive integers, one per hidden layer. Received: {head!r}."
        )
