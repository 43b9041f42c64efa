"""The exact way from JSON values to arrays, value by value, with upstream's messages.

Follows TensorFlow Serving's util/json_tensor.cc, and is stricter in one point: an integer
must lie in the range of its type.
"""

import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.signatures import Array, Arrays, Spec

MAX_RANK = 32
"""Deeper lists than this are no tensor of any model."""

_SHOWN = 256


def rows(instances: list[Any], specs: Mapping[str, Spec]) -> Arrays:
    """Returns the arrays of the row format; see `tensors_json.read_inputs`."""
    first = instances[0]
    if not isinstance(first, dict) and len(specs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    objects = isinstance(first, dict) and not is_base64(first)
    columns: dict[str, list[Array]] = {name: [] for name in specs}
    for index, row in enumerate(instances):
        named = isinstance(row, dict) and not is_base64(row)
        if objects and not named:
            raise invalid(f"Expecting object but got list at item {index} of input list")
        if named and not objects:
            raise invalid(f"Expecting value/list but got object at item {index} of input list")
        if not objects:
            row = {next(iter(specs)): row}
        for name, value in row.items():
            key = f" key: {name}" if objects else ""
            try:
                _add_row(columns, name, value, specs)
            except Failure as failure:
                raise Failure(
                    "INVALID_ARGUMENT",
                    f"Failed to process element: {index}{key} of 'instances' list. "
                    f"Error: {failure.code}: {failure.message}",
                    failure.http,
                ) from None
        if row.keys() != specs.keys():
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{quoted(row)} keys must be equal to: {','.join(specs)}"
            )
    return {name: np.stack(column) for name, column in columns.items()}


def _add_row(
    columns: Mapping[str, list[Array]], name: str, value: Any, specs: Mapping[str, Spec]
) -> None:
    if name not in specs:
        raise invalid(f"JSON object: does not have named input: {name}")
    array = tensor(value, specs[name])
    before = columns[name][0] if columns[name] else array
    if before.size != array.size:
        raise invalid(f"Expecting tensor size: {before.size} but got: {array.size}")
    if before.shape != array.shape:
        raise invalid(f"Expecting shape {_listed(before)} but got: {_listed(array)}")
    columns[name].append(array)


def tensor(value: Any, spec: Spec) -> Array:
    """Returns the array of one JSON value.

    Args:
        value: A scalar, or lists nested as the array's dimensions.
        spec: What the signature expects; here only the type counts.

    Raises:
        Failure: If the lists are ragged, or a value is not of the type.
    """
    if spec.dtype.kind == "":
        raise Failure(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {quoted(value)} to type: {spec.dtype.name}",
        )
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if len(shape) > MAX_RANK:
            raise invalid(f"Encountered lists nested deeper than {MAX_RANK}")
        if not first:
            break
        first = first[0]
    values: list[Any] = []
    _fill(value, 0, shape, spec, values)
    array = np.empty(len(values), spec.dtype.numpy)
    with np.errstate(over="ignore"):
        array[:] = values
    return array.reshape(shape)


def _fill(value: Any, level: int, shape: list[int], spec: Spec, values: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {quoted(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        values.append(_scalar(value, spec))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, spec, values)


def _scalar(value: Any, spec: Spec) -> Any:
    kind = spec.dtype.kind
    if kind == "string":
        if isinstance(value, str | dict):
            return plain_bytes(value)
    elif kind == "bool":
        if isinstance(value, bool):
            return value
    elif isinstance(value, int) and not isinstance(value, bool):
        if kind == "float":
            try:
                return float(value)
            except OverflowError:
                raise invalid("JSON Parse error: Number too big to be stored in double.") from None
        limits = np.iinfo(spec.dtype.numpy)
        if limits.min <= value <= limits.max:
            return value
        raise invalid(
            f"JSON Value: {quoted(value)} Type: Number is not of expected type: "
            f"{spec.dtype.name}, whose values are {limits.min} to {limits.max}"
        )
    elif isinstance(value, float) and kind == "float":
        return value
    raise invalid(
        f"JSON Value: {quoted(value)} Type: {type_name(value)} "
        f"is not of expected type: {spec.dtype.name}"
    )


def is_base64(value: Any) -> bool:
    """Says whether a JSON value is an object {"b64": string} and nothing more."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def plain_bytes(value: Any) -> bytes:
    """Returns the bytes of a JSON string, or of {"b64": string}.

    Raises:
        Failure: If it is neither, or not base64. Padding may be left out.
    """
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise invalid("a string holds half of a surrogate pair") from None
    if not is_base64(value):
        raise invalid(f"JSON Value: {quoted(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        pass
    text = "".join(text.split()).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise invalid("Unable to base64 decode") from None


def type_name(value: Any) -> str:
    """Returns a JSON value's type as upstream's messages name it."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    for kind, name in ((dict, "Object"), (list, "Array"), (str, "String")):
        if isinstance(value, kind):
            return name
    return "Number"


def quoted(value: Any) -> str:
    """Returns a JSON value for a message, cut after 256 characters.

    Hostile values are large and deep: no more of them is written than is shown.
    """
    parts: list[str] = []
    _quote(value, parts, [_SHOWN], 0)
    return "".join(parts)[:_SHOWN]


def _quote(value: Any, parts: list[str], left: list[int], depth: int) -> None:
    if left[0] <= 0:
        return
    if isinstance(value, list | dict) and depth < MAX_RANK:
        opening, closing = ("[", "]") if isinstance(value, list) else ("{", "}")
        parts.append(opening)
        for index, item in enumerate(value):
            if left[0] <= 0:
                return
            parts.append(", " if index else "")
            if isinstance(value, dict):
                parts.append(f'"{str(item)[: max(0, left[0])]}": ')
                item = value[item]
            left[0] -= 4
            _quote(item, parts, left, depth + 1)
        parts.append(closing)
        return
    if isinstance(value, list | dict):
        text = "..."
    elif isinstance(value, str):
        text = f'"{value[: left[0]]}"'
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 512:
        text = f"a number of {value.bit_length()} bits"
    elif value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    else:
        text = str(value)
    left[0] -= len(text)
    parts.append(text)


def _listed(array: Array) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"
