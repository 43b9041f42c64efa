"""A JSON document's values as the arrays of a signature: row and column format.

What is accepted, and what the messages say, follows TensorFlow Serving's
util/json_tensor.cc. Values first take a fast way through NumPy, which can only ever
accept what the exact way (exact_json.py) accepts; whatever is unusual goes there.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from kerasdl.serving import exact_json
from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.exact_json import is_base64, plain_bytes, quoted
from kerasdl.serving.limits import Text
from kerasdl.serving.signatures import Array, Arrays, Spec

ROW, COLUMN = "row", "column"

_LOOKED_AT = 2**16
"""Bytes of a request from which on the types of its values are looked at first: of numbers and
one string NumPy would make strings of 128 bytes each."""

_EXACT = 2**18
"""Bytes of a request above which what is wrong with it is not looked for value by value."""


def read_inputs(
    document: Mapping[str, Any], specs: Mapping[str, Spec], text: Text
) -> tuple[Arrays, str]:
    """Returns a predict request's inputs, and the format of the request.

    Args:
        document: The JSON object of the request.
        specs: The signature's inputs by name, sorted.
        text: What is known of the text that it was parsed from.

    Raises:
        Failure: As upstream does, besides for numbers outside an integer type's range; of a
            large request the message says less, because to find the place takes long.
    """
    if "instances" in document:
        if "inputs" in document:
            raise _not_one_of(document)
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid(_value(document), "Expecting 'instances' to be an list/array")
        if not instances:
            raise invalid(_value(document), "No values in 'instances' array")
        arrays = _fast_rows(instances, specs, text)
        if arrays is None:
            _check_small(text, ",".join(specs))
            arrays = exact_json.rows(instances, specs)
        return arrays, ROW
    if "inputs" in document:
        return _columns(document["inputs"], specs, text), COLUMN
    raise invalid("Missing 'inputs' or 'instances' key")


def _fast_rows(instances: list[Any], specs: Mapping[str, Spec], text: Text) -> Arrays | None:
    first = instances[0]
    if isinstance(first, dict) and not is_base64(first):
        names = specs.keys()
        if not all(isinstance(row, dict) and row.keys() == names for row in instances):
            return None
        columns = {name: [row[name] for row in instances] for name in names}
    elif len(specs) == 1:
        columns = {next(iter(specs)): instances}
    else:
        return None
    arrays: Arrays = {}
    for name, values in columns.items():
        array = _fast(values, specs[name], text)
        if array is None:
            return None
        arrays[name] = array
    return arrays


def _columns(inputs: Any, specs: Mapping[str, Spec], text: Text) -> Arrays:
    if not isinstance(inputs, dict) or is_base64(inputs):
        if len(specs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        inputs = {next(iter(specs)): inputs}
    arrays: Arrays = {}
    for name, spec in specs.items():
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        array = _fast(inputs[name], spec, text)
        if array is None:
            _check_small(text, name)
            array = exact_json.tensor(inputs[name], spec)
        arrays[name] = array
    return arrays


def _fast(values: Any, spec: Spec, text: Text) -> Array | None:
    """Returns the array of nested lists, or None where the exact way has to decide."""
    if not isinstance(values, list):
        return None
    plain = spec.dtype.kind in ("int", "float") and spec.dtype.name != "uint8"
    if plain and not text.literals and text.size < _LOOKED_AT:
        try:
            return _numbers(np.array(values), spec)
        except (ValueError, OverflowError, RecursionError):
            return None
    nested = _flatten(values)
    if nested is None:
        return None
    flat, shape = nested
    try:
        array = _flat_array(flat, spec, text)
    except (Failure, TypeError, ValueError, OverflowError):
        return None
    return None if array is None else array.reshape(shape)


def _flat_array(flat: list[Any], spec: Spec, text: Text) -> Array | None:
    """Raises TypeError, ValueError or a failure, or returns None, for what is unusual."""
    kind = spec.dtype.kind
    if kind == "string":
        array = np.empty(len(flat), object)
        array[:] = [v.encode() if type(v) is str else plain_bytes(v) for v in flat]
        return array
    if kind == "":
        return None
    if kind == "bool" or text.literals or text.size >= _LOOKED_AT:
        types = set(map(type, flat))
        if not types <= ({bool} if kind == "bool" else {int, float}):
            return None
    if spec.dtype.name == "uint8":
        # Twice as fast as NumPy, which looks for the type first.
        return np.frombuffer(bytes(flat), np.uint8)
    return np.array(flat) if kind == "bool" else _numbers(np.array(flat), spec)


def _numbers(array: Array, spec: Spec) -> Array | None:
    if array.ndim > exact_json.MAX_RANK or not array.size:
        return None
    if spec.dtype.kind == "float":
        if array.dtype.kind not in "iuf":
            return None
        with np.errstate(over="ignore"):  # beyond the type's range is infinity, as upstream
            return array.astype(spec.dtype.numpy, copy=False)
    if array.dtype.kind not in "iu":
        return None
    limits = np.iinfo(spec.dtype.numpy)
    if array.min() < limits.min or array.max() > limits.max:
        return None
    return array.astype(spec.dtype.numpy, copy=False)


def _flatten(values: list[Any]) -> tuple[list[Any], list[int]] | None:
    """Returns the values of nested lists in a row and the lists' shape; None if ragged."""
    shape = [len(values)]
    while values and isinstance(values[0], list):
        length = len(values[0])
        if len(shape) >= exact_json.MAX_RANK or not all(
            type(row) is list and len(row) == length for row in values
        ):
            return None
        shape.append(length)
        values = list(chain.from_iterable(values))
    return (values, shape) if values else None


def _check_small(text: Text, name: str) -> None:
    if text.size > _EXACT:
        raise invalid(
            f"the values of input '{name}' are not a regular array of the expected type: lists "
            "differ in length, or a value in its type or range. A smaller request is told which"
        )


def _value(document: Any) -> str:
    return f"JSON Value: {quoted(document)} "


def _not_one_of(document: Any) -> Failure:
    return invalid(
        _value(document),
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
    )
