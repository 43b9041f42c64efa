"""Transfer: a base of `keras.applications`, trained elsewhere, and a small head on its features.

Source: Yosinski, Clune, Bengio, Lipson, "How Transferable Are Features in Deep Neural Networks?",
NeurIPS 2014. The two phases (train the head on a frozen base, then perhaps some of the base at a
low rate) and the BatchNorm in inference mode are those of keras.io/guides/transfer_learning.

One model, from raw pixels to logits: gray becomes three channels, the images are resized, the
base's own preprocessing follows, then the base as one layer, cut at the block that is asked for, a
pooling and the head. What the parts of such a model are, and which of them train, the functions
tell that are imported here for others, from `parts` and `freezing`.
"""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl.models import bases, blocks
from kerasdl.models import weights as weights_of
from kerasdl.models.base_model import base_model
from kerasdl.models.cutting import cut, cuts
from kerasdl.models.freezing import NOTHING, set_trainable, unfreeze
from kerasdl.models.head import scores, standardized
from kerasdl.models.parts import base_of, features_model, head_model, is_transfer
from kerasdl.models.preprocessing import preprocessed

__all__ = [
    "POOLINGS",
    "base_of",
    "cuts",
    "features_model",
    "head_model",
    "is_transfer",
    "set_trainable",
    "transfer",
    "unfreeze",
]

POOLINGS = {
    "average": layers.GlobalAveragePooling2D,
    "max": layers.GlobalMaxPooling2D,
    "flatten": layers.Flatten,
}


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
