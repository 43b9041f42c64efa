"""The state of a model in the middle of its training: weights, seeds and optimizer."""

from typing import Any

import keras
import numpy.typing as npt

State = list[npt.NDArray[Any]]
"""The variables of a model but its metrics' and those of its optimizer, in Keras's order."""


def get_state(model: keras.Model) -> State:
    """Returns the variables of a model and its optimizer."""
    return [keras.ops.convert_to_numpy(variable.value) for variable in _variables(model)]


def set_state(model: keras.Model, state: State) -> None:
    """Puts back what `get_state` returned, into a model built alike."""
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip(_variables(model), state, strict=True):
        variable.assign(value)


def _variables(model: keras.Model) -> list[Any]:
    # Not `weights`: those lack the seeds of dropout.
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    return [*own, *model.optimizer.variables]
