"""Activations and their gradients, both in place.

`forward(z)` overwrites the sums z of a layer with its outputs a = f(z). `backward(a, errors)`
takes the outputs and overwrites errors = dL/da with dL/dz. It needs no z: each derivative here
can be written with the output alone, sigmoid' = a (1 - a) for one, so that a layer keeps one
array instead of two.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

LEAKY_SLOPE = 0.2
"""Of leaky ReLU below 0; that of Keras's activation "leaky_relu"."""


class Activation(NamedTuple):
    """An activation with its gradient.

    Args:
        forward: Overwrites z (n, units) with f(z).
        backward: Overwrites `errors` (n, units), dL/df, with dL/dz, given the outputs f(z).
    """

    forward: Callable[[Floats], None]
    backward: Callable[[Floats, Floats], None]


def relu(z: Floats) -> None:
    """max(z, 0)."""
    np.maximum(z, 0, out=z)


def relu_backward(outputs: Floats, errors: Floats) -> None:
    """1 where z > 0, else 0; at 0, where there is no derivative, 0 as in Keras."""
    errors *= outputs > 0


def leaky_relu(z: Floats) -> None:
    """z where z > 0, else `LEAKY_SLOPE` z."""
    np.maximum(z, z * LEAKY_SLOPE, out=z)


def leaky_relu_backward(outputs: Floats, errors: Floats) -> None:
    """1 where z > 0, else `LEAKY_SLOPE`. The output has the sign of z."""
    errors *= np.maximum(outputs > 0, errors.dtype.type(LEAKY_SLOPE))


def sigmoid(z: Floats) -> None:
    """1 / (1 + exp(-z)), computed as (1 + tanh(z / 2)) / 2, which cannot overflow."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def sigmoid_backward(outputs: Floats, errors: Floats) -> None:
    """a (1 - a), at most 1/4."""
    errors *= outputs
    errors *= 1 - outputs


def tanh(z: Floats) -> None:
    """Hyperbolic tangent."""
    np.tanh(z, out=z)


def tanh_backward(outputs: Floats, errors: Floats) -> None:
    """1 - a^2, at most 1."""
    errors *= 1 - outputs * outputs


def linear(z: Floats) -> None:
    """z itself."""


def linear_backward(outputs: Floats, errors: Floats) -> None:
    """1."""


def softmax(z: Floats) -> None:
    """exp(z_i) / sum_j exp(z_j) in each row.

    The row's largest z is subtracted first: the quotient stays the same and exp cannot overflow.
    """
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)


def softmax_backward(outputs: Floats, errors: Floats) -> None:
    """dL/dz_i = a_i (e_i - sum_j e_j a_j): each output depends on the whole row."""
    errors -= (errors * outputs).sum(axis=1, keepdims=True)
    errors *= outputs


ACTIVATIONS = {
    "relu": Activation(relu, relu_backward),
    "leaky_relu": Activation(leaky_relu, leaky_relu_backward),
    "sigmoid": Activation(sigmoid, sigmoid_backward),
    "tanh": Activation(tanh, tanh_backward),
    "linear": Activation(linear, linear_backward),
    "softmax": Activation(softmax, softmax_backward),
}
"""By name; the names are Keras's."""
