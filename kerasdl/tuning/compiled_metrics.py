"""The metrics that models are compiled with, where the engine or a pack trains them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasdl.training.packed.chains import read_chain
from kerasdl.tuning.objectives import with_sum

SCORED = 4096
"""Outputs that a metric is given at a time."""


def validation_scores(model: keras.Model, targets: Any, outputs: Any) -> dict[str, float]:
    """Returns the compiled metrics of a model's outputs as `val_NAME`, but for those without need.

    The accuracy is known without them; a metric that gives several numbers is left out.

    Args:
        model: Compiled.
        targets: Labels of n examples, as the metrics take them.
        outputs: What the model gives for them (n, classes).
    """
    asked = getattr(model._compile_metrics, "_user_metrics", None)
    if asked in (None, ["accuracy"]):
        return {}
    model.reset_metrics()
    results: Mapping[str, Any] = {}
    for first in range(0, len(targets), SCORED):
        part = slice(first, first + SCORED)
        results = model.compute_metrics(None, targets[part], outputs[part])
    model.reset_metrics()
    found = {f"val_{name}": value for name, value in results.items() if name != "loss"}
    return scalars(found)


def scalars(columns: Mapping[str, Any]) -> dict[str, float]:
    """Returns those that are one number each."""
    return {name: float(value) for name, value in columns.items() if not np.ndim(value)}


def packed_scores(
    models: Sequence[keras.Model], targets: Any, objective: Any
) -> Callable[[Mapping[str, Any], Callable[[], Any]], Mapping[str, Any]]:
    """Returns what adds the models' metrics to the columns of an epoch, see `Packed.fit`.

    Args:
        models: Those of a pack.
        targets: The validation examples' labels, as the metrics take them.
        objective: KerasTuner's.
    """
    softmax = [read_chain(model).probabilities for model in models]

    def add(columns: Mapping[str, Any], predict: Callable[[], Any]) -> Mapping[str, Any]:
        found: list[dict[str, float]] = [{} for _ in models]
        if any(getattr(one._compile_metrics, "_user_metrics", None) for one in models):
            for place, logits in enumerate(predict()):
                outputs = keras.ops.convert_to_tensor(logits)
                if softmax[place]:
                    outputs = keras.ops.softmax(outputs)
                found[place] = validation_scores(models[place], targets, outputs)
        names = dict.fromkeys(name for one in found for name in one)
        more = {name: np.array([one.get(name, math.nan) for one in found]) for name in names}
        # What the pack has counted itself goes before.
        return with_sum(objective, {**more, **columns})

    return add
