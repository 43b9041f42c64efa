"""Cutting a base at one of its layers, by name."""

from collections.abc import Sequence

import keras
from keras import layers

from kerasdl import suggest
from kerasdl.models import bases
from kerasdl.models.base_model import PretrainedBase


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
    last = layer_of(whole, features) if features else whole
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


def layer_of(base: keras.Model, name: str, others: Sequence[str] = ()) -> keras.Layer:
    """Return a layer of a base by its name.

    Args:
        base: a base, whole or cut.
        name: name of the layer.
        others: what else than a layer would have been possible, for the message.

    Raises:
        ValueError: there is no such layer.
    """
    known = [layer.name for layer in base.layers]
    if name in known:
        return base.get_layer(name)
    meant = suggest.hint(str(name), [*known, *others], cutoff=0.4)
    own = {bases.get(one).layer_name: one for one in bases.names()}.get(base.name, base.name)
    ends = [cut for cut in cuts(own) if cut in known] if own in bases.names() else known[-1:]
    raise ValueError(
        f"Unknown layer of {own}. Expected one of {', '.join([*others, *ends])}, or another that "
        f"`python -m kerasdl.models --layers transfer:{own}` lists. Received: {name!r}.{meant}"
    )
