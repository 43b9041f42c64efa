"""Recipes: what fully decides a run, as frozen structs <-> TOML <-> command line.

A recipe is a `Struct`. Its fields carry type, range and a help text in their
annotations (msgspec.Meta), and from these alone come the checks of a TOML file,
the options of the command line and the tables of a report. A key that does not
exist fails with the place and the nearest that does.
"""

import argparse
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kerasdl import suggest
from kerasdl.command_line import expected


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every recipe and of its parts: immutable; unknown keys are errors."""


StructT = TypeVar("StructT", bound=msgspec.Struct)

_LONGEST_METAVAR = 50
"""Characters; longer lists of values stand in an option's help."""


def from_dict(data: Mapping[str, Any], struct: type[StructT], *, where: str) -> StructT:
    """Makes a struct from plain data, strictly.

    Args:
        data: Nested mappings, lists, strings and numbers, as TOML gives them.
        struct: The type to make.
        where: What `data` came from (a file name), for the message.

    Raises:
        ValueError: If a key is unknown, a type is wrong or a number out of
            range; the message says where, and the nearest key that exists.
    """
    try:
        return msgspec.convert(dict(data), struct)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {_explain(str(error), struct)}") from None


def to_dict(recipe: msgspec.Struct) -> dict[str, Any]:
    """Returns a recipe as plain data without the keys that are None (TOML has no null)."""
    plain: dict[str, Any] = _plain(msgspec.to_builtins(recipe))
    return plain


def read_toml(path: str | Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not TOML; the message has line and column.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"expected a TOML file. Received: {path}, no such file") from None
    except IsADirectoryError:
        raise ValueError(f"a recipe is a TOML file. Received the folder {path}") from None
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from None


def to_toml(recipe: msgspec.Struct) -> str:
    """Returns a recipe as TOML text with every value resolved."""
    import tomli_w

    return tomli_w.dumps(to_dict(recipe))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lists the values in which two recipes (as from `to_dict`) differ.

    Returns:
        Lines such as "training.lenet5.epochs: 10 -> 20", in the order of the keys.
    """
    left, right = dict(leaves(old)), dict(leaves(new))
    return [
        f"{key}: {left.get(key, '(none)')} -> {right.get(key, '(none)')}"
        for key in dict.fromkeys([*left, *right])
        if left.get(key, msgspec.UNSET) != right.get(key, msgspec.UNSET)
    ]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `base` with `changes` laid over it, table by table."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def parse_assignment(text: str) -> dict[str, Any]:
    """Parses one `--set` argument, a dotted key and a TOML value, into nested data.

    Args:
        text: E.g. "training.lenet5.epochs=20". Text that is no TOML value is a string;
            a part of the key that has dots itself is quoted, as in TOML.

    Raises:
        ValueError: If there is no "=" or the key is no dotted key.
    """
    key, separator, value = text.partition("=")
    part = r'(?:[\w-]+|"[^"]+")'
    if not separator or not re.fullmatch(rf"{part}(\.{part})*", key.strip()):
        raise ValueError(
            f"--set takes KEY=VALUE, e.g. training.lenet5.epochs=20. Received: {text!r}"
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    nested: dict[str, Any] = {}
    at = nested
    *parents, last = (found.strip('"') for found in re.findall(part, key))
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = parsed
    return nested


def add_options(
    parser: argparse.ArgumentParser,
    struct: type[msgspec.Struct],
    *,
    title: str,
    without: Collection[str] = (),
) -> None:
    """Adds one option for each field of `struct` that has a description.

    Args:
        parser: The parser to extend; an option that is not given is absent
            from the namespace, so that recipes keep their own values.
        struct: The type whose fields become `--field-name`.
        title: Heading of the group in `--help`.
        without: Fields that are no options here.
    """
    group = parser.add_argument_group(title)
    for field in msgspec.structs.fields(struct):
        help_text = _description(field.type)
        if help_text is None or field.encode_name in without:
            continue
        group.add_argument(
            f"--{field.encode_name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            metavar=_metavar(field.type),
            type=_converter(field.type),
            help=_help(field.type, help_text).replace("%", "%%"),
        )


def chosen(struct: type[msgspec.Struct], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that are fields of `struct`, for a parser of `add_options`."""
    names = {field.encode_name for field in msgspec.structs.fields(struct)}
    return {name: value for name, value in options.items() if name in names}


def _converter(annotation: Any) -> Any:
    def convert(text: str) -> Any:
        value: Any = text
        inner = msgspec.inspect.type_info(annotation)
        while isinstance(inner, msgspec.inspect.Metadata):
            inner = inner.type
        if isinstance(inner, msgspec.inspect.VarTupleType):
            value = [part.strip() for part in text.split(",") if part.strip()]
        if isinstance(inner, msgspec.inspect.LiteralType) and text not in inner.values:
            names = [str(name) for name in inner.values]
            raise argparse.ArgumentTypeError(expected(names, text))
        try:
            return msgspec.convert(value, annotation, strict=False)
        except msgspec.ValidationError as error:
            raise argparse.ArgumentTypeError(f"{error}. Received: {text!r}") from None

    return convert


def _description(annotation: Any) -> str | None:
    info = msgspec.inspect.type_info(annotation)
    while isinstance(info, msgspec.inspect.Metadata):
        schema = info.extra_json_schema or {}
        if "description" in schema:
            return str(schema["description"])
        info = info.type
    return None


def _help(annotation: Any, description: str) -> str:
    """Returns an option's description, with the values that are too long for its metavar."""
    choices = _choices(annotation)
    long = choices is not None and len("|".join(choices)) > _LONGEST_METAVAR
    return f"{description}: {', '.join(choices)}" if choices and long else description


def _kinds(annotation: Any) -> Sequence[Any]:
    """Returns the types that a value may have."""
    info: Any = msgspec.inspect.type_info(annotation)
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _choices(annotation: Any) -> list[str] | None:
    for kind in _kinds(annotation):
        if isinstance(kind, msgspec.inspect.LiteralType):
            return [str(value) for value in kind.values]
    return None


def _metavar(annotation: Any) -> str:
    names = {"IntType": "N", "FloatType": "X", "BoolType": "true|false", "VarTupleType": "A,B"}
    kinds = [type(kind).__name__ for kind in _kinds(annotation)]
    plain = [names[kind] for kind in kinds if kind in names][:1]
    joined = "|".join([*plain, *(_choices(annotation) or ())]) or "TEXT"
    return joined if len(joined) <= _LONGEST_METAVAR else "NAME"


def _explain(message: str, struct: type[msgspec.Struct]) -> str:
    """Turns msgspec's message into ours: the path without `$.`, and a suggestion."""
    message = message.replace("`$.", "`").replace(" - at `", " at `")
    wrong = re.fullmatch(r"Invalid enum value '(.*)' at `((?:.*\.)?([^`.]*))`", message, re.DOTALL)
    if wrong and (values := _literals(struct).get(wrong[3])):
        return f"{wrong[2]}: {expected(values, wrong[1])}"
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if unknown is None:
        return message
    known = sorted(set(_field_names(struct)))
    near = suggest.nearest(unknown[1], known)
    hint = f"did you mean {near!r}?" if near else f"expected one of {', '.join(known)}"
    return f"unknown key {unknown[1]!r}{message[unknown.end() :].replace(' at', ' in')}; {hint}"


def _field_names(struct: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in _fields(msgspec.inspect.type_info(struct))]


def _literals(struct: type[msgspec.Struct]) -> dict[str, list[str]]:
    """Returns the values of the fields that take only some, by the fields' names."""
    found = {}
    for field in _fields(msgspec.inspect.type_info(struct)):
        kind = field.type
        while isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        if isinstance(kind, msgspec.inspect.LiteralType):
            found[field.encode_name] = [str(value) for value in kind.values]
    return found


def _fields(node: Any) -> Iterator[Any]:
    """Yields the fields of a struct and of the structs in it."""
    if isinstance(node, msgspec.inspect.StructType):
        for field in node.fields:
            yield field
            yield from _fields(field.type)
    elif isinstance(node, msgspec.inspect.Metadata):
        yield from _fields(node.type)
    elif isinstance(node, msgspec.inspect.DictType):
        yield from _fields(node.value_type)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def leaves(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Returns the values of nested data with their dotted names, in their order.

    Args:
        data: As from `to_dict`.
        prefix: What the names begin with.
    """
    found: list[tuple[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            found += leaves(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
