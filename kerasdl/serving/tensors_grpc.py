"""TensorProtos and arrays, both ways."""

import math
from typing import Any

import numpy as np

from kerasdl.serving import dtypes
from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.signatures import Array


def read_tensor(proto: Any, max_bytes: int) -> Array:
    """Returns a TensorProto's array.

    A single value may stand for a whole tensor, so a message of a few bytes can ask for
    any size; it is checked first.

    Args:
        proto: The message.
        max_bytes: The most bytes that the array may have.

    Raises:
        Failure: If the message is no tensor, or a too large one.
    """
    import tensorflow as tf

    dtype = dtypes.from_number(proto.dtype)
    if dtype.numpy is None:
        raise Failure("UNIMPLEMENTED", f"a request cannot carry a tensor of {dtype.name}")
    if proto.tensor_shape.unknown_rank:
        raise invalid("a tensor needs a shape; received one of unknown rank")
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if len(shape) > 32 or any(size < 0 for size in shape):
        raise invalid(f"a tensor has at most 32 dimensions, none negative. Received: {shape}")
    size = math.prod(shape) * dtype.numpy.itemsize
    if size > max_bytes:
        raise invalid(f"a tensor may have at most {max_bytes} bytes. Received: shape {shape}")
    try:
        return np.asarray(tf.make_ndarray(proto))
    except (ValueError, TypeError) as error:
        raise invalid(f"a tensor of shape {shape} has other values: {error}") from None


def write_tensor(array: Array, proto: Any) -> None:
    """Fills a TensorProto with an array, in the field of its type as TensorFlow Serving does."""
    dtype = dtypes.from_array(array)
    if dtype is None:
        raise Failure("INTERNAL", f"the model returned {array.dtype}, which gRPC cannot carry")
    proto.dtype = dtype.number
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    flat = array.ravel()
    values: Any
    if dtype.field == "half_val":
        values = flat.view(np.uint16).tolist()
    elif dtype.field in ("scomplex_val", "dcomplex_val"):
        real = np.float32 if dtype.field == "scomplex_val" else np.float64
        values = flat.view(real).tolist()
    else:
        values = flat.tolist()
    getattr(proto, dtype.field).extend(values)
