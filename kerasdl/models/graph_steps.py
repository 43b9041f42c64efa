"""What is known of each tensor of a model: whether it holds maps, and where their cells lie."""

from dataclasses import dataclass
from typing import Any

import keras

from kerasdl.models.cell_centres import PIXELS, Axis, moved

# Layers and plain operations that are nothing else; others have an `activation`.
_ACTIVATIONS = {"relu", "relu6", "leakyrelu", "prelu", "elu", "silu", "gelu", "hardswish"}


@dataclass(frozen=True)
class Step:
    """One use of an operation in a model, and what is known of the tensor that it makes.

    Args:
        operation: the layer or plain operation.
        inputs: the tensors that it takes.
        output: the tensor that it makes.
        convolved: whether that holds maps of a convolution.
        activated: whether the maps went through a function that is not linear.
        centres: by axis, where the centre of the first cell lies and how far it is to the next, in
            pixels; None for what are no cells.
        cut: whether all that the model answers passes through the tensor.
    """

    operation: Any
    inputs: list[Any]
    output: Any
    convolved: bool
    activated: bool
    centres: tuple[Axis, Axis] | None
    cut: bool


def steps_of(model: Any, centres: tuple[Axis, Axis]) -> list[Step]:
    """Return the uses of operations between a model's input and its output, in order.

    Args:
        model: a functional or Sequential model with one output.
        centres: where the cells of its input lie.
    """
    nodes = _nodes(model.outputs[0])
    place = {id(output): i for i, (_, _, output) in enumerate(nodes)}
    # The last step that takes each tensor: one that is handed past a step goes around it.
    last = list(range(len(nodes)))
    for i, (_, inputs, _) in enumerate(nodes):
        for tensor in inputs:
            last[place[id(tensor)]] = i
    steps: list[Step] = []
    reach = 0
    for i, (operation, inputs, output) in enumerate(nodes):
        before = [steps[place[id(tensor)]] for tensor in inputs]
        cut = reach <= i
        reach = max(reach, last[i])
        start = centres if not inputs else None
        convolved = start is None and _is_convolved(operation, before, output)
        found = start or _centres(operation, before, output)
        activated = convolved and _is_activated(operation, before)
        steps.append(Step(operation, inputs, output, convolved, activated, found, cut))
    return steps


def is_graph(operation: Any) -> bool:
    """Whether this is a model whose layers' uses are known: a subclassed one is plain Python."""
    functional = isinstance(operation, keras.Model) and hasattr(operation, "operations")
    return functional or (isinstance(operation, keras.Sequential) and operation.built)


def side_of(step: Step) -> tuple[int, int]:
    """Return the number of rows and columns of the maps that a step makes."""
    rows, columns = step.output.shape[1:3]
    return int(rows), int(columns)


def _nodes(output: Any) -> list[tuple[Any, list[Any], Any]]:
    """Return (operation, inputs, output) of all that leads to a tensor, what comes first first."""
    found: list[tuple[Any, list[Any], Any]] = []
    seen: set[int] = set()
    waiting = [(output, False)]
    while waiting:
        tensor, ready = waiting.pop()
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if ready:
            found.append((operation, list(node.input_tensors), tensor))
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            waiting.append((tensor, True))
            waiting += [(one, False) for one in node.input_tensors]
    return found


def _is_convolved(operation: Any, before: list[Step], output: Any) -> bool:
    """Whether a tensor holds maps of a convolution, perhaps normalised, activated or added up.

    Whatever else changes the number of cells (pooling, padding) ends them, until the next
    convolution.
    """
    if len(output.shape) < 4 or None in output.shape[1:3]:
        return False
    if is_graph(operation):
        return steps_of(operation, PIXELS)[-1].convolved
    if hasattr(operation, "kernel_size"):
        return True
    return any(one.convolved and side_of(one) == tuple(output.shape[1:3]) for one in before)


def _is_activated(operation: Any, before: list[Step]) -> bool:
    """Whether maps went through a function that is not linear, and since then were put together."""
    if type(operation).__name__.lower() in _ACTIVATIONS:
        return True
    function = getattr(operation, "activation", None)
    if function is not None and function is not keras.activations.linear:
        return True
    # Side by side, shuffled or added up they stay so; with weights something new begins.
    return not getattr(operation, "weights", ()) and all(one.activated for one in before)


def _centres(operation: Any, before: list[Step], output: Any) -> tuple[Axis, Axis] | None:
    """Return where the cells of a tensor lie, None for what are no cells."""
    # A fifth axis is one of groups of channels, on the way through a shuffle.
    if len(output.shape) < 4 or None in output.shape[1:3]:
        return None
    size = tuple(int(side) for side in output.shape[1:3])
    known = [one for one in before if one.centres is not None]
    # A scale for each channel (1x1) is multiplied with maps: these say where the product lies.
    from_ = next((one for one in known if side_of(one) == size), known[0] if known else None)
    if from_ is None or from_.centres is None:
        return None
    if is_graph(operation):
        return steps_of(operation, from_.centres)[-1].centres
    vertical, horizontal = (
        moved(operation, axis, from_.centres[axis], side_of(from_)[axis], size[axis])
        for axis in (0, 1)
    )
    return vertical, horizontal
