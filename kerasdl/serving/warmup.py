"""The first calls of a model, slow as they are, made before any client waits for them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasdl.serving.errors import Failure, from_exception
from kerasdl.serving.signatures import Arrays, Signature
from kerasdl.serving.tensors_grpc import read_tensor

if TYPE_CHECKING:
    from kerasdl.serving.loading import Servable

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MOST = 1000
"""Requests in the file, as in TensorFlow Serving."""

_MAX_BYTES = 2**28
_OF_THE_DATA = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND")


def batch_sizes(most: int) -> list[int]:
    """Returns the powers of two up to `most`, and `most` itself."""
    sizes = [1 << power for power in range(most.bit_length())]
    return sizes if sizes[-1] == most else [*sizes, most]


def warm(servable: "Servable", folder: Path, sizes: Sequence[int]) -> None:
    """Calls every signature with every batch size.

    The requests that came with the model go first, and must succeed. Without one for a
    signature zeros are sent where its shapes say enough; that the model may refuse.

    Args:
        servable: The loaded version.
        folder: Its folder; `assets.extra` in it may have requests (a TFRecord file of
            PredictionLog messages, as TensorFlow Serving reads it).
        sizes: The batch sizes.

    Raises:
        ValueError: If the file of requests is damaged.
        Exception: Whatever the model raises for a request of its own.
    """
    examples: dict[str, Arrays] = {}
    for name, inputs in _requests(folder / FILE):
        signature = servable.signature(name)
        checked, _, _ = signature.check(inputs, _MAX_BYTES)
        signature.run(checked)
        examples.setdefault(signature.name, checked)
    for signature in servable.signatures.values():
        try:
            signature.usable()
        except Failure:
            continue
        _warm_sizes(signature, examples.get(signature.name), sizes)


def _warm_sizes(signature: Signature, example: Arrays | None, sizes: Sequence[int]) -> None:
    for size in sizes if signature.batchable else [1]:
        if example is None:
            inputs = signature.blank(size)
        elif signature.batchable:
            inputs = {name: _repeat(array, size) for name, array in example.items()}
        else:
            inputs = example
        if inputs is None:
            return
        try:
            outputs = signature.run(inputs)
        except Exception as error:
            if example is None and from_exception(error).code in _OF_THE_DATA:
                return  # zeros are not what this model takes
            raise
        if any(len(array) != size for array in outputs.values() if signature.batchable):
            signature.batchable = False  # its rows are not the examples
            return


def _repeat(array: Any, size: int) -> Any:
    return np.take(array, np.arange(size) % len(array), axis=0) if len(array) else array


def _requests(path: Path) -> Iterator[tuple[str, Arrays]]:
    """Yields signature and inputs of each recorded request; other kinds are passed over."""
    if not path.is_file():
        return
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    # Damaged records end in tf.errors.DataLossError.
    for count, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
        if count >= MOST:
            raise ValueError(f"{FILE} must have at most {MOST} requests. Received: more")
        try:
            log = prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError as error:
            raise ValueError(f"{FILE}: record {count} is no PredictionLog: {error}") from None
        if log.WhichOneof("log_type") != "predict_log":
            continue
        request = log.predict_log.request
        inputs = {name: read_tensor(value, _MAX_BYTES) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name, inputs
