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
from kerasdl.tuning.building import check_model
from kerasdl.tuning.training_jobs import Rows
from kerasdl.tuning.trainings import forget

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
    if getattr(oracle.objective, "name", None) not in ("val_accuracy", "val_loss"):
        raise ValueError(
            "expected an oracle with the objective val_accuracy or val_loss. "
            f"Received: {oracle.objective}"
        )
    if keep == "best" and isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        raise ValueError('hyperband goes on from a training\'s last epoch. Received: keep = "best"')


def check_rows(x: Any, y: Any, name: str) -> Rows:
    """Returns arrays as examples.

    Args:
        x: Array (n, ...), n >= 1.
        y: Integer labels (n,) or (n, 1).
        name: What they are, for messages.

    Raises:
        ValueError: If they are not that.
    """
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    images = np.asarray(x)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(images) != len(labels):
        raise ValueError(
            f"{name} must be an array (n, ...) and integer labels (n,). Received: "
            f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
        )
    if not len(labels):
        raise ValueError(f"{name} must have at least one example. Received: none")
    return Rows(images, labels.astype(np.int32))


def suggest_group_size(tuner: "PackedTuner") -> int:
    """Returns how many trials of the largest model in the space there is room for.

    One where the default model cannot be packed: nothing is won by a group, and a search that
    is killed would lose all of it.

    Args:
        tuner: With its oracle, hypermodel and seeds.
    """
    largest, alone = 0, False
    for corner in (None, 0, -1):
        hp = tuner.space.copy()
        if corner is not None:
            for one in hp.space:
                hp.values[one.name] = [*getattr(one, "values", [one.default])][corner]
        try:
            hp.ensure_active_values()
            model = tuner.hypermodel.build(hp)
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
    tuner: "PackedTuner", training: Training, examples: Rows, validation: Rows
) -> Mapping[str, Any]:
    """Returns what decides a search, as plain data.

    Args:
        tuner: Its oracle, hypermodel, seeds and group size.
        training: Epochs, batch size and patience.
        examples: To fit on.
        validation: To score on.
    """
    oracle = tuner.plain_oracle
    keras.backend.clear_session(free_memory=False)  # for names that start anew
    hp = tuner.space.copy()
    model = tuner.hypermodel.build(hp)
    check_model(model)
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
        "examples": checksum(examples),
        "validation": checksum(validation),
    }


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
