"""BatchNormalization, worked into the convolutions before it: the same function, fewer passes.

In inference BatchNorm multiplies each channel by a number and adds another. Both can be
part of the convolution (Jacob et al. 2018, CVPR, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", section 3.2), which then writes its
output once, activation included, instead of Keras's BatchNormalization reading and writing it
several times, in float32 under every policy. In bfloat16 that is the difference
between slower than float32 and several times faster (benchmarks/feature_pass.py).
"""

from typing import Any

import keras
import numpy as np

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def folded(model: keras.Model) -> keras.Model:
    """Returns a copy of a model for inference, with what can be worked in.

    Weights that a 16-bit policy would convert at every call are stored in that format. What
    cannot be worked in stays as it is: BatchNorm that does not follow a convolution, or whose
    convolution has an activation or is also used by others. Two more things change nothing but
    the time they take: resizing that enlarges does not smooth, and a grouped convolution with a
    group for each channel (ConvNeXt's) is a depthwise one, 20 to 70 times faster on a CPU.

    Args:
        model: A functional or Sequential model; models inside it are copied alike. It is left as
            it is, and later changes to it do not reach the copy.

    Returns:
        A model of the same inputs and outputs. Not to be trained.
    """
    norms = _foldable(model)
    convolutions = {id(convolution): norm for norm, convolution in norms}
    replaced = {id(norm) for norm, _ in norms}
    enlarging = _enlarging(model)
    copies: list[tuple[Any, Any]] = []

    def clone(layer: Any) -> Any:
        if id(layer) in replaced:
            return _Nothing(name=layer.name, dtype=layer.dtype_policy)
        config = layer.get_config()
        if not isinstance(layer, keras.Layer):  # an operation of keras.ops
            return type(layer).from_config(config)
        if id(layer) in convolutions:
            config["use_bias"] = True
        if type(layer) in CONVOLUTIONS:
            # Stored as it is used.
            config["dtype"] = layer.compute_dtype
        if id(layer) in enlarging:
            config["antialias"] = False
        if "kernel_initializer" in config:
            # The numbers come from the model: drawing random ones would take a second.
            config["kernel_initializer"] = "zeros"
        kind: Any = type(layer)
        if _is_depthwise(layer):
            kind, config = keras.layers.DepthwiseConv2D, _depthwise(layer, config)
        copy = kind.from_config(config)
        copies.append((layer, copy))
        return copy

    copied = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for layer, copy in copies:
        norm = convolutions.get(id(layer))
        values = layer.get_weights() if norm is None else _joined(layer, norm)
        # Another shape for a grouped convolution alone, with its numbers in the same order.
        shapes = [weight.shape for weight in copy.weights]
        copy.set_weights([one.reshape(to) for one, to in zip(values, shapes, strict=True)])
    copied.trainable = False
    return copied


def _is_depthwise(layer: Any) -> bool:
    """Whether a convolution has a group for each channel, though it is not written that way."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.groups > 1
        and layer.kernel.shape[2] == 1
        and layer.data_format == "channels_last"
        and layer.strides[0] == layer.strides[1]
        and layer.dilation_rate == (1, 1)
    )


def _depthwise(layer: keras.layers.Conv2D, config: dict[str, Any]) -> dict[str, Any]:
    """Returns the configuration of the DepthwiseConv2D that is the same as a grouped one."""
    kept = ("name", "dtype", "kernel_size", "strides", "padding", "activation", "use_bias")
    return {
        **{name: config[name] for name in kept},
        "depth_multiplier": layer.filters // layer.groups,
        "depthwise_initializer": "zeros",
    }


class _Nothing(keras.layers.Layer):  # type: ignore[misc]
    """Stands where a BatchNormalization was; takes the same arguments."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def nodes(model: keras.Model) -> list[Any]:
    """Returns every call of a layer in a model and in the models inside it."""
    return [
        node for one in _models(model) for level in one._nodes_by_depth.values() for node in level
    ]


def _models(model: keras.Model) -> list[Any]:
    """Returns a model and those inside it, as functional ones."""
    inside = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    own = model._functional if isinstance(model, keras.Sequential) else model
    return [own, *(one for layer in inside for one in _models(layer))]


def _foldable(model: keras.Model) -> list[tuple[Any, Any]]:
    """Returns the pairs of a BatchNormalization and the convolution it is worked into."""
    calls: dict[int, int] = {}
    uses: dict[int, int] = {}
    of_model = nodes(model)
    for node in of_model:
        calls[id(node.operation)] = calls.get(id(node.operation), 0) + 1
        for tensor in node.input_tensors:
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    results = {id(tensor) for one in _models(model) for tensor in one.outputs}
    found = []
    for node in of_model:
        norm = node.operation
        if type(norm) is not keras.layers.BatchNormalization:
            continue
        (tensor,) = node.input_tensors
        layer = tensor._keras_history.operation
        if (
            type(layer) in CONVOLUTIONS
            and layer.activation is keras.activations.linear
            and norm.axis in (-1, len(tensor.shape) - 1)
            and getattr(layer, "data_format", "channels_last") == "channels_last"
            and uses[id(tensor)] == calls[id(layer)] == calls[id(norm)] == 1
            and id(tensor) not in results
        ):
            found.append((norm, layer))
    return found


def _enlarging(model: keras.Model) -> set[int]:
    """Returns the resizings that smooth in vain, which takes as long as a small network.

    Smoothing keeps fine patterns from turning into false ones where an image shrinks; where it
    grows, the smoothed resizing is by definition the plain one.
    """
    found = set()
    for node in nodes(model):
        layer = node.operation
        if (
            type(layer) is keras.layers.Resizing
            and layer.antialias
            and layer.interpolation == "bilinear"
            and not layer.pad_to_aspect_ratio
        ):
            before, after = node.input_tensors[0].shape[1:3], node.output_tensors[0].shape[1:3]
            if all(old <= new for old, new in zip(before, after, strict=True)):
                found.add(id(layer))
    return found


def _joined(layer: Any, norm: keras.layers.BatchNormalization) -> list[Any]:
    """Returns kernel and bias of a convolution that normalises its output by itself."""
    # In float64: the products are rounded once.
    kernel, *rest = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    mean, variance = (_numbers(one) for one in (norm.moving_mean, norm.moving_variance))
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale *= _numbers(norm.gamma)
    bias = (rest[0] if rest else 0.0) - mean
    bias = bias * scale + (_numbers(norm.beta) if norm.center else 0.0)
    if type(layer) is keras.layers.DepthwiseConv2D:
        # (height, width, channels, multiplier): output channels in the order of the last two.
        scale = scale.reshape(kernel.shape[2:])
    return [kernel * scale, bias]


def _numbers(variable: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
