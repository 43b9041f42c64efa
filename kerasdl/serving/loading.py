"""A version's folder becomes a servable: checked, loaded, and warmed up before it is served."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl.serving import card, integrity, scan, warmup
from kerasdl.serving.errors import Failure
from kerasdl.serving.signatures import DEFAULT, INITIALISER, Signature

TAG = "serve"


class Servable:
    """One loaded version of a model.

    Args:
        model: The model's name.
        version: The version's number.
        signatures: Its signatures by name.
        definitions: All SignatureDefs of the graph, those that no request can call included.
        loaded: What TensorFlow loaded; it owns the weights.
        class_names: The names of its classes; [] when nobody has told them.
    """

    def __init__(
        self,
        model: str,
        version: int,
        signatures: dict[str, Signature],
        definitions: dict[str, Any],
        loaded: Any,
        class_names: list[str],
    ) -> None:
        self.model = model
        self.version = version
        self.signatures = signatures
        self.definitions = definitions
        self.loaded = loaded
        self.class_names = class_names
        self.leases = 0
        """Requests that use it now; counted on the event loop alone."""

    def signature(self, name: str) -> Signature:
        """Returns a signature; "" is the default one.

        Raises:
            Failure: If there is none of that name, or no request can carry its tensors.
        """
        found = self.signatures.get(name or DEFAULT)
        if found is None:
            raise Failure(
                "INVALID_ARGUMENT",
                f'Serving signature name: "{name or DEFAULT}" not found in signature def',
            )
        found.usable()
        return found

    def for_images(self) -> str | None:
        """Returns the name of a signature that takes encoded images and nothing else."""
        for name, signature in self.signatures.items():
            inputs = list(signature.inputs.values())
            if len(inputs) == 1 and inputs[0].dtype.kind == "string" and "image" in inputs[0].name:
                return name
        return None


def load(
    model: str, version: int, folder: Path, sizes: Sequence[int], allowed: Sequence[str]
) -> tuple[Servable, float]:
    """Loads one version.

    Args:
        model: The model's name.
        version: The version's number.
        folder: Its folder.
        sizes: The batch sizes to warm up.
        allowed: Operations that the model may have though they reach out of it.

    Returns:
        The servable and the seconds that all of it took.

    Raises:
        ValueError: If the folder is damaged, or the model does more than compute.
        OSError: If it cannot be read.
        Exception: Whatever TensorFlow raises for a model that it cannot load, and what its
            own warm-up requests raise.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    began = time.monotonic()
    findings = [one for one in scan.scan(folder) if one.operation not in allowed]
    if findings:
        listed = ", ".join(sorted({f"{one.operation} ({one.reason})" for one in findings}))
        raise ValueError(
            f"expected a model that only computes. Received: one with {listed}. If you trust "
            "it, name them in --allow-operations"
        )
    its_card = card.read(folder)
    integrity.check(folder, its_card)
    graph = _graph(saved_model_pb2.SavedModel.FromString((folder / scan.FILE).read_bytes()))
    loaded = tf.saved_model.load(str(folder), tags=[TAG])
    definitions = {name: graph.signature_def[name] for name in sorted(graph.signature_def)}
    signatures = {
        name: Signature(name, definition, loaded.signatures[name])
        for name, definition in definitions.items()
        if name != INITIALISER and name in loaded.signatures
    }
    if not signatures:
        raise ValueError(
            "expected a model with a signature to serve. Received: one without; give "
            "`signatures=` when it is saved"
        )
    names = card.class_names(its_card)
    servable = Servable(model, version, signatures, definitions, loaded, names)
    warmup.warm(servable, folder, sizes)
    return servable, time.monotonic() - began


def _graph(model: Any) -> Any:
    for graph in model.meta_graphs:
        if list(graph.meta_info_def.tags) == [TAG]:
            return graph
    tags = sorted({",".join(graph.meta_info_def.tags) or "none" for graph in model.meta_graphs})
    raise ValueError(f'expected a graph with the tag "{TAG}". Received: {"; ".join(tags)}')
