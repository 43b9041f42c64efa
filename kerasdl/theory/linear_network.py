"""Networks of linear layers only: outputs, and exact Hessians of a loss by all parameters.

The output of such a network is linear in the weights of each layer taken alone. So the second
derivatives need no numerical differences: those within a layer are zero, those between two
layers are products of what lies before, between and behind them.
"""

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt

from kerasdl.theory.losses import Loss
from kerasdl.theory.tasks import Floats


@dataclasses.dataclass(frozen=True)
class LinearNetwork:
    """Dense layers without activations, all with biases, and one output.

    A point is the vector of all parameters: layer after layer, in each the kernel's rows and
    then the bias, as Keras's Dense keeps them.

    Args:
        inputs: Number of features.
        depth: Number of layers; 1 is the output layer alone.
        width: Units of each hidden layer.
    """

    inputs: int
    depth: int
    width: int

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows (the inputs and one for the bias) and columns of each layer."""
        sizes = [self.inputs, *[self.width] * (self.depth - 1), 1]
        return [(before + 1, after) for before, after in itertools.pairwise(sizes)]

    @property
    def parameters(self) -> int:
        """Length of a point."""
        return sum(rows * columns for rows, columns in self.shapes)

    def layers(self, point: Floats) -> list[Floats]:
        """Returns the layers of a point as float64 arrays (inputs + 1, units), bias last."""
        found, at = [], 0
        for rows, columns in self.shapes:
            found.append(point[at : at + rows * columns].reshape(rows, columns))
            at += rows * columns
        return found

    def point(self, layers: list[Floats]) -> Floats:
        """Returns the layers as one point; the inverse of `layers`."""
        return np.concatenate([layer.ravel() for layer in layers])

    def outputs(self, point: Floats, features: Floats) -> Floats:
        """Returns the outputs (n,) for features (n, inputs), before any sigmoid."""
        values = features
        for layer in self.layers(point):
            values = values @ layer[:-1] + layer[-1]
        return values[:, 0]

    def mirrored(self, point: Floats) -> Floats:
        """Returns another point with the same outputs: all units of the first layer negated.

        Raises:
            ValueError: If there is no hidden layer.
        """
        if self.depth < 2:
            raise ValueError("expected a network with a hidden layer. Received: depth 1")
        first, second, *rest = [layer.copy() for layer in self.layers(point)]
        first = -first
        second[:-1] = -second[:-1]
        return self.point([first, second, *rest])


def mean_loss(
    network: LinearNetwork, loss: Loss, point: Floats, features: Floats, labels: Floats
) -> float:
    """Returns the mean loss over the examples; NaN where that of any example is not defined."""
    return float(loss.value(network.outputs(point, features), labels).mean())


def hessian(
    network: LinearNetwork, loss: Loss, point: Floats, features: Floats, labels: Floats
) -> npt.NDArray[np.float64]:
    """Returns the Hessian of the mean loss by all parameters.

    With f(x) the output and l the loss of one example it is the mean of
    l''(f) J(x)^T J(x) + l'(f) H(x), J and H being the first and second derivatives of f. As f
    is linear in (x, 1), the mean of l' H is H at the mean of l' (x, 1): one evaluation.

    Args:
        network: The network.
        loss: The loss.
        point: float64 array (parameters,).
        features: float64 array (n, inputs).
        labels: float64 array (n,), 0.0 or 1.0.

    Returns:
        float64 array (parameters, parameters), symmetric; NaN where the loss is not defined.
    """
    with_ones = np.column_stack([features, np.ones(len(features))])
    outputs = network.outputs(point, features)
    jacobian = _jacobian(network, point, with_ones)
    curvature, slope = loss.curvature(outputs, labels), loss.slope(outputs, labels)
    of_slopes = with_ones.T @ slope / len(labels)
    found: Floats = jacobian.T @ (jacobian * curvature[:, None]) / len(labels)
    return found + _second(network, point, of_slopes)


def _carried(network: LinearNetwork, point: Floats) -> list[Floats]:
    """Returns each layer as a square-cornered map that hands the constant on as well."""
    found = []
    for layer in network.layers(point):
        constant = np.zeros((len(layer), 1))
        constant[-1] = 1.0
        found.append(np.hstack([layer, constant]))
    return found


def _prefixes(maps: list[Floats], inputs: Floats) -> list[Floats]:
    """Returns what enters each layer, the constant last: one array (..., inputs + 1) per layer."""
    found = [inputs]
    for one in maps[:-1]:
        found.append(found[-1] @ one)
    return found


def _suffixes(maps: list[Floats]) -> list[Floats]:
    """Returns how the output depends on each layer's outputs: one array (units,) per layer."""
    found = [np.array([1.0, 0.0])]
    for one in reversed(maps[1:]):
        found.append(one @ found[-1])
    return [suffix[:-1] for suffix in reversed(found)]


def _jacobian(network: LinearNetwork, point: Floats, with_ones: Floats) -> Floats:
    """Returns the derivatives (n, parameters) of the outputs."""
    maps = _carried(network, point)
    parts = [
        np.einsum("ni,j->nij", prefix, suffix).reshape(len(with_ones), -1)
        for prefix, suffix in zip(_prefixes(maps, with_ones), _suffixes(maps), strict=True)
    ]
    return np.concatenate(parts, axis=1)


def _second(network: LinearNetwork, point: Floats, inputs: Floats) -> Floats:
    """Returns the second derivatives (parameters, parameters) of the output for one input."""
    maps = _carried(network, point)
    prefixes, suffixes = _prefixes(maps, inputs), _suffixes(maps)
    ends = np.cumsum([0, *(rows * columns for rows, columns in network.shapes)])
    found = np.zeros((ends[-1], ends[-1]))
    for a in range(network.depth):
        between = np.eye(maps[a].shape[1])  # from layer a's outputs to layer b's inputs
        for b in range(a + 1, network.depth):
            units = network.shapes[a][1]
            block = np.einsum("i,jk,l->ijkl", prefixes[a], between[:units], suffixes[b])
            block = block.reshape(ends[a + 1] - ends[a], ends[b + 1] - ends[b])
            found[ends[a] : ends[a + 1], ends[b] : ends[b + 1]] = block
            found[ends[b] : ends[b + 1], ends[a] : ends[a + 1]] = block.T
            between = between @ maps[b]
    return found
