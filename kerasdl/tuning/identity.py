"""What decides a search: its data and settings, and how many trials a group has."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import msgspec
import numpy as np

from kerasdl import __version__
from kerasdl.training.packed import packable
from kerasdl.training.settings import Training
from kerasdl.tuning.building import check_model, fresh_names
from kerasdl.tuning.search_arguments import SearchArguments
from kerasdl.tuning.training_jobs import Rows
from kerasdl.tuning.trainings import by_fit, forget

if TYPE_CHECKING:
    from kerasdl.tuning.packed_tuner import PackedTuner

GROUP_BYTES = 1 << 30
"""Weights, optimizer state and copies of them that the models of a group may take."""

GROUP_MODELS = 64
"""The most models of a group: beyond it tracing takes longer than packing saves."""

BAYESIAN_GROUP = 4
"""The most trials of a group whose oracle learns from each: those of a group do not know of
each other's results."""

_OPTIONS = (
    "max_epochs",
    "factor",
    "hyperband_iterations",
    "num_initial_points",
    "alpha",
    "beta",
)
"""What some of KerasTuner's oracles have, besides the options of all."""


def check_options(
    oracle: Any, *, seeds: int, seed: int, keep: str, group_size: int | None, processes: int
) -> None:
    """Checks what `PackedTuner` was given.

    Raises:
        ValueError: If something is not what it should be.
    """
    if seeds < 1 or seed < 0:
        raise ValueError(f"expected seeds >= 1 and seed >= 0. Received: {seeds} and {seed}")
    if group_size is not None and group_size < 1:
        raise ValueError(f"expected group_size >= 1. Received: {group_size}")
    if processes < 1:
        raise ValueError(f"expected processes >= 1. Received: {processes}")
    if keep not in ("last", "best"):
        raise ValueError(f'keep is "last" or "best". Received: {keep!r}')
    if keep == "best" and isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        raise ValueError('hyperband goes on from a training\'s last epoch. Received: keep = "best"')


def check_tuner(kind: type, options: dict[str, Any]) -> None:
    """Refuses what would be ignored.

    Raises:
        TypeError: If a subclass or an argument asks for something that this tuner does not do.
    """
    if kind.run_trial is not keras_tuner.Tuner.run_trial:  # type: ignore[attr-defined]
        raise TypeError(
            "PackedTuner trains groups of trials and calls no run_trial: give a HyperModel with a "
            f"fit(hp, model, ...) instead. Received: {kind.__name__}.run_trial"
        )
    instead = {
        "executions_per_trial": "seeds=N trains each trial N times",
        "distribution_strategy": "packed models are trained on one device",
        "logger": "KerasTuner has given it up",
        "tuner_id": "the variable KERASTUNER_TUNER_ID names a worker",
    }
    known = ("optimizer", "loss", "metrics", "max_model_size")
    for name in options:
        if name not in known:
            why = instead.get(name, f"further ones are {', '.join(known)}")
            raise TypeError(f"PackedTuner has no argument {name}: {why}")


def suggest_group_size(tuner: "PackedTuner", arguments: SearchArguments | None = None) -> int:
    """Returns how many trials of the largest model in the space there is room for.

    One where the default model cannot be packed: nothing is won by a group, and a search that
    is killed would lose all of it. One, too, where a `fit` may ask for more hyper-parameters.

    Args:
        tuner: With its oracle, hypermodel and seeds.
        arguments: Of the search, where they are known: models without a keras.Input need them.
    """
    if tuner.own_fit or (arguments is not None and arguments.why is not None):
        return 1
    largest, alone = 0, False
    for corner in (None, 0, -1):
        hp = tuner.space.copy()
        if corner is not None:
            for one in hp.space:
                hp.values[one.name] = [*getattr(one, "values", [one.default])][corner]
        try:
            hp.ensure_active_values()
            model = tuner._build_hypermodel(hp)
            if arguments is not None:
                check_model(model, arguments)
                reason = by_fit(model, arguments, tuner.oracle.objective)
                alone = alone or (corner is None and reason is not None)
            largest = max(largest, int(model.count_params()))
            alone = alone or (corner is None and packable(model) is not None)
        except Exception:  # no combination that can be built: the default one could
            continue
    forget()
    if alone:
        return 1
    # Weights, two moving averages, gradient, Keras's copy and the best epoch's, float32.
    room = GROUP_BYTES // max(1, largest * 4 * 6)
    size = max(1, min(room, GROUP_MODELS) // len(tuner.seeds))
    if isinstance(tuner.plain_oracle, keras_tuner.oracles.BayesianOptimizationOracle):
        size = min(size, BAYESIAN_GROUP)
    return int(size)


def describe(
    tuner: "PackedTuner", training: Training, arguments: SearchArguments
) -> Mapping[str, Any]:
    """Returns what decides a search, as plain data.

    Args:
        tuner: Its oracle, hypermodel, seeds and group size.
        training: Epochs, batch size and patience.
        arguments: Of the search.

    Raises:
        TypeError: If the default model is none that can be trained.
        ValueError: If it does not go with the arguments.
    """
    oracle = tuner.plain_oracle
    fresh_names()
    hp = tuner.space.copy()
    model = tuner._build_hypermodel(hp)
    tuner.check_model(model)
    own = getattr(tuner.hypermodel, "training", None)
    return {
        "kerasdl": __version__,
        "keras": keras.__version__,
        "keras_tuner": keras_tuner.__version__,
        "oracle": {
            "kind": type(oracle).__name__,
            "objective": tuner.objective,
            "seed": oracle.seed,
            "max_trials": oracle.max_trials,
            **{name: getattr(oracle, name) for name in _OPTIONS if hasattr(oracle, name)},
        },
        "space": {
            one.name: {key: value for key, value in one.get_config().items() if key != "name"}
            for one in tuner.space.space
        },
        "default model": _fingerprint(model),
        "training": msgspec.to_builtins(training if own is None else own(hp)),
        "seeds": list(tuner.seeds),
        "keep": tuner.keep,
        "wave size": tuner.wave_size,
        **_data(arguments),
    }


def _data(arguments: SearchArguments) -> dict[str, Any]:
    """Returns what tells the data apart, and arguments that only a `fit` takes."""
    if arguments.train is not None and arguments.validation is not None:
        return {
            "examples": checksum(arguments.train.rows),
            "validation": checksum(arguments.validation.rows),
        }
    given: dict[str, Any] = {str(place): one for place, one in enumerate(arguments.args)}
    given |= {name: one for name, one in arguments.options.items() if name != "verbose"}
    plain = {f"argument {name}": _plain(value) for name, value in given.items()}
    return plain | {"callbacks": [type(one).__name__ for one in arguments.callbacks]}


def _plain(value: Any) -> Any:
    """Returns what tells an argument apart: numbers, a checksum, or a kind."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
        digest.update(repr(array.tolist()).encode() if array.dtype == object else array.data)
        return digest.hexdigest()
    # Its contents are not looked at: reading a data set may take as long as training on it.
    return str(getattr(value, "element_spec", type(value).__name__))


def _fingerprint(model: keras.Model) -> str:
    try:
        text = str(model.to_json())
    except Exception:  # a person's own layers need not be serialisable
        layers = [(type(layer).__name__, layer.name) for layer in model.layers]
        text = repr((layers, [tuple(weight.shape) for weight in model.weights]))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def checksum(rows: Rows) -> str:
    """Returns the SHA-256 of examples: of their types, shapes and numbers."""
    digest = hashlib.sha256()
    for array in rows:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
