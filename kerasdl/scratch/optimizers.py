"""Stochastic gradient descent, with momentum where wanted."""

import math

import numpy as np

from kerasdl.scratch.activations import Floats


class SGD:
    """Gradient descent as Keras's `SGD` computes it, operation for operation.

    Without momentum w <- w - lr g. With momentum mu, and v = 0 before the first step,

        v <- mu v - lr g
        w <- w + v                  (Polyak 1964)
        w <- w + mu v - lr g        (with `nesterov`; Sutskever et al. 2013, ICML)

    PyTorch's SGD (dampening 0) keeps b <- mu b + g instead and steps w <- w - lr b, or
    w <- w - lr (g + mu b) with `nesterov`. While lr stays the same, v = -lr b, and both walk the
    same path up to rounding. They part when lr changes: here the velocity keeps the rate that
    it was gathered at, in PyTorch all of it takes the new one.

    Args:
        learning_rate: lr > 0. It may be changed between steps.
        momentum: mu, 0 <= mu < 1.
        nesterov: Look ahead by the velocity; needs momentum > 0 to matter.

    Raises:
        ValueError: If a value is outside its range.
    """

    def __init__(self, learning_rate: float = 0.1, momentum: float = 0.0, nesterov: bool = False):
        if not (learning_rate > 0 and math.isfinite(learning_rate)):
            raise ValueError(f"learning_rate must be above 0. Received: {learning_rate}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1. Received: {momentum}")
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.velocity: Floats | None = None

    def step(self, parameters: Floats, gradients: Floats) -> None:
        """Moves the parameters by one step, in place.

        Args:
            parameters: Array (p,), changed.
            gradients: Array (p,), overwritten: it serves as scratch paper.
        """
        gradients *= self.learning_rate
        if self.momentum == 0:
            parameters -= gradients
            return
        if self.velocity is None:
            self.velocity = np.zeros_like(parameters)
        self.velocity *= self.momentum
        self.velocity -= gradients
        if self.nesterov:
            parameters += self.momentum * self.velocity - gradients
        else:
            parameters += self.velocity
