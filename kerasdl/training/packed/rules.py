"""The fused operations that move weights as Keras's optimizers do.

Each function takes a Keras optimizer, the number of steps made (int64 scalar) and the learning
rate (scalar in the weights' number format), and returns what moves one variable in one step.
"""

from collections.abc import Callable
from typing import Any

Move = Callable[[Any, Any, Any], None]
"""Moves a variable of weights, given the variables of its state and its gradient."""


def plain(optimizer: Any, step: Any, rate: Any) -> Move:
    """Returns the move of SGD without momentum."""
    import tensorflow as tf

    def move(weights: Any, state: Any, gradient: Any) -> None:
        tf.raw_ops.ResourceApplyGradientDescent(var=weights.handle, alpha=rate, delta=gradient)

    return move


def momentum(optimizer: Any, step: Any, rate: Any) -> Move:
    """Returns the move of SGD with momentum, Nesterov's or not."""
    import tensorflow as tf

    momentum = tf.constant(optimizer.momentum, rate.dtype)

    def move(weights: Any, state: Any, gradient: Any) -> None:
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=weights.handle,
            accum=state[0].handle,
            lr=rate,
            grad=gradient,
            momentum=momentum,
            use_nesterov=optimizer.nesterov,
        )

    return move


def adam(optimizer: Any, step: Any, rate: Any) -> Move:
    """Returns the move of Adam, and AdamW but for its decay."""
    import tensorflow as tf

    count = tf.cast(step + 1, rate.dtype)
    beta_1, beta_2, epsilon = (
        tf.constant(number, rate.dtype)
        for number in (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    )
    powers = tf.pow(beta_1, count), tf.pow(beta_2, count)

    def move(weights: Any, state: Any, gradient: Any) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=weights.handle,
            m=state[0].handle,
            v=state[1].handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=gradient,
        )

    return move
