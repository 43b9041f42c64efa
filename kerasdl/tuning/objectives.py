"""What a trial is judged by: metrics by name, and which way is better.

KerasTuner takes "val_f1_score", "val_r2_score" or "val_cosine_similarity" for something to be
minimised, like every metric that it has no list of; here a name has Keras's own direction.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import keras_tuner
from keras_tuner.src.engine.objective import DefaultObjective, MultiObjective

from kerasdl.training.packed.histories import Keep

Direction = Literal["min", "max"]

_MAX = {
    *("acc", "auc", "precision", "recall", "f1", "f1score", "fbetascore", "r2score"),
    *("iou", "meaniou", "binaryiou", "onehotiou", "onehotmeaniou", "cosinesimilarity"),
    *("precisionatrecall", "recallatprecision", "truepositives", "truenegatives"),
    *("sensitivityatspecificity", "specificityatsensitivity"),
    *("pearsoncorrelation", "concordancecorrelation"),
}
_MIN = {
    *("mse", "mae", "mape", "msle", "bce", "ce", "rmse", "kldivergence", "poisson"),
    *("hinge", "squaredhinge", "categoricalhinge", "falsepositives", "falsenegatives"),
}
_MAX_ENDS = ("accuracy",)
_MIN_ENDS = ("loss", "error", "crossentropy")


def known_direction(name: str) -> Direction | None:
    """Returns which way a metric of Keras's is better; None for one that Keras has not.

    Args:
        name: As in a history: "val_auc", "val_f1_score", "precision_2", "val_loss".
    """
    plain = re.sub(r"_\d+$", "", name.lower().removeprefix("val_").removeprefix("weighted_"))
    plain = plain.replace("_", "")
    if plain in _MAX or plain.endswith(_MAX_ENDS):
        return "max"
    if plain in _MIN or plain.endswith(_MIN_ENDS):
        return "min"
    return None


def make_objective(objective: Any) -> Any:
    """Returns KerasTuner's object of an objective.

    Args:
        objective: A metric's name, a `keras_tuner.Objective`, or a list of these.

    Raises:
        ValueError: If nobody knows which way a name is better.
    """
    if isinstance(objective, list | tuple):
        return MultiObjective([make_objective(one) for one in objective])
    if not isinstance(objective, str):
        return objective
    direction = known_direction(objective)
    if direction is None:
        raise ValueError(
            "expected a metric whose direction Keras knows, or "
            f'keras_tuner.Objective({objective!r}, "min" or "max"). Received: {objective!r}'
        )
    return keras_tuner.Objective(objective, direction)


def parts(objective: Any) -> list[Any]:
    """Returns the objectives of one metric each that an objective is made of."""
    return list(objective.objectives) if isinstance(objective, MultiObjective) else [objective]


def check_objective(objective: Any, *, own_fit: bool) -> None:
    """Checks the objective of an oracle.

    Args:
        objective: KerasTuner's.
        own_fit: Whether the HyperModel has a `fit` of its own, which may return a number.

    Raises:
        ValueError: If there is none, or its direction is not that of the metric.
    """
    if isinstance(objective, DefaultObjective):
        if not own_fit:
            raise ValueError(
                'expected an oracle with an objective, e.g. "val_accuracy": only what a '
                "HyperModel.fit of your own returns can go without. Received: none"
            )
        return
    for one in parts(objective):
        known = known_direction(one.name)
        if known is not None and known != one.direction:
            raise ValueError(
                f'expected the direction "{known}" for {one.name}: give the oracle '
                f'keras_tuner.Objective("{one.name}", "{known}"). Received: "{one.direction}"'
                " (KerasTuner's guess for a name that it does not know)"
            )


def needs_validation(objective: Any) -> bool:
    """Whether a metric of the objective is one of the validation examples."""
    return any(one.name.startswith("val_") for one in parts(objective))


def keep_of(objective: Any) -> Keep:
    """Returns the column of a history by which an epoch is the best."""
    return Keep(objective.name, objective.direction)


def with_sum(objective: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Adds what several objectives come to, if they are several.

    Args:
        objective: KerasTuner's.
        columns: Numbers, or arrays of numbers, by name.
    """
    if isinstance(objective, MultiObjective) and objective.has_value(columns):
        return {**columns, objective.name: objective.get_value(columns)}
    return dict(columns)
