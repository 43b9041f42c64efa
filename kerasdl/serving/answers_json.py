"""A model's outputs as JSON, as TensorFlow Serving's util/json_tensor.cc writes them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from kerasdl.serving import dtypes
from kerasdl.serving.errors import invalid
from kerasdl.serving.signatures import Array
from kerasdl.serving.tensors_json import ROW

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def write_outputs(outputs: Mapping[str, Array], form: str) -> bytes:
    """Returns the body of a predict request's answer.

    Numbers are the shortest that give the same value in their type. NaN and the infinities
    are bare tokens. Strings of outputs named *_bytes are {"b64": ...}.

    Args:
        outputs: Arrays by name.
        form: `tensors_json.ROW` or `COLUMN`, as the request's.

    Raises:
        Failure: If JSON cannot carry an output, or rows were asked of outputs without the
            same first dimension.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    carried = {name: _carried(name, array) for name, array in outputs.items()}
    finite = all(np.isfinite(a).all() for a in carried.values() if a.dtype.kind == "f")
    plain: dict[str, Any] = carried
    # orjson writes the arrays as they are, but null for what is not finite.
    if not finite or any(a.dtype == object or a.ndim == 0 for a in carried.values()):
        plain = {name: listed(array) for name, array in carried.items()}
    answer: Any
    if form == ROW:
        _check_rows(outputs)
        answer = next(iter(plain.values()))
        if len(plain) > 1:
            rows = range(len(answer))
            answer = [{name: values[i] for name, values in plain.items()} for i in rows]
        return dumps({"predictions": answer}, finite)
    answer = next(iter(plain.values())) if len(plain) == 1 else plain
    return dumps({"outputs": answer}, finite)


def write_regressions(values: Array) -> bytes:
    """Returns the body of a regress request's answer: one number for each example."""
    return dumps({"results": listed(values)}, bool(np.isfinite(values).all()))


def write_classes(labels: Array | None, scores: Array | None) -> bytes:
    """Returns the body of a classify request's answer.

    Args:
        labels: bytes (examples, classes), or None for a model without labels.
        scores: float32 (examples, classes), or None for 0.
    """
    if scores is None:
        scores = np.zeros(labels.shape if labels is not None else (0, 0), np.float32)
    names = np.full(scores.shape, "", object) if labels is None else _carried("classes", labels)
    rows = [
        [list(pair) for pair in zip(*row, strict=True)]
        for row in zip(names.tolist(), listed(scores), strict=True)
    ]
    return dumps({"results": rows}, bool(np.isfinite(scores).all()))


def dumps(value: Any, finite: bool = True) -> bytes:
    """Returns JSON; `finite` says that no float in it is NaN or infinite."""
    if finite:
        return orjson.dumps(value, option=_NUMPY)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def listed(array: Array) -> Any:
    """Returns an array as nested lists, its floats as the shortest decimals of their type."""
    if array.dtype.kind != "f":
        return array.tolist()
    flat = array.ravel()
    finite = np.isfinite(flat)
    # A float32's own float() would have the digits of a double: 0.1 as 0.10000000149.
    values = np.empty(flat.size, object)
    values[:] = orjson.loads(
        orjson.dumps(np.where(finite, flat, 0).astype(array.dtype), option=_NUMPY)
    )
    values[~finite] = flat[~finite].astype(np.float64).tolist()
    return values.reshape(array.shape).tolist()


def _carried(name: str, array: Array) -> Array:
    """Returns an array of numbers, or of JSON's strings as objects."""
    dtype = dtypes.from_array(array)
    if dtype is None or dtype.kind == "":
        label = dtype.name if dtype else array.dtype
        raise invalid(f"Failed to write JSON value for tensor type: {label}")
    if dtype.name == "bfloat16":
        return array.astype(np.float32)
    if dtype.kind != "string":
        return array
    strings = np.empty(array.shape, object)
    as_bytes = name.endswith("_bytes")
    for index, value in enumerate(array.flat):
        if as_bytes:
            strings.flat[index] = {"b64": base64.b64encode(value).decode()}
            continue
        try:
            strings.flat[index] = value.decode()
        except UnicodeDecodeError:
            raise invalid(
                f"Failed to write JSON value: output '{name}' holds bytes that are not UTF-8; "
                "an output named *_bytes comes as base64"
            ) from None
    return strings


def _check_rows(outputs: Mapping[str, Array]) -> None:
    size = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if size not in (-1, len(array)):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)
