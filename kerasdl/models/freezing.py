"""What of a model of `transfer` trains."""

import keras

from kerasdl.models.cutting import layer_of
from kerasdl.models.parts import base_of

WHOLE, NOTHING = "conv", "none"


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
        frozen = base.layers.index(layer_of(base, freeze, (WHOLE, NOTHING))) + 1
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
    _freeze(base, base.layers.index(layer_of(base, layer)))


def _freeze(base: keras.Model, count: int) -> None:
    base.trainable = count < len(base.layers)
    for index, layer in enumerate(base.layers):
        layer.trainable = index >= count
