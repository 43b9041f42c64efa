"""Where a model uses which layer, and with which shapes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

Shape = tuple[Any, ...]

# Operations (Keras functions used as graph nodes) that would multiply-accumulate without being a
# layer, and so would be missed.
MULTIPLYING_OPERATIONS = frozenset({
    "BatchedDot", "Conv", "ConvTranspose", "DepthwiseConv", "Dot", "DotProductAttention", "Einsum",
    "Inner", "Matmul", "SeparableConv", "Tensordot", "Vdot",
})  # fmt: skip


@dataclass(frozen=True)
class Use:
    """One use of a layer or an operation.

    Args:
        layer: the layer or operation.
        input_shape: (n, ...) of its first input there; () where it has none.
        output_shape: (n, ...) of its output there.
    """

    layer: Any
    input_shape: Shape
    output_shape: Shape


def uses(model: keras.Model, *, strict: bool = True) -> Iterator[Use]:
    """Yield each use of each layer, those of models inside the model too.

    A layer's own `input` is that of its first use anywhere, maybe in another model and of another
    size; the model's config records each use in this model.

    Args:
        model: a built functional or Sequential model.
        strict: refuse operations that multiply; otherwise yield all operations among the layers.

    Raises:
        ValueError: the model is of another kind, uses a model inside it at another size than it
            was built for, or (strict) an operation multiplies.
    """
    if isinstance(model, keras.Sequential):
        shape = tuple(model.input_shape)
        for layer in model.layers:
            # Also of a person's own layer, which mostly has no compute_output_shape.
            after = tuple(layer.compute_output_spec(keras.KerasTensor(shape)).shape)
            yield from _opened(Use(layer, shape, after), strict)
            shape = after
        return
    # A subclassed model has no such config: its `call` is plain Python.
    config = model.get_config() if hasattr(model, "operations") else {}
    if config.get("layers") is None:
        raise ValueError(
            "Expected a functional or Sequential model. "
            f"Received: {model.name!r} of type {type(model).__name__}."
        )
    outputs = _output_shapes(model, config)
    by_name = {operation.name: operation for operation in model.operations}
    for entry in config["layers"]:
        name = entry["config"]["name"]
        operation = by_name[name]
        multiplies = type(operation).__name__ in MULTIPLYING_OPERATIONS
        if strict and multiplies and not isinstance(operation, keras.Layer):
            raise ValueError(
                "Multiply-accumulates are counted in layers. Received: operation "
                f"{operation.name!r} of type {type(operation).__name__}. Use a layer for it."
            )
        for index, node in enumerate(entry["inbound_nodes"]):
            shapes = [tensor["config"]["shape"] for tensor in _tensors(node)]
            use = Use(
                operation,
                tuple(shapes[0]) if shapes else (),
                outputs.get((name, index)) or tuple(operation.output.shape),
            )
            if isinstance(operation, keras.Layer):
                yield from _opened(use, strict)
            elif not strict:
                yield use


def _opened(use: Use, strict: bool) -> Iterator[Use]:
    layer, shape = use.layer, use.input_shape
    if not isinstance(layer, keras.Model):
        yield use
        return
    if shape[1:] != tuple(layer.input_shape)[1:]:
        raise ValueError(
            "A model inside a model must be used at the size it was built for, "
            f"{tuple(layer.input_shape)}. Received: {layer.name!r} used at {shape}."
        )
    yield from uses(layer, strict=strict)


def _output_shapes(model: keras.Model, config: dict[str, Any]) -> dict[tuple[str, int], Shape]:
    """Return the shape of what each use hands on, by the layer's name and the use's number.

    Whoever takes a tensor records where it came from; the model's own outputs nobody takes.
    """
    found = {
        tuple(tensor["config"]["keras_history"][:2]): tuple(tensor["config"]["shape"])
        for entry in config["layers"]
        for node in entry["inbound_nodes"]
        for tensor in reversed(_tensors(node))
    }
    for end, tensor in _ends(config["output_layers"], model.output):
        found[end[0], end[1]] = tuple(tensor.shape)
    return found


def _ends(ends: Any, outputs: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each output's [name, use, tensor] with its tensor; both may be nested alike."""
    if isinstance(ends, dict):
        for key, end in ends.items():
            yield from _ends(end, outputs[key])
    elif ends and isinstance(ends[0], str):
        # One output is recorded without the list that the model may have it in.
        yield ends, outputs[0] if isinstance(outputs, list | tuple) else outputs
    else:
        tensors = outputs if isinstance(outputs, list | tuple) else [outputs]
        for end, tensor in zip(ends, tensors, strict=True):
            yield from _ends(end, tensor)


def _tensors(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tensors that a call was given, in their order."""
    tensors: list[dict[str, Any]] = []
    found = [*node["args"], *node["kwargs"].values()]
    while found:
        argument = found.pop(0)
        if isinstance(argument, list | tuple):
            found = [*argument, *found]
        elif isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
            tensors.append(argument)
    return tensors
