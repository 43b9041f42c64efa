"""A base with all its cuts as outputs: one forward pass gives the features of every one of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
from keras import layers

from kerasdl import suggest
from kerasdl.models import transfer
from kerasdl.models.costs import model_costs


class Tap(NamedTuple):
    """One cut among the outputs.

    Args:
        columns: Where its features are in the output of the whole.
        shape: Height, width and channels of the maps that are pooled; a channel is a feature.
        multiply_accumulates: Of one image's way to it.
    """

    columns: slice
    shape: tuple[int, int, int]
    multiply_accumulates: int


def tapped(
    model: keras.Model, cuts: Sequence[str], pooling: str
) -> tuple[keras.Model, Mapping[str, Tap]]:
    """Returns a model whose output is the features of all cuts, side by side, and where they are.

    Args:
        model: A model of `kerasdl.models.transfer`; layers and weights are shared.
        cuts: Layers of its base that make maps of features, at least one.
        pooling: "average" or "max", from a map to a number.

    Returns:
        A model from (n, height, width, channels) pixels to (n, d) features, and its cuts.

    Raises:
        ValueError: If there is no such layer, or its output is no map.
    """
    base = transfer.base_of(model)
    bodies = [_up_to(base, cut) for cut in cuts]
    pool = transfer.POOLINGS[pooling]
    pooled = [pool(name=f"pool{n}")(body.output) for n, body in enumerate(bodies, start=1)]
    together = layers.Concatenate(name="cuts")(pooled) if len(pooled) > 1 else pooled[0]
    whole = keras.Model(base.input, together, name=base.name)
    # What comes before the base is one chain: its last layer gives what the base takes.
    before = model.layers[model.layers.index(base) - 1].output
    taps, first = {}, 0
    for cut, body in zip(cuts, bodies, strict=True):
        height, width, channels = body.output.shape[1:]
        columns = slice(first, first + channels)
        cost = model_costs(body).multiply_accumulates
        taps[cut] = Tap(columns, (height, width, channels), cost)
        first += channels
    return keras.Model(model.input, whole(before, training=False), name="features"), taps


def _up_to(base: keras.Model, cut: str) -> keras.Model:
    known = {layer.name: layer for layer in base.layers}
    if cut not in known or len(known[cut].output.shape) != 4:
        meant = suggest.hint(cut, set(known) - {cut})
        raise ValueError(
            f"a cut is a layer of {base.name} that makes a map of features, e.g. one of the ends "
            f"of its blocks (kerasdl.models.transfer.cuts). Received: {cut!r}.{meant}"
        )
    return keras.Model(base.input, known[cut].output, name=f"up_to_{cut}")
