"""Reading a Keras model's graph into the nodes of a chain."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras
import numpy as np

from kerasdl.training.packed.chains import INPUT, Kind, Node, penalty

_FUNCTIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
)


class Reader:
    """Collects the nodes of one model.

    Args:
        name: The model's name, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.front: list[Any] = []
        self.nodes: list[Node] = []
        self.probabilities = False
        self._foldable = False
        self._seen: set[int] = set()
        self._used: set[int] = set()

    def _fail(self, why: str) -> ValueError:
        return ValueError(f"{self.name} cannot be packed: {why}")

    def read(self, model: keras.Model) -> None:
        """Reads the whole model.

        Raises:
            ValueError: If it cannot be packed; the message says why.
        """
        end = self._walk(model, INPUT)
        if not any(node.kind == "dense" for node in self.nodes):
            raise self._fail("it has no Dense layer")
        if end != len(self.nodes) - 1 or self.nodes[end].dropout:
            raise self._fail("its output is not that of its last layer")
        if set(range(len(self.nodes) - 1)) - self._used:
            raise self._fail("a layer's output is not used")
        self._fold_softmax()
        for node in self.nodes:
            if node.activation is not None and not _is_elementwise(node.activation):
                raise self._fail(f"the activation of {node.layer.name} is not elementwise")

    def _walk(self, model: Any, start: int) -> int:
        """Reads the layers of a model whose input is the value `start`; returns its output."""
        graph = getattr(model, "_functional", None) or model
        if not model.built or not hasattr(graph, "_nodes_by_depth"):
            raise self._fail("expected a built Sequential or functional model")
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise self._fail("expected one input and one output")
        values = {id(graph.inputs[0]): start}
        by_depth = graph._nodes_by_depth
        calls = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
        uses = Counter(id(tensor) for node in calls for tensor in node.input_tensors)
        alone: set[int] = set()  # tensors that are the only name and have one use
        for node in calls:
            if node.is_input:
                continue
            sources = [id(tensor) for tensor in node.input_tensors]
            if not all(source in values for source in sources):
                raise self._fail(f"{node.operation.name} has an input of its own")
            places = tuple(values[source] for source in sources)
            self._foldable = sources[0] in alone
            result, place = id(node.outputs[0]), self._read_call(node, places)
            values[result] = place
            if uses[result] == 1 and (place not in places or sources[0] in alone):
                alone.add(result)
        return values[id(graph.outputs[0])]

    def _read_call(self, node: Any, inputs: tuple[int, ...]) -> int:
        """Reads one call of a layer; returns the place of its output."""
        layer = node.operation
        if isinstance(layer, keras.Model):
            place = self._walk(layer, inputs[0])
            self._foldable = False
            return place
        if id(layer) in self._seen:
            raise self._fail(f"the layer {layer.name} is used more than once")
        self._seen.add(id(layer))
        if isinstance(layer, keras.layers.Layer):
            self._check_layer(layer)
        if type(layer) is keras.layers.Add or _is_sum(layer):
            shapes = {tuple(tensor.shape) for tensor in node.input_tensors}
            if len(shapes) != 1 or len(inputs) != 2 or len(next(iter(shapes))) != 2:
                raise self._fail(f"{layer.name} does not add two vectors of equal shape")
            return self._append("add", None, inputs, {}, None, None)
        if len(inputs) != 1 or not isinstance(layer, keras.layers.Layer):
            raise self._fail(f"{layer.name} ({type(layer).__name__}) has no packed form")
        same = tuple(node.input_tensors[0].shape) == tuple(node.outputs[0].shape)
        return self._read_layer(layer, inputs, same, len(node.outputs[0].shape))

    def _read_layer(self, layer: Any, inputs: tuple[int, ...], same: bool, rank: int) -> int:
        """Reads a layer with one input."""
        place = inputs[0]
        if type(layer) is keras.layers.Dense and rank == 2:
            return self._read_dense(layer, inputs)
        if type(layer) is keras.layers.BatchNormalization and rank == 2:
            return self._read_norm(layer, inputs)
        if type(layer) is keras.layers.Dropout and rank == 2:
            return self._read_dropout(layer, place)
        flat = type(layer) is keras.layers.Flatten and same and rank == 2
        if type(layer) in (keras.layers.Identity, keras.layers.InputLayer) or flat:
            return place
        if type(layer) in (*_FUNCTIONS, keras.layers.Softmax) and rank == 2:
            config = {**layer.get_config(), "name": None}
            key = type(layer).__name__, _frozen(config), str(layer.compute_dtype)
            return self._append("function", layer, inputs, {}, layer.call, key)
        if place == INPUT and not self.nodes and not layer.trainable_variables:
            self.front.append(layer)
            return INPUT
        raise self._fail(f"{layer.name} ({type(layer).__name__}) has no packed form")

    def _check_layer(self, layer: Any) -> None:
        """Raises if the layer does what no packed form has."""
        random = any(
            isinstance(value, keras.random.SeedGenerator) for value in vars(layer).values()
        )
        if random and type(layer) is not keras.layers.Dropout:
            raise self._fail(f"{layer.name} ({type(layer).__name__}) is random")
        if layer.activity_regularizer is not None:
            raise self._fail(f"{layer.name} has an activity regularizer")
        if layer.variables and not layer.trainable:
            raise self._fail(f"{layer.name} is frozen")
        for variable in layer.trainable_variables:
            if variable.constraint is not None:
                raise self._fail(f"{layer.name} has a constraint")
            penalty(variable)

    def _read_dense(self, layer: Any, inputs: tuple[int, ...]) -> int:
        if layer.lora_enabled or layer.quantization_mode is not None:
            raise self._fail(f"{layer.name} is quantized or has LoRA")
        weights = {"kernel": layer.kernel} | ({"bias": layer.bias} if layer.use_bias else {})
        activation = layer.activation
        if activation is keras.activations.linear:
            activation = None
        key = function_key(activation), str(layer.compute_dtype)
        return self._append("dense", layer, inputs, weights, activation, key)

    def _read_norm(self, layer: Any, inputs: tuple[int, ...]) -> int:
        if layer.axis not in (-1, 1) or layer.synchronized or getattr(layer, "renorm", False):
            raise self._fail(f"{layer.name} is renormalised, synchronised or not over features")
        roles = ("gamma", "beta", "moving_mean", "moving_variance")
        weights = {role: getattr(layer, role) for role in roles}
        weights = {role: value for role, value in weights.items() if value is not None}
        key = layer.momentum, layer.epsilon, str(layer.compute_dtype)
        return self._append("norm", layer, inputs, weights, None, key)

    def _read_dropout(self, layer: Any, place: int) -> int:
        if layer.noise_shape is not None:
            raise self._fail(f"{layer.name} has a noise shape")
        if not layer.rate:
            return place
        if layer.rate >= 1:
            raise self._fail(f"{layer.name} drops everything")
        # Folded into the node whose output it is, unless that output is also used without it.
        if self._foldable and place >= 0 and not self.nodes[place].dropout:
            self.nodes[place] = self.nodes[place]._replace(dropout=float(layer.rate))
            return place
        place = self._append("function", layer, (place,), {}, None, "identity")
        self.nodes[place] = self.nodes[place]._replace(dropout=float(layer.rate))
        return place

    def _append(
        self,
        kind: Kind,
        layer: Any,
        inputs: tuple[int, ...],
        weights: dict[str, Any],
        activation: Any,
        key: Hashable,
    ) -> int:
        self._used.update(inputs)
        self.nodes.append(Node(kind, layer, inputs, weights, activation, 0.0, key))
        return len(self.nodes) - 1

    def _fold_softmax(self) -> None:
        """Leaves a softmax at the end out."""
        last = self.nodes[-1]
        if last.kind == "function" and _is_softmax(last.layer):
            if last.inputs != (len(self.nodes) - 2,) or self.nodes[-2].dropout:
                raise self._fail("its softmax has no packed form")
            self.nodes.pop()
            self.probabilities = True
        elif last.activation is keras.activations.softmax:
            key = function_key(None), *last.key[1:]  # type: ignore[index]
            self.nodes[-1] = last._replace(activation=None, key=key)
            self.probabilities = True


def function_key(function: Any) -> Hashable:
    """Returns what tells activation functions apart."""
    if function is None:
        return None
    try:
        return _frozen(keras.activations.serialize(function))
    except (ValueError, TypeError, AttributeError):
        return id(function)


def front_key(front: Sequence[Any]) -> Hashable:
    """Returns what must be equal for models to share their first layers."""
    return tuple(
        (
            type(layer),
            _frozen({**layer.get_config(), "name": None}),
            tuple(np.asarray(value).tobytes() for value in layer.get_weights()),
        )
        for layer in front
    )


def _is_sum(operation: Any) -> bool:
    """Whether it is what `a + b` or `keras.ops.add` of two tensors makes."""
    return type(operation).__name__ == "Add" and type(operation).__module__.startswith("keras.src")


def _is_softmax(layer: Any) -> bool:
    if type(layer) is keras.layers.Softmax:
        return layer.axis in (-1, 1)
    return getattr(layer, "activation", None) is keras.activations.softmax


def _is_elementwise(function: Callable[[Any], Any]) -> bool:
    """Whether each output depends on its own input alone, tried out on a few numbers."""
    x = np.linspace(-3.0, 3.0, 7, dtype=np.float32).reshape(1, 7)
    try:
        whole = np.asarray(keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(x))))
        parts = [function(keras.ops.convert_to_tensor(x[:, i : i + 1])) for i in range(7)]
        single = np.concatenate([keras.ops.convert_to_numpy(part) for part in parts], axis=1)
    except Exception:  # whatever a person's own function raises: it is not elementwise
        return False
    return whole.shape == x.shape and np.allclose(whole, single, rtol=1e-2, atol=1e-3)


def _frozen(value: Any) -> Hashable:
    """Returns a hashable form of a config."""
    if isinstance(value, dict):
        return tuple(sorted((str(key), _frozen(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return value if isinstance(value, Hashable) else repr(value)
