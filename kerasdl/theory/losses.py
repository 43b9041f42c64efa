"""The losses that the reports speak of, as functions of a network's raw output.

For a label y in {0, 1} and the last layer's output f, before any sigmoid s(f) = 1 / (1 + e^-f):

- `ce`: -y ln s(f) - (1 - y) ln(1 - s(f)), cross-entropy as it is meant;
- `sigmoid_mse`: (s(f) - y)^2, squared error of the predicted probability;
- `mse`: (f - y)^2, squared error of a linear output;
- `raw_ce`: -y ln f - (1 - y) ln(1 - f), cross-entropy of a linear output as the reports
  write it, which has no value where f is no probability;
- `clipped_ce`: the same with f cut to [1e-7, 1 - 1e-7], which is what Keras computes.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pointwise = Callable[[Floats, Floats], Floats]

KERAS_EPSILON = 1e-7
"""`keras.config.epsilon()` as Keras ships: where its cross-entropy cuts probabilities off."""


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss of one example with its derivatives by the output f.

    Args:
        name: As in the module's list.
        title: The name for people.
        value: (f, y) -> loss, in nats or squared units; NaN where it is not defined.
        slope: First derivative.
        curvature: Second derivative; never negative where the loss is convex in f.
    """

    name: str
    title: str
    value: Pointwise
    slope: Pointwise
    curvature: Pointwise


def sigmoid(f: Floats) -> Floats:
    """Returns 1 / (1 + e^-f) without overflow."""
    small = np.exp(-np.abs(f))
    return np.where(f >= 0, 1.0, small) / (1.0 + small)


def _ce(f: Floats, y: Floats) -> Floats:
    # ln(1 + e^f) - y f: the same, and exact for large |f|.
    found: Floats = np.logaddexp(0.0, f) - y * f
    return found


def _probability_slope(f: Floats) -> Floats:
    p = sigmoid(f)
    return p * (1.0 - p)


def _sigmoid_mse_curvature(f: Floats, y: Floats) -> Floats:
    p = sigmoid(f)
    s = _probability_slope(f)
    return 2.0 * (s * s + (p - y) * s * (1.0 - 2.0 * p))


def _of_label(f: Floats, y: Floats) -> Floats:
    """Returns the number whose logarithm raw cross-entropy takes: f for label 1, else 1 - f."""
    return np.where(y > 0.5, f, 1.0 - f)


def _raw(f: Floats, y: Floats) -> Floats:
    """Returns `_of_label`, NaN where it has no logarithm."""
    q = _of_label(f, y)
    return np.where(q > 0.0, q, np.nan)


def _sign(y: Floats) -> Floats:
    return np.where(y > 0.5, 1.0, -1.0)


def _clipped(f: Floats, y: Floats) -> Floats:
    return np.clip(_of_label(f, y), KERAS_EPSILON, 1.0 - KERAS_EPSILON)


def _inside(f: Floats) -> Floats:
    return ((f > KERAS_EPSILON) & (f < 1.0 - KERAS_EPSILON)).astype(np.float64)


CE = Loss(
    "ce",
    "Cross-entropy of the sigmoid",
    _ce,
    lambda f, y: sigmoid(f) - y,
    lambda f, y: _probability_slope(f),
)
SIGMOID_MSE = Loss(
    "sigmoid_mse",
    "MSE of the sigmoid",
    lambda f, y: (sigmoid(f) - y) ** 2,
    lambda f, y: 2.0 * (sigmoid(f) - y) * _probability_slope(f),
    _sigmoid_mse_curvature,
)
MSE = Loss(
    "mse",
    "MSE of the linear output",
    lambda f, y: (f - y) ** 2,
    lambda f, y: 2.0 * (f - y),
    lambda f, y: np.full_like(f, 2.0),
)
RAW_CE = Loss(
    "raw_ce",
    "Raw cross-entropy",
    lambda f, y: -np.log(_raw(f, y)),
    lambda f, y: -_sign(y) / _raw(f, y),
    lambda f, y: _raw(f, y) ** -2.0,
)
CLIPPED_CE = Loss(
    "clipped_ce",
    "Raw cross-entropy, cut off",
    lambda f, y: -np.log(_clipped(f, y)),
    lambda f, y: -_sign(y) / _clipped(f, y) * _inside(f),
    lambda f, y: _clipped(f, y) ** -2.0 * _inside(f),
)
LOSSES = (MSE, CE, SIGMOID_MSE, RAW_CE, CLIPPED_CE)
