"""TensorFlow's element types by their numbers, names and NumPy counterparts."""

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np


class DType(NamedTuple):
    """One element type.

    Args:
        number: Its number in TensorFlow's types.proto.
        name: As TensorFlow's messages call it.
        numpy: Its type in NumPy; None when a request cannot carry it.
        kind: "float", "int", "bool", "string", or "" for what JSON cannot carry.
        field: The field of a TensorProto that holds its values.
    """

    number: int
    name: str
    numpy: Any
    kind: str
    field: str


_TYPES = (
    DType(1, "float", np.dtype(np.float32), "float", "float_val"),
    DType(2, "double", np.dtype(np.float64), "float", "double_val"),
    DType(3, "int32", np.dtype(np.int32), "int", "int_val"),
    DType(4, "uint8", np.dtype(np.uint8), "int", "int_val"),
    DType(5, "int16", np.dtype(np.int16), "int", "int_val"),
    DType(6, "int8", np.dtype(np.int8), "int", "int_val"),
    DType(7, "string", np.dtype(object), "string", "string_val"),
    DType(8, "complex64", np.dtype(np.complex64), "", "scomplex_val"),
    DType(9, "int64", np.dtype(np.int64), "int", "int64_val"),
    DType(10, "bool", np.dtype(np.bool_), "bool", "bool_val"),
    DType(14, "bfloat16", np.dtype(ml_dtypes.bfloat16), "float", "half_val"),
    DType(17, "uint16", np.dtype(np.uint16), "int", "int_val"),
    DType(18, "complex128", np.dtype(np.complex128), "", "dcomplex_val"),
    DType(19, "half", np.dtype(np.float16), "float", "half_val"),
    DType(22, "uint32", np.dtype(np.uint32), "int", "uint32_val"),
    DType(23, "uint64", np.dtype(np.uint64), "int", "uint64_val"),
)
BY_NUMBER = {dtype.number: dtype for dtype in _TYPES}
_BY_NUMPY = {dtype.numpy: dtype for dtype in _TYPES}


def from_number(number: int) -> DType:
    """Returns the type of a number of types.proto; `numpy` is None for those we know not."""
    return BY_NUMBER.get(number) or DType(number, f"type {number}", None, "", "")


def from_array(array: Any) -> DType | None:
    """Returns the type of an array's elements; strings are arrays of objects."""
    return _BY_NUMPY.get(array.dtype)
