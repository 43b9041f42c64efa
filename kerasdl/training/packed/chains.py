"""What a Keras model computes, read as a chain of few kinds of nodes, or why it cannot be packed.

A packable model maps images to class scores: first layers without anything to learn
(scaling, resizing, flattening), which all models share and which run once; then nodes
over vectors, which run for many models at a time.
"""

from collections.abc import Callable, Hashable
from typing import Any, Literal, NamedTuple

import keras

INPUT = -1
"""The place of the shared input among a chain's values; nodes count from 0."""

Kind = Literal["dense", "function", "norm", "add"]


class Node(NamedTuple):
    """One step of a chain.

    Args:
        kind: "dense" (matrix, offset, activation), "function" (elementwise), "norm"
            (BatchNormalization) or "add".
        layer: The Keras layer; None for "add".
        inputs: Places of its inputs: earlier nodes, or INPUT.
        weights: The layer's variables by role ("kernel", "bias", "gamma", …).
        activation: An elementwise function applied to what a "dense" or "function" gives; None
            for the identity.
        dropout: Share of the outputs that a training step sets to 0, in [0, 1).
        key: What must be equal for nodes of several models to be computed together.
    """

    kind: Kind
    layer: Any
    inputs: tuple[int, ...]
    weights: dict[str, Any]
    activation: Callable[[Any], Any] | None
    dropout: float
    key: Hashable

    def signature(self, *, inputs: bool = True) -> Hashable:
        """Returns all that must be equal for nodes of several models to be computed together.

        Args:
            inputs: Whether the places of the inputs count; whether they are INPUT always does.
        """
        places = self.inputs if inputs else tuple(place == INPUT for place in self.inputs)
        regularized = tuple((bool(l1), bool(l2)) for l1, l2 in map(penalty, self.weights.values()))
        shapes = tuple((role, tuple(v.shape), v.dtype) for role, v in self.weights.items())
        return self.kind, places, self.key, shapes, regularized, self.dropout > 0


class Chain(NamedTuple):
    """A packable model.

    Args:
        model: The Keras model.
        front: The layers that all models share, in order.
        nodes: What follows, in an order in which it can be computed; the last gives the logits.
        probabilities: Whether the model ends with a softmax, which the nodes leave out.
    """

    model: keras.Model
    front: tuple[Any, ...]
    nodes: tuple[Node, ...]
    probabilities: bool


def packable(model: keras.Model) -> str | None:
    """Returns None for a model that `Packed` can train, else a sentence that says why not.

    Args:
        model: A built Keras model, compiled or not.
    """
    from kerasdl.training.packed.updates import read_rule, smoothing_of

    try:
        chain = read_chain(model)
        if model.compiled:
            read_rule(model.optimizer)
            smoothing_of(chain)
    except ValueError as error:
        return str(error)
    return None


def penalty(variable: Any) -> tuple[float, float]:
    """Returns the L1 and L2 strength of a variable's regularizer, 0 for none.

    Raises:
        ValueError: If it has another regularizer.
    """
    regularizer = variable.regularizer
    if regularizer is None:
        return 0.0, 0.0
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    if type(regularizer) not in kinds:
        raise ValueError(
            f"{variable.path} has a regularizer that cannot be packed: expected L1, L2 or L1L2. "
            f"Received: {type(regularizer).__name__}"
        )
    return float(getattr(regularizer, "l1", 0.0)), float(getattr(regularizer, "l2", 0.0))


def read_chain(model: keras.Model) -> Chain:
    """Reads a model as a chain.

    Args:
        model: A built Sequential or functional model.

    Raises:
        ValueError: If the model cannot be packed; the message says why.
    """
    from kerasdl.training.packed.reader import Reader

    reader = Reader(model.name)
    reader.read(model)
    return Chain(model, tuple(reader.front), tuple(reader.nodes), reader.probabilities)
