"""How weights of many models are moved at once, as Keras's optimizers move those of one.

SGD, Adam and AdamW have fused operations; what else changes each number of a weight by that
number's own gradient and state alone is Keras's own code on the stacked weights. An optimizer
that looks at a weight as a whole (LAMB's norms, Adafactor's rows and columns, Muon's
orthogonal matrices) would mix models there, and has no packed form.

Each of the functions `plain`, `momentum` and `adam` takes a Keras optimizer, the number of steps
made (int64 scalar) and the learning rate (scalar in the weights' number format), and returns
what moves one variable in one step.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras


class Slot(NamedTuple):
    """What an optimizer keeps for each number of a weight.

    Args:
        name: The Keras optimizer's attribute, a list of variables.
        scaled: Whether it is in the weight's units, e.g. a change of it: those of the stack are
            a model's own divided by its scale.
    """

    name: str
    scaled: bool


ADAM = Slot("_momentums", False), Slot("_velocities", False)
MOMENTUM = (Slot("momentums", True),)
ELEMENTWISE: dict[type[keras.optimizers.Optimizer], tuple[Slot, ...]] = {
    keras.optimizers.RMSprop: (
        Slot("_velocities", False),
        Slot("_momentums", True),
        Slot("_average_gradients", False),
    ),
    keras.optimizers.Nadam: ADAM,
    keras.optimizers.Lion: (Slot("_momentums", False),),
    keras.optimizers.Adagrad: (Slot("_accumulators", False),),
    keras.optimizers.Adadelta: (
        Slot("_accumulated_grads", False),
        Slot("_accumulated_delta_vars", False),
    ),
    keras.optimizers.Adamax: (Slot("_m", False), Slot("_u", False)),
    keras.optimizers.Ftrl: (Slot("_accumulators", False), Slot("_linears", False)),
    keras.optimizers.ScheduleFreeAdamW: (Slot("_momentums", True), Slot("_velocities", False)),
}
"""The optimizers whose own code moves stacked weights, and what they keep."""

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


def keras_copy(optimizer: Any, variables: Sequence[Any]) -> Any:
    """Returns an optimizer like a Keras one, built for variables of many models.

    Its method `_backend_update_step` moves them.

    Args:
        optimizer: One of ELEMENTWISE.
        variables: tf.Variables.
    """
    copy = type(optimizer).from_config({**optimizer.get_config(), "learning_rate": 1.0})
    copy.build(list(variables))
    # On one device there is nothing to add up, and TensorFlow never frees a graph with an
    # all_reduce.
    copy.__dict__["_all_reduce_sum_gradients"] = lambda pairs: pairs
    return copy
