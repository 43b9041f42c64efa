"""What a SavedModel could do besides computing, found without loading it.

A SavedModel is a program: its graph may read and write files or call Python. The scan parses
saved_model.pb, in which that program is, and looks at every node of every graph and of every
function of their libraries; functions called by functions are in the library too. Nothing in
the folder is run, and no weight is read.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kerasdl.quiet import quiet_start
from kerasdl.serving.operations import CHECKPOINT, REASONS

FILE = "saved_model.pb"
MAX_BYTES = 2**30
"""A graph is small beside its weights; parsing one takes several times its size in memory."""

SHOWN = 5


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One operation that reaches out of the model.

    Args:
        operation: TensorFlow's name of it, e.g. "ReadFile".
        place: The function it is in; "" for the graph itself.
        node: The node's name.
        reason: What it can do, e.g. "opens files".
    """

    operation: str
    place: str
    node: str
    reason: str


def scan(folder: Path) -> list[Finding]:
    """Lists the operations of a SavedModel that reach out of it.

    Args:
        folder: One version's folder, with saved_model.pb in it.

    Returns:
        The findings, sorted; [] for a model that only computes.

    Raises:
        FileNotFoundError: If there is no saved_model.pb.
        ValueError: If it cannot be read as a SavedModel, or the folder has the graph in
            another form too, which is not scanned.
    """
    content = _read(folder)
    # TensorFlow's own definition of the format, so that the scan reads what the loader reads.
    with quiet_start():
        from google.protobuf.message import DecodeError
        from tensorflow.core.protobuf import saved_model_pb2
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(f"{folder / FILE} is no SavedModel: {error}") from None
    if not model.meta_graphs:
        raise ValueError(f"{folder / FILE} is no SavedModel: it has no graph")
    return sorted({finding for graph in model.meta_graphs for finding in _findings(graph)})


def check(folder: Path) -> None:
    """Refuses a SavedModel that does anything else than compute.

    Args:
        folder: One version's folder.

    Raises:
        FileNotFoundError, ValueError: As `scan`; and ValueError for a model with findings, the
            first of which the message names.
    """
    found = scan(folder)
    if not found:
        return
    listed = [f"{one.operation} ({one.reason}){_where(one)}" for one in found[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise ValueError(
        f"expected a SavedModel that only computes. Received: {folder}, which has "
        f"{'; '.join(listed)}{more}"
    )


def _where(finding: Finding) -> str:
    return f" in the function {finding.place}" if finding.place else ""


def _read(folder: Path) -> bytes:
    others = [name for name in ("saved_model.pbtxt", "saved_model.cpb") if (folder / name).exists()]
    if others:
        raise ValueError(
            f"expected a SavedModel as {FILE} alone. Received: {folder}, with {', '.join(others)}"
        )
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"expected a SavedModel. Received: {folder}, without {FILE}")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} must have at most {MAX_BYTES} bytes. Received: more")
    return content


def _findings(graph: Any) -> Iterator[Finding]:
    functions = {one.signature.name: one for one in graph.graph_def.library.function}
    own_nodes, own_functions = _checkpointing(graph, functions)
    for node in graph.graph_def.node:
        yield from _judge(node, "", checkpoint=node.name in own_nodes)
    for name, function in functions.items():
        arguments = {argument.name for argument in function.signature.input_arg}
        for node in function.node_def:
            # The file's name must be what the loader passes, not one that the model brings.
            restores = node.op.startswith("Restore")
            given = not restores or (node.input and node.input[0] in arguments)
            yield from _judge(node, name, checkpoint=name in own_functions and bool(given))


def _judge(node: Any, place: str, *, checkpoint: bool) -> Iterator[Finding]:
    if node.op in REASONS:
        if node.op in ("DecodeProtoV2", "EncodeProto") and _text(node, "descriptor_source") in (
            "",
            "local://",
        ):
            return
        yield Finding(node.op, place, node.name, REASONS[node.op])
    elif node.op in CHECKPOINT and not checkpoint:
        yield Finding(node.op, place, node.name, "reads or writes weights of its own choice")
    elif node.op == "PrintV2" and _text(node, "output_stream").startswith("file:"):
        yield Finding(node.op, place, node.name, "writes to a file")


def _text(node: Any, name: str) -> str:
    return str(node.attr[name].s.decode(errors="replace")) if name in node.attr else ""


def _checkpointing(graph: Any, functions: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Returns the nodes and functions that only save and restore the model's own weights.

    They are what the saver reaches, without what anything else does: a signature, what runs
    when the model is loaded, or an object that calls a function by its name.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    saver = graph.saver_def
    inside = _behind([saver.save_tensor_name, saver.restore_op_name], nodes)
    outside = _behind(_outputs(graph), nodes)
    called = set(graph.object_graph_def.concrete_functions)
    called |= {name for name in _calls(nodes[name] for name in outside) if name in functions}
    helped = {name for name in _calls(nodes[name] for name in inside) if name in functions}
    return inside - outside, _within(helped, functions) - _within(called, functions)


def _outputs(graph: Any) -> Iterator[str]:
    for signature in graph.signature_def.values():
        for tensor in signature.outputs.values():
            yield tensor.name
            for part in tensor.composite_tensor.components:
                yield part.name
    for collection in graph.collection_def.values():
        yield from collection.node_list.value


def _behind(ends: Iterable[str], nodes: dict[str, Any]) -> set[str]:
    """Returns the names of the nodes that must run for some tensors or operations."""
    todo, found = list(ends), set()
    while todo:
        name = todo.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            todo += nodes[name].input
    return found


def _calls(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        yield node.op
        for value in node.attr.values():
            yield value.func.name
            yield from (function.name for function in value.list.func)


def _within(names: set[str], functions: dict[str, Any]) -> set[str]:
    """Returns some functions and all that they call."""
    todo, found = list(names), set()
    while todo:
        name = todo.pop()
        if name in functions and name not in found:
            found.add(name)
            todo += _calls(functions[name].node_def)
    return found
