"""Requests that TensorFlow Serving runs before it says that a model is ready.

They are records of the message PredictionLog (tensorflow/serving, apis/prediction_log.proto,
predict.proto and model.proto), read from assets.extra/tf_serving_warmup_requests. Of these
messages four fields are needed, which are written here by themselves: the package with the
definitions would be needed for nothing else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

PLACE = Path("assets.extra", "tf_serving_warmup_requests")


def write(
    folder: Path, name: str, requests: Sequence[tuple[str, Mapping[str, "npt.ArrayLike"]]]
) -> None:
    """Writes the requests into a SavedModel's folder.

    Args:
        folder: The SavedModel's folder.
        name: The model's name.
        requests: Signature and inputs by name, of each; TensorFlow Serving takes 1000 at most.
    """
    import tensorflow as tf

    path = folder / PLACE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            writer.write(prediction_log(name, signature, inputs))


def prediction_log(name: str, signature: str, inputs: Mapping[str, "npt.ArrayLike"]) -> bytes:
    """Returns a PredictionLog with a PredictLog with a PredictRequest.

    Args:
        name: The model's name.
        signature: The signature's name.
        inputs: Arrays by name.
    """
    import tensorflow as tf

    model_spec = _field(1, name.encode()) + _field(3, signature.encode())
    request = _field(1, model_spec)
    for key, value in inputs.items():
        tensor: Any = tf.make_tensor_proto(value)
        request += _field(2, _field(1, key.encode()) + _field(2, tensor.SerializeToString()))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """Returns a field of bytes in the wire format of Protocol Buffers."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
