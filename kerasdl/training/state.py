"""What a training's state is: taken from a model and its callbacks, and put back."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Arrays = list[npt.NDArray[Any]]

# Keras turns the sign of `min_delta` together with setting `monitor_op`, a function, which
# is not kept: a callback that is new must do both itself.
_NOT_KEPT = ("model", "params", "min_delta")


def take(
    model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]
) -> tuple[Arrays, dict[str, Any]]:
    """Returns the state of a training: arrays, and what JSON can say.

    The variables are the model's (weights, statistics, seed generators), the
    optimizer's (step count, momentum, moving averages) and the metrics'. Of a
    callback it is what `checkpoint_state()` returns, where it has that method
    (and `restore_state(state)`); else its public attributes that are numbers,
    texts, arrays, None, or lists and dictionaries of these: so Keras's own
    EarlyStopping, ReduceLROnPlateau and History go on where they were.

    Args:
        model: A compiled model whose optimizer and metrics are built.
        callbacks: The callbacks of this training.
    """
    arrays = [keras.ops.convert_to_numpy(variable) for variable in _variables(model)]
    kept = take_callbacks(callbacks, arrays)
    return arrays, {"stop": bool(model.stop_training), "callbacks": kept}


def take_callbacks(callbacks: Sequence[keras.callbacks.Callback], arrays: Arrays) -> list[Any]:
    """Returns the state of callbacks as JSON can say it; what is an array goes into `arrays`."""
    kept = []
    for name, callback in _named(callbacks):
        if hasattr(callback, "checkpoint_state"):
            state = callback.checkpoint_state()
        else:
            state = {key: value for key, value in vars(callback).items() if _is_kept(key, value)}
        kept.append([name, _pack(state, arrays)])
    return kept


def put(
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    arrays: Sequence[npt.NDArray[Any]],
    state: dict[str, Any],
) -> None:
    """Puts a state back that `take` returned; callbacks it does not know stay as they are.

    Raises:
        ValueError: If the variables are not those of this model.
    """
    variables = _variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if [array.shape for array in arrays[: len(shapes)]] != shapes:
        raise ValueError("the checkpoint's variables do not have the shapes of the model's")
    for variable, array in zip(variables, arrays, strict=False):
        variable.assign(array)
    put_callbacks(callbacks, arrays, state["callbacks"])
    model.stop_training = state["stop"]


def put_callbacks(
    callbacks: Sequence[keras.callbacks.Callback], arrays: Sequence[npt.NDArray[Any]], kept: Any
) -> None:
    """Puts the state of callbacks back that `take_callbacks` returned."""
    found = dict(kept)
    for name, callback in _named(callbacks):
        if name not in found:
            continue
        values = _unpack(found[name], arrays)
        if hasattr(callback, "checkpoint_state"):
            callback.restore_state(values)
        else:
            vars(callback).update(values)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def _named(callbacks: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Names each callback by its class and which of that class it is."""
    seen: dict[str, int] = {}
    for callback in callbacks:
        name = type(callback).__name__
        seen[name] = seen.get(name, 0) + 1
        yield f"{name} {seen[name]}", callback


def _is_kept(key: str, value: Any) -> bool:
    return not key.startswith("_") and key not in _NOT_KEPT and _is_plain(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | np.generic | np.ndarray)


def _pack(value: Any, arrays: Arrays) -> Any:
    """Replaces arrays by their places in `arrays`, which grows."""
    if isinstance(value, dict):
        return {key: _pack(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_pack(item, arrays) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return {"__array__": len(arrays) - 1, "scalar": isinstance(value, np.generic)}
    return value


def _unpack(value: Any, arrays: Sequence[npt.NDArray[Any]]) -> Any:
    if isinstance(value, dict) and "__array__" in value:
        array = arrays[value["__array__"]]
        return array[()] if value["scalar"] else array
    if isinstance(value, dict):
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    return value
