"""What a network costs: parameters and multiply-accumulates."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
from keras import layers

from kerasdl.models.whitening import PatchWhitening

Shape = tuple[Any, ...]

# Layers that have weights but are not counted, and why: a BatchNorm multiplies once per value, and
# in inference it melts into the convolution before it. Published figures differ in whether they
# include it; most do not.
UNCOUNTED_WITH_WEIGHTS = (layers.BatchNormalization, layers.Normalization)
_COUNTED = (
    layers.Dense,
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    PatchWhitening,
)

# Operations (Keras functions used as graph nodes) that would multiply-accumulate without being a
# layer, and so would be missed.
_MULTIPLYING_OPERATIONS = frozenset({
    "BatchedDot", "Conv", "ConvTranspose", "DepthwiseConv", "Dot", "DotProductAttention", "Einsum",
    "Inner", "Matmul", "SeparableConv", "Tensordot", "Vdot",
})  # fmt: skip


@dataclass(frozen=True)
class ParameterCount:
    """Number of single numbers among a model's weights.

    Args:
        trainable: those that training changes; published figures are these.
        non_trainable: moving statistics of BatchNorm, and frozen layers.
    """

    trainable: int
    non_trainable: int

    @property
    def total(self) -> int:
        """All of them: what a file holds."""
        return self.trainable + self.non_trainable


def count_parameters(model: keras.Model) -> ParameterCount:
    """Count a model's parameters.

    Args:
        model: a built model.

    Returns:
        The trainable and the non-trainable parameters. States of random generators (of dropout)
        are not parameters.
    """
    return ParameterCount(
        trainable=sum(prod(weight.shape) for weight in model.trainable_weights),
        non_trainable=sum(prod(weight.shape) for weight in model.non_trainable_weights),
    )


def count_weight_layers(model: keras.Model) -> int:
    """Count the layers that multiply-accumulate: the depth that names like ResNet-18 state.

    Args:
        model: as for `multiply_accumulates`.

    Returns:
        Number of convolutions and dense layers, those of shortcuts and branches included.

    Raises:
        ValueError: as for `multiply_accumulates`.
    """
    return sum(multiply_accumulates_of(layer, shape) > 0 for layer, shape in _calls(model))


def multiply_accumulates(model: keras.Model) -> int:
    """Count the multiply-accumulates of one image's way through a model.

    One multiply-accumulate is one product of a weight with a value, added to a sum ("FLOPs" in
    many papers; others count 2 for each). Counted are convolutions and dense layers, without their
    biases; a layer used twice counts twice. Not counted are BatchNorm, activations, pooling,
    padding, resizing, scaling, additions and shuffles, together a few per cent of a usual network.

    Args:
        model: a built functional or Sequential model with fixed input sizes.

    Returns:
        Number of multiply-accumulates per image.

    Raises:
        ValueError: the model is of another kind, an input size is open, or a layer with weights or
            an operation is of a kind that this function does not know. Nothing of that is silently
            counted as zero.
    """
    return sum(multiply_accumulates_of(layer, shape) for layer, shape in _calls(model))


def multiply_accumulates_of(layer: keras.Layer, input_shape: Shape) -> int:
    """Count one layer's multiply-accumulates per image.

    Args:
        layer: a built layer, not a model.
        input_shape: (n, ..., channels) of its input; n may be None.

    Returns:
        Number of multiply-accumulates; 0 for a layer without weights.

    Raises:
        ValueError: the kind of layer is not known, or its sizes are open.
    """
    if not layer.weights or isinstance(layer, UNCOUNTED_WITH_WEIGHTS):
        return 0
    if not isinstance(layer, _COUNTED):
        raise ValueError(
            "Multiply-accumulates are defined for layers of these types: "
            f"{', '.join(kind.__name__ for kind in _COUNTED)}. "
            f"Received: layer {layer.name!r} of type {type(layer).__name__}, which has weights. "
            "Add its rule to kerasdl.models.costs."
        )
    output_shape = tuple(layer.compute_output_shape(input_shape))
    if None in input_shape[1:] + output_shape[1:]:
        raise ValueError(
            "All sizes but the batch must be fixed. Received: layer "
            f"{layer.name!r} with input shape {input_shape}. Build the model with an "
            "`input_shape` without None."
        )
    positions, channels = prod(output_shape[1:-1]), input_shape[-1]
    if isinstance(layer, layers.Dense):
        return int(positions * channels * output_shape[-1])
    if isinstance(layer, PatchWhitening):
        return int(positions * layer.kernel_size**2 * channels * output_shape[-1])
    kernel = prod(layer.kernel_size)
    if isinstance(layer, layers.Conv2D):
        return int(positions * kernel * (channels // layer.groups) * output_shape[-1])
    depthwise = channels * layer.depth_multiplier
    pointwise = output_shape[-1] if isinstance(layer, layers.SeparableConv2D) else 0
    return int(positions * depthwise * (kernel + pointwise))


def _calls(model: keras.Model) -> Iterator[tuple[keras.Layer, Shape]]:
    """Yield each use of each layer, those of models inside the model too, with its input shape.

    A layer's own `input` is that of its first use anywhere, maybe in another model and of another
    size; the model's config records each use in this model.
    """
    if isinstance(model, keras.Sequential):
        shape = tuple(model.input_shape)
        for layer in model.layers:
            yield from _opened(layer, shape)
            shape = tuple(layer.compute_output_shape(shape))
        return
    # A subclassed model has no such config: its `call` is plain Python.
    entries = model.get_config().get("layers") if hasattr(model, "operations") else None
    if entries is None:
        raise ValueError(
            "Expected a functional or Sequential model. "
            f"Received: {model.name!r} of type {type(model).__name__}."
        )
    by_name = {operation.name: operation for operation in model.operations}
    for entry in entries:
        operation = by_name[entry["config"]["name"]]
        if isinstance(operation, keras.Layer):
            for node in entry["inbound_nodes"]:
                yield from _opened(operation, _first_shape(node))
        elif type(operation).__name__ in _MULTIPLYING_OPERATIONS:
            raise ValueError(
                "Multiply-accumulates are counted in layers. Received: operation "
                f"{operation.name!r} of type {type(operation).__name__}. Use a layer for it."
            )


def _opened(layer: keras.Layer, shape: Shape) -> Iterator[tuple[keras.Layer, Shape]]:
    if not isinstance(layer, keras.Model):
        yield layer, shape
        return
    if shape[1:] != tuple(layer.input_shape)[1:]:
        raise ValueError(
            "A model inside a model must be used at the size it was built for, "
            f"{tuple(layer.input_shape)}. Received: {layer.name!r} used at {shape}."
        )
    yield from _calls(layer)


def _first_shape(node: dict[str, Any]) -> Shape:
    """Shape of the first tensor that a call was given; () where it was given none."""
    found = [*node["args"], *node["kwargs"].values()]
    while found:
        argument = found.pop(0)
        if isinstance(argument, list | tuple):
            found = [*argument, *found]
        elif isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
            return tuple(argument["config"]["shape"])
    return ()
