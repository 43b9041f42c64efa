"""What `PackedTuner.search` was given: for Keras's `fit`, and as far as possible as arrays."""

import dataclasses
import inspect
import math
import operator
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from kerasdl import suggest
from kerasdl.tuning.training_jobs import Rows

LabelKind = Literal["integers", "one-hot"]

_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(keras.Model.fit).parameters.items()
    if name != "self"
}
_NAMES = list(_DEFAULTS)
_UNDERSTOOD = (
    *("x", "y", "batch_size", "epochs", "verbose", "validation_split", "validation_data"),
    # However many examples are scored at a time, the scores are the same.
    "validation_batch_size",
)
NO_CLASSES = "y is neither class numbers nor one-hot rows"
_REASONS = {
    "callbacks": "callbacks= see one model at a time (patience= ends trainings early, together)",
}


class Labelled(NamedTuple):
    """Examples with labels.

    Args:
        rows: With integer labels.
        targets: The labels as the models' losses and metrics take them.
        kind: What these are.
    """

    rows: Rows
    targets: Any
    kind: LabelKind


@dataclasses.dataclass(frozen=True)
class SearchArguments:
    """The arguments of a search.

    Args:
        args, options: As given, for a `fit`, without `patience` and `callbacks`.
        callbacks: Keras callbacks; each training gets copies.
        patience, epochs, batch_size: As given, or the defaults 0, 1 and 32.
        input_shape: Of a batch, for models without a keras.Input; None where nobody knows it.
        train: The examples to fit on as arrays; None where `why` says so.
        validation: The examples to score on, likewise.
        validated: Whether there are any examples to score on.
        why: Why only Keras's own `fit` can take all this; None where arrays suffice.
    """

    args: tuple[Any, ...]
    options: dict[str, Any]
    callbacks: list[keras.callbacks.Callback]
    patience: int
    epochs: int
    batch_size: int
    input_shape: tuple[int | None, ...] | None
    train: Labelled | None
    validation: Labelled | None
    validated: bool
    why: str | None


def read_arguments(
    args: tuple[Any, ...], options: Mapping[str, Any], *, own_fit: bool
) -> SearchArguments:
    """Returns the arguments of a search.

    Args:
        args, options: As of `keras.Model.fit`, and `patience`.
        own_fit: Whether a HyperModel.fit of one's own takes them, which may know others.

    Raises:
        TypeError: If `fit` has no such argument.
        ValueError: If values are not what they should be, or do not fit each other.
    """
    options = dict(options)
    patience = _integer("patience", options.pop("patience", 0), 0)
    given = _named(args, options, own_fit=own_fit)
    x = given.get("x")
    if x is None and not own_fit:
        raise ValueError("expected examples: search(x, y, ...). Received: no x")
    if hasattr(x, "__next__"):
        raise ValueError(
            "the first trial would use a generator up: expected arrays, a tf.data.Dataset or a "
            f"keras.utils.PyDataset. Received: a {type(x).__name__}"
        )
    if given.get("validation_freq", 1) != 1 and not own_fit:
        frequency = given["validation_freq"]
        raise ValueError(f"a trial is scored every epoch. Received: validation_freq = {frequency}")
    callbacks = given.get("callbacks") or []
    place = _NAMES.index("callbacks")
    if len(args) > place:
        args = (*args[:place], None, *args[place + 1 :])
    options.pop("callbacks", None)
    train, validation, why = None, None, None
    if own_fit:
        why = "HyperModel.fit is your own"
    else:
        try:
            train, validation = _arrays(given)
        except _Unfit as reason:
            why = str(reason)
    return SearchArguments(
        args=args,
        options=options,
        callbacks=callbacks if isinstance(callbacks, list) else [callbacks],
        patience=patience,
        epochs=_integer("epochs", given.get("epochs", 1), 1),
        batch_size=_integer("batch_size", given.get("batch_size") or 32, 1),
        input_shape=_shape(x),
        train=train,
        validation=validation,
        validated=given.get("validation_data") is not None or bool(given.get("validation_split")),
        why=why,
    )


class _Unfit(Exception):
    """Why arguments are for Keras's own `fit` alone."""


def _named(args: tuple[Any, ...], options: Mapping[str, Any], *, own_fit: bool) -> dict[str, Any]:
    """Returns all arguments by their names in `keras.Model.fit`."""
    given = dict(zip(_NAMES, args, strict=False))
    unknown = [name for name in options if name not in _DEFAULTS]
    if not own_fit and (unknown or len(args) > len(_NAMES)):
        received = unknown[0] if unknown else f"{len(args)} positional arguments"
        raise TypeError(
            "search() takes the arguments of keras.Model.fit, and patience. "
            f"Received: {received}.{suggest.hint(received, [*_NAMES, 'patience'])}"
        )
    if twice := [name for name in options if name in given]:
        raise TypeError(f"search() got {twice[0]} twice: by its place and by its name")
    return given | dict(options)


def _integer(name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be an integer >= {least}. Received: {value!r}")
    return number


def _arrays(given: Mapping[str, Any]) -> tuple[Labelled, Labelled]:
    """Returns the examples to fit and to score on.

    Raises:
        _Unfit: If that is not all that is asked for.
        ValueError: If the arrays do not fit each other.
    """
    for name, value in given.items():
        empty = value is None or (isinstance(value, list | dict) and not value)
        plain = isinstance(value, bool | int | float | str) and value == _DEFAULTS[name]
        if name not in _UNDERSTOOD and not empty and not plain:
            raise _Unfit(_REASONS.get(name, f"{name}= is an argument of Keras's fit"))
    x, y = _array(given["x"], "x"), _array(given.get("y"), "y")
    held_out = given.get("validation_data")
    if held_out is None:
        share = float(given.get("validation_split") or 0.0)
        if not 0 <= share < 1:
            raise ValueError(f"validation_split must lie in [0, 1). Received: {share}")
        if not share:
            raise _Unfit("there are no validation examples")
        # As Keras divides them.
        first = math.floor(len(x) * (1.0 - share))
        pairs = (x[:first], y[:first]), (x[first:], y[first:])
        if len(x) == len(y) and not (len(pairs[0][0]) and len(pairs[1][0])):
            raise ValueError(
                "validation_split must leave examples on both sides. "
                f"Received: {share} of {len(x)} examples"
            )
    elif isinstance(held_out, tuple | list) and len([*held_out]) == 2:
        pairs = (x, y), (_array(held_out[0], "x"), _array(held_out[1], "y"))
    else:
        raise _Unfit("validation_data is not a pair of arrays")
    train, validation = labelled(*pairs[0], "x and y"), labelled(*pairs[1], "validation_data")
    if train is None or validation is None:
        raise _Unfit(NO_CLASSES)
    if train.kind != validation.kind:
        raise ValueError(
            "the labels of validation_data must be of the same kind as y. "
            f"Received: {train.kind} and {validation.kind}"
        )
    return train, validation


def _array(value: Any, name: str) -> Any:
    if value is None or not hasattr(value, "__array__"):
        raise _Unfit(f"{name} is a {type(value).__name__}, not an array")
    array = np.asarray(value)
    if array.dtype.kind not in "biufV" or not array.ndim:
        raise ValueError(
            f"{name} must be an array of numbers. Received: {array.dtype} {array.shape}"
        )
    return array


def labelled(x: Any, y: Any, name: str) -> Labelled | None:
    """Returns arrays as examples of classes; None if y is none of classes.

    Args:
        x: Array (n, ...), n >= 1.
        y: Class numbers (n,) or (n, 1), of any number format, or one-hot rows (n, classes).
        name: What they are, for messages.

    Raises:
        ValueError: If they are not of one length, or there are none.
    """
    if not y.ndim or len(x) != len(y):
        raise ValueError(
            f"{name} must be an array (n, ...) and labels of the same length. Received: "
            f"{x.dtype} {x.shape} and {y.dtype} {y.shape}"
        )
    if not len(y):
        raise ValueError(f"{name} must have at least one example. Received: none")
    labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if labels.ndim == 1 and np.all(labels >= 0) and np.all(labels == np.floor(labels)):
        return Labelled(Rows(x, labels.astype(np.int32)), labels.astype(np.int32), "integers")
    if labels.ndim == 2 and np.isin(labels, (0, 1)).all() and np.all(labels.sum(axis=1) == 1):
        return Labelled(Rows(x, labels.argmax(axis=1).astype(np.int32)), y, "one-hot")
    return None


def _shape(x: Any) -> tuple[int | None, ...] | None:
    """Returns the shape of a batch of what `fit` takes as x."""
    x = getattr(x, "element_spec", x)
    if isinstance(x, keras.utils.PyDataset):
        x = x[0]
    x = x[0] if isinstance(x, tuple) and x else x
    shape = getattr(x, "shape", None)
    return None if shape is None else (None, *shape[1:])
