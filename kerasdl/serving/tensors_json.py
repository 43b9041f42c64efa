"""A JSON document's values as the arrays of a signature: row and column format.

What is accepted, and what the messages say, follows TensorFlow Serving's
util/json_tensor.cc. Values first take a fast way through NumPy, which can only ever
accept what the exact way (exact_json.py) accepts; whatever is unusual goes there.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasdl.serving import exact_json
from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.exact_json import is_base64, plain_bytes, quoted
from kerasdl.serving.signatures import Array, Arrays, Spec

ROW, COLUMN = "row", "column"


def read_inputs(
    document: Mapping[str, Any], specs: Mapping[str, Spec], literals: bool
) -> tuple[Arrays, str]:
    """Returns a predict request's inputs, and the format of the request.

    Args:
        document: The JSON object of the request.
        specs: The signature's inputs by name, sorted.
        literals: Whether true, false or null occurs anywhere in the text, which NumPy
            would take for numbers.

    Raises:
        Failure: As upstream does, besides for numbers outside an integer type's range.
    """
    if "instances" in document:
        if "inputs" in document:
            raise _not_one_of(document)
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid(_value(document), "Expecting 'instances' to be an list/array")
        if not instances:
            raise invalid(_value(document), "No values in 'instances' array")
        fast = None if literals else _fast_rows(instances, specs)
        return (exact_json.rows(instances, specs) if fast is None else fast), ROW
    if "inputs" in document:
        return _columns(document["inputs"], specs, literals), COLUMN
    raise invalid("Missing 'inputs' or 'instances' key")


def _fast_rows(instances: list[Any], specs: Mapping[str, Spec]) -> Arrays | None:
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
        array = _fast(values, specs[name])
        if array is None:
            return None
        arrays[name] = array
    return arrays


def _columns(inputs: Any, specs: Mapping[str, Spec], literals: bool) -> Arrays:
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
        fast = None if literals else _fast(inputs[name], spec)
        arrays[name] = exact_json.tensor(inputs[name], spec) if fast is None else fast
    return arrays


def _fast(values: Any, spec: Spec) -> Array | None:
    """Returns the array of nested lists, or None where the exact way has to decide."""
    kind = spec.dtype.kind
    if kind == "string":
        return _fast_strings(values)
    if kind not in ("int", "float") or not isinstance(values, list):
        return None
    try:
        array = np.array(values)
    except (ValueError, OverflowError, RecursionError):
        return None
    if array.ndim > exact_json.MAX_RANK or not array.size:
        return None
    if kind == "float":
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


def _fast_strings(values: Any) -> Array | None:
    """The common case of strings: a flat list."""
    if not isinstance(values, list) or not values:
        return None
    array = np.empty(len(values), object)
    for index, value in enumerate(values):
        if isinstance(value, list):
            return None
        try:
            array[index] = plain_bytes(value)
        except Failure:
            return None
    return array


def _value(document: Any) -> str:
    return f"JSON Value: {quoted(document)} "


def _not_one_of(document: Any) -> Failure:
    return invalid(
        _value(document),
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
    )
