"""The update rules of Keras's optimizers, fused, for many models at a time."""

import math
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasdl.training.compiling import SmoothedCrossentropy, class_loss
from kerasdl.training.packed.chains import Chain
from kerasdl.training.packed.rules import (
    ADAM,
    ELEMENTWISE,
    MOMENTUM,
    Slot,
    adam,
    keras_copy,
    momentum,
    plain,
)
from kerasdl.training.packed.weights import Owner, Stack
from kerasdl.training.schedules import WarmupDecay

_UNUSED = ("clipnorm", "clipvalue", "global_clipnorm", "use_ema", "loss_scale_factor")
_FUSED = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.AdamW
_OWN = ("name", "learning_rate", "weight_decay")
"""The options in which optimizers of one pack may differ."""


class Rule(NamedTuple):
    """An optimizer as far as packing goes.

    Args:
        key: What must be equal for models to be updated by one call.
        rate: The learning rate, a number, or the schedule.
        scale: The rate's constant factor: the number itself, or the schedule's peak.
        decay: Decoupled weight decay, >= 0.
        optimizer: The Keras optimizer.
        steps: The steps that it has made; with the key, so that one count serves all.
    """

    key: Hashable
    rate: Any
    scale: float
    decay: float
    optimizer: Any
    steps: int

    def decay_of(self, variable: Any) -> float:
        """Returns the decay of one variable, 0 where the optimizer leaves it out."""
        return self.decay if self.decay and self.optimizer._use_weight_decay(variable) else 0.0


def read_rule(optimizer: Any) -> Rule:
    """Reads a Keras optimizer.

    Args:
        optimizer: SGD (plain, with momentum, Nesterov), Adam, AdamW or one of ELEMENTWISE.

    Raises:
        ValueError: If it has no packed form.
    """
    kind = type(optimizer)
    if kind not in (*_FUSED, *ELEMENTWISE):
        names = ", ".join(one.__name__ for one in (*_FUSED, *ELEMENTWISE))
        raise ValueError(
            f"the optimizer has no packed form: expected {names}. Received: {kind.__name__}"
        )
    used = [name for name in _UNUSED if getattr(optimizer, name, None)]
    if getattr(optimizer, "amsgrad", False):
        used.append("amsgrad")
    if optimizer.gradient_accumulation_steps:
        used.append("gradient_accumulation_steps")
    if used:
        raise ValueError(f"the optimizer has no packed form with {', '.join(used)}")
    if kind is keras.optimizers.SGD:
        key: tuple[Any, ...] = "sgd", optimizer.momentum, optimizer.nesterov
    elif kind in ELEMENTWISE:
        options = {k: v for k, v in optimizer.get_config().items() if k not in _OWN}
        key = kind.__name__, *sorted(options.items())
    else:
        key = "adam", optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    rate = optimizer._learning_rate
    if isinstance(rate, WarmupDecay):
        shape: Hashable = rate.steps, rate.warmup, rate.decay
        scale = float(rate.peak)
    elif isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        shape, scale = id(rate), 1.0
    else:
        rate = float(np.asarray(rate))
        # A rate of 0 trains nothing, and has no factor to others.
        scale = rate or 1.0
        # A pack's rate is scaled for each model, which 0 has no factor for.
        shape = "constant" if rate else "zero"
    # Rates of one pack are factors of each other that every number format can hold.
    key = *key, round(math.log10(scale) / 12)
    # Keras computes a schedule in float32 with its peak inside: factors would differ in the
    # eighth digit, which float64 shows. What Ftrl keeps is no factor of the rate at all.
    exact = keras.config.floatx() == "float64" and not isinstance(rate, float)
    if exact or kind is keras.optimizers.Ftrl:
        shape = shape, scale
    steps = int(optimizer.iterations.numpy())
    decay = float(optimizer.weight_decay or 0.0)
    return Rule((*key, shape, steps), rate, scale, decay, optimizer, steps)


def smoothing_of(chain: Chain) -> float:
    """Returns the label smoothing of a compiled model's loss.

    Raises:
        ValueError: If its loss is no cross-entropy of classes and its outputs.
    """
    loss = class_loss(chain.model.loss)
    if loss is None:
        raise ValueError(
            f"{chain.model.name} cannot be packed: expected the loss "
            "SparseCategoricalCrossentropy or CategoricalCrossentropy. "
            f"Received: {chain.model.loss}"
        )
    if type(loss) is SmoothedCrossentropy and not chain.probabilities:
        return float(loss.smoothing)
    config = loss.get_config()
    options = config.get("ignore_class") is not None or config.get("axis", -1) != -1
    if options or loss.reduction != "sum_over_batch_size":
        raise ValueError(f"{chain.model.name} cannot be packed: its loss has options without form")
    if config.get("from_logits", True) is chain.probabilities:
        raise ValueError(
            f"{chain.model.name} cannot be packed: the loss takes "
            f"{'probabilities' if not chain.probabilities else 'logits'} and the model gives others"
        )
    return float(config.get("label_smoothing", 0.0))


def slot_of(owner: Owner, slot: Slot) -> Any:
    """Returns a Keras optimizer's variable for a weight; builds the optimizer if need be."""
    optimizer = owner.optimizer
    if not optimizer.built:
        optimizer.build(owner.trainable)
    return getattr(optimizer, slot.name)[optimizer._get_variable_index(owner.variable)]


class Update:
    """One fused update of all the weights of a pack, with the state it needs.

    Args:
        rule: The rule of the pack's first model; the others' rates are scales in the stacks.
        stacks: The trainable weights.
    """

    def __init__(self, rule: Rule, stacks: Sequence[Stack]) -> None:
        import tensorflow as tf

        self.rule, self.stacks = rule, tuple(stacks)
        kind = type(rule.optimizer)
        self._copy: Any = None
        if kind in ELEMENTWISE:
            self._copy = keras_copy(rule.optimizer, [stack.variable for stack in stacks])
            self.step = self._copy.iterations.value
            # Which of them there are depends on options.
            self._slots = tuple(s for s in ELEMENTWISE[kind] if getattr(self._copy, s.name))
            self.state = [
                [getattr(self._copy, slot.name)[place].value for slot in self._slots]
                for place in range(len(stacks))
            ]
        else:
            self.step = tf.Variable(0, dtype="int64", trainable=False, name="iterations")
            moving = getattr(rule.optimizer, "momentum", 0.0)
            sgd = MOMENTUM if moving else ()
            self._slots = sgd if kind is keras.optimizers.SGD else ADAM
            self._rule = adam if self._slots is ADAM else momentum if moving else plain
            self.state = [
                [tf.Variable(tf.zeros_like(stack.variable), trainable=False) for _ in self._slots]
                for stack in stacks
            ]
        self.step.assign(rule.steps)
        if rule.steps:
            self._load()

    def variables(self) -> list[Any]:
        """Returns the state: the step count and each weight's moving averages."""
        product = getattr(self._copy, "_u_product", None)  # Nadam's
        shared = [] if product is None else [product]
        return [self.step, *shared, *(variable for state in self.state for variable in state)]

    def _load(self) -> None:
        """Takes the state over from the Keras optimizers, which have trained before."""
        for slot, stack, variable in self._each_slot():
            values = [slot_of(owner, slot).numpy() for owner in stack.owners]
            variable.assign(stack.join(values, scaled=slot.scaled))
        if hasattr(self._copy, "_u_product"):  # Nadam's, the same for all that share a rule
            self._copy._u_product.assign(self.rule.optimizer._u_product)

    def store(self) -> None:
        """Writes the state into the Keras optimizers, so that these can go on with it."""
        for owner in {
            owner.model: owner for stack in self.stacks for owner in stack.owners
        }.values():
            owner.optimizer.iterations.assign(int(self.step.numpy()))
            if hasattr(self._copy, "_u_product"):
                owner.optimizer.build(owner.trainable)
                owner.optimizer._u_product.assign(self._copy._u_product)
        for slot, stack, variable in self._each_slot():
            parts = stack.split(stack.in_units(variable, scaled=slot.scaled).numpy())
            for owner, value in zip(stack.owners, parts, strict=True):
                slot_of(owner, slot).assign(value)

    def _each_slot(self) -> Iterator[tuple[Slot, Stack, Any]]:
        for stack, state in zip(self.stacks, self.state, strict=True):
            for slot, variable in zip(self._slots, state, strict=True):
                yield slot, stack, variable

    def apply(self, gradients: Sequence[Any]) -> None:
        """Moves the weights.

        Args:
            gradients: One tensor a stack, in its variable's shape.
        """
        import tensorflow as tf

        rate = self.rule.rate
        if not isinstance(rate, float):
            rate = rate(self.step)
        # Made once, not once a stack: operations that are the same take time to trace.
        dtypes = {stack.dtype for stack in self.stacks}
        # Not a cast of a Python number, which would go by float32.
        constant = isinstance(rate, float)
        rates = {d: tf.constant(rate, d) if constant else tf.cast(rate, d) for d in dtypes}
        for stack in self.stacks:
            if stack.decay.any():
                # Each model's own rate: the pack's times its scale.
                factor = stack.coefficients(stack.decay * [owner.scale for owner in stack.owners])
                stack.variable.assign_sub(stack.variable * (factor * rates[stack.dtype]))
        if self._copy is not None:
            (rate,) = rates.values()  # the weights of a pack have one number format
            variables = [stack.variable for stack in self.stacks]
            self._copy._backend_update_step(list(gradients), variables, rate)
        else:
            moves = {d: self._rule(self.rule.optimizer, self.step, rates[d]) for d in dtypes}
            for stack, state, gradient in zip(self.stacks, self.state, gradients, strict=True):
                moves[stack.dtype](stack.variable, state, gradient)
        self.step.assign_add(1)
