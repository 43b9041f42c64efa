"""What a network costs: parameters, multiply-accumulates and activations."""

from dataclasses import dataclass
from math import prod
from typing import Any

import keras
from keras import layers

from kerasdl.models.uses import MULTIPLYING_OPERATIONS, Shape, uses
from kerasdl.models.whitening import PatchWhitening

# Layers that have weights but are not counted, and why: a BatchNorm multiplies once per value, and
# in inference it melts into the convolution before it. Published figures differ in whether they
# include it; most do not. An embedding looks its rows up.
UNCOUNTED_WITH_WEIGHTS = (
    layers.BatchNormalization,
    layers.Embedding,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.Normalization,
    layers.PReLU,
)
# Keras's own layers that have no public name: ConvNeXt's factor for each channel.
_UNCOUNTED_NAMES = frozenset({"LayerScale"})
_PLAIN = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
# Layers that multiply values with values, without weights.
_WITHOUT_WEIGHTS = (layers.AdditiveAttention, layers.Attention, layers.Dot)
_COUNTED = (layers.Dense, *_PLAIN, *_TRANSPOSED, *_DEPTHWISE, *_SEPARABLE, PatchWhitening)


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


@dataclass(frozen=True)
class LayerCost:
    """What one use of a layer costs.

    Args:
        name: the layer's name.
        kind: its class, e.g. "Conv2D".
        output_shape: of its output for one image, without the batch axis.
        parameters: numbers in its weights; 0 where they were counted at an earlier use.
        multiply_accumulates: per image; None where no rule for this kind is known.
        activations: numbers in its output, per image.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    multiply_accumulates: int | None
    activations: int


@dataclass(frozen=True)
class ModelCosts:
    """What a model costs, use by use of its layers, in the order of the model.

    Args:
        layers: the uses; inputs are not among them.
    """

    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """All numbers in the weights, trainable or not."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_accumulates(self) -> int:
        """Per image; at least so many where `uncounted` has layers."""
        return sum(layer.multiply_accumulates or 0 for layer in self.layers)

    @property
    def activations(self) -> int:
        """Numbers that the layers hand on, per image: what a training keeps in memory, about."""
        return sum(layer.activations for layer in self.layers)

    @property
    def uncounted(self) -> tuple[LayerCost, ...]:
        """The layers whose multiply-accumulates are not known."""
        return tuple(layer for layer in self.layers if layer.multiply_accumulates is None)


def model_costs(model: keras.Model) -> ModelCosts:
    """Count what each layer of a model costs.

    Args:
        model: as for `multiply_accumulates`; layers of unknown kind may be in it.

    Returns:
        One entry for each use of a layer.

    Raises:
        ValueError: the model is of another kind, or a size is open.
    """
    found: list[LayerCost] = []
    seen: set[int] = set()
    for use in uses(model, strict=False):
        layer = use.layer
        if isinstance(layer, layers.InputLayer):
            continue
        if None in use.output_shape[1:]:
            raise ValueError(_open_size(layer, use.input_shape))
        weights = layer.weights if isinstance(layer, keras.Layer) else []
        found.append(
            LayerCost(
                name=layer.name,
                kind=type(layer).__name__,
                output_shape=use.output_shape[1:],
                parameters=0
                if id(layer) in seen
                else sum(prod(weight.shape) for weight in weights),
                multiply_accumulates=multiply_accumulates_of(layer, use.input_shape)
                if _is_known(layer)
                else None,
                activations=prod(use.output_shape[1:]),
            )
        )
        seen.add(id(layer))
    return ModelCosts(tuple(found))


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
    return sum(multiply_accumulates_of(use.layer, use.input_shape) > 0 for use in uses(model))


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
    return sum(multiply_accumulates_of(use.layer, use.input_shape) for use in uses(model))


def known_multiply_accumulates(model: keras.Model) -> int | None:
    """Returns `multiply_accumulates`; None where a layer, as of a person's own, is not known.

    Raises:
        ValueError: a size is open.
    """
    costs = model_costs(model)
    return None if costs.uncounted else costs.multiply_accumulates


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
    if not getattr(layer, "weights", ()) or _is_uncounted(layer):
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
        raise ValueError(_open_size(layer, input_shape))
    if isinstance(layer, layers.Dense):
        return int(prod(output_shape[1:-1]) * input_shape[-1] * output_shape[-1])
    positions, filters = _split(layer, output_shape)
    positions_before, channels = _split(layer, input_shape)
    if isinstance(layer, PatchWhitening):
        return int(positions * layer.kernel_size**2 * channels * filters)
    kernel = prod(layer.kernel_size)
    if isinstance(layer, _PLAIN):
        return int(positions * kernel * (channels // layer.groups) * filters)
    if isinstance(layer, _TRANSPOSED):
        # Each input value is multiplied with the whole kernel of each filter.
        return int(positions_before * kernel * channels * filters)
    depthwise = channels * layer.depth_multiplier
    pointwise = filters if isinstance(layer, _SEPARABLE) else 0
    return int(positions * depthwise * (kernel + pointwise))


def _is_known(layer: Any) -> bool:
    """Return whether the multiply-accumulates of a layer or operation can be counted."""
    if not isinstance(layer, keras.Layer):
        return type(layer).__name__ not in MULTIPLYING_OPERATIONS
    if isinstance(layer, _WITHOUT_WEIGHTS):
        return False
    return not layer.weights or _is_uncounted(layer) or isinstance(layer, _COUNTED)


def _is_uncounted(layer: keras.Layer) -> bool:
    named = type(layer).__module__.startswith("keras.") and type(layer).__name__
    return isinstance(layer, UNCOUNTED_WITH_WEIGHTS) or named in _UNCOUNTED_NAMES


def _split(layer: keras.Layer, shape: Shape) -> tuple[int, int]:
    """Return the number of positions and of channels of (n, ..., channels), or channels first."""
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        return prod(shape[2:]), shape[1]
    return prod(shape[1:-1]), shape[-1]


def _open_size(layer: keras.Layer, shape: Shape) -> str:
    return (
        "All sizes but the batch must be fixed. Received: layer "
        f"{layer.name!r} with input shape {shape}. Build the model with an "
        "`input_shape` without None."
    )
