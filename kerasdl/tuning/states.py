"""The state of a model in the middle of its training: weights and optimizer."""

from typing import Any

import keras
import numpy.typing as npt

State = list[npt.NDArray[Any]]
"""The weights of a model and the variables of its optimizer, in Keras's order."""


def get_state(model: keras.Model) -> State:
    """Returns the weights of a model and the variables of its optimizer."""
    variables = [*model.weights, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def set_state(model: keras.Model, state: State) -> None:
    """Puts back what `get_state` returned, into a model built alike."""
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip([*model.weights, *model.optimizer.variables], state, strict=True):
        variable.assign(value)
