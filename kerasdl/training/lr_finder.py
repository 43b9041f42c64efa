"""The learning-rate range test: the loss while the learning rate rises step by step.

Smith 2017 (WACV, "Cyclical Learning Rates for Training Neural Networks",
section 3.3) reads good rates off one short training whose rate grows. The
exponential ramp and the two suggestions are those of fastai (Howard and Gugger
2020, "fastai: A Layered API for Deep Learning", Information 11(2), section 4.1).
"""

import dataclasses
import math
from typing import Any

import keras
import msgspec
import numpy as np
import numpy.typing as npt
from keras import ops

from kerasdl.datasets.dataset import Examples
from kerasdl.training.fit_engine import make_engine
from kerasdl.training.settings import Training

Floats = npt.NDArray[np.float64]

STEPS = 200
LOWEST, HIGHEST = 1e-6, 100.0
DIVERGED = 4.0
"""The test ends when the smoothed loss is so many times the smallest one before."""

# Of a Gaussian, in steps: a sixth of a decade, narrow against a useful valley.
_SMOOTHING = 4.0
_MINIMUM_STEPS = 20


@keras.saving.register_keras_serializable("kerasdl")
class ExponentialRamp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises by the same factor at every step, from `lowest` at step 0 to `highest` at the last.

    Args:
        lowest: Learning rate of step 0, > 0.
        highest: Learning rate of step `steps` - 1 and later, > `lowest`.
        steps: Steps of the ramp, >= 2.

    Raises:
        ValueError: If a value is out of its range.
    """

    def __init__(self, lowest: float, highest: float, steps: int) -> None:
        if not (0 < lowest < highest and steps >= 2):
            raise ValueError(
                "expected 0 < lowest < highest and steps >= 2. "
                f"Received: {(lowest, highest, steps)}"
            )
        self.lowest, self.highest, self.steps = lowest, highest, steps

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of the 0-based step `step` (an integer scalar)."""
        done = ops.minimum(ops.cast(step, "float32") / (self.steps - 1), 1.0)
        return self.lowest * ops.exp(math.log(self.highest / self.lowest) * done)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the optimizer."""
        return {"lowest": self.lowest, "highest": self.highest, "steps": self.steps}


@dataclasses.dataclass(frozen=True)
class Curve:
    """What a range test measured, step by step.

    Args:
        rates: float64 array (n,), the learning rate of each step, rising.
        losses: float64 array (n,), the loss of each step's batch before the step, finite.
    """

    rates: Floats
    losses: Floats

    @property
    def smoothed(self) -> Floats:
        """The losses without the batches' noise, float64 array (n,)."""
        return smooth(self.losses)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Two usual readings of a curve.

    Args:
        steepest: The rate at which the smoothed loss falls fastest per factor of the rate.
        tenth: A tenth of `minimum`: the minimum itself is at the brink of divergence.
        minimum: The rate of the smallest smoothed loss.
        bounded: Whether the loss rose again behind the minimum. If not, the
            highest rate of the test was still harmless.
    """

    steepest: float
    tenth: float
    minimum: float
    bounded: bool


def smooth(losses: Floats) -> Floats:
    """Returns a Gaussian-weighted mean around each step, which shifts nothing sideways.

    Args:
        losses: float64 array (n,).
    """
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / _SMOOTHING) ** 2)
    means: Floats = weights @ losses / weights.sum(axis=1)
    return means


def suggest(curve: Curve) -> Suggestion | None:
    """Reads the two suggestions off a curve.

    Returns:
        None where the loss never fell below its start by more than its noise, so
        that no rate of the test is good.
    """
    smoothed = curve.smoothed
    lowest = int(smoothed.argmin())
    noise = float(np.std(curve.losses[: lowest + 1] - smoothed[: lowest + 1]))
    if lowest < 2 or smoothed[0] - smoothed[lowest] <= 2.0 * noise:
        return None
    slope = np.gradient(smoothed[: lowest + 1], np.log(curve.rates[: lowest + 1]))
    minimum = float(curve.rates[lowest])
    return Suggestion(
        steepest=float(curve.rates[slope.argmin()]),
        tenth=minimum / 10.0,
        minimum=minimum,
        bounded=lowest < len(smoothed) - 1 - _SMOOTHING,
    )


class RangeTest(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises the learning rate of a training and stops it when the loss runs away.

    It wants one call per step: `Engine(..., seconds_per_call=0)`.

    Args:
        steps: Steps of the test at most, >= 2.
        lowest: Learning rate of the first step, > 0.
        highest: Learning rate of the last, > `lowest`.
    """

    def __init__(
        self, steps: int = STEPS, lowest: float = LOWEST, highest: float = HIGHEST
    ) -> None:
        super().__init__()
        self._ramp, self._steps = ExponentialRamp(lowest, highest, steps), steps
        self._losses: list[float] = []

    @property
    def curve(self) -> Curve:
        """What was measured so far."""
        done = np.arange(len(self._losses)) / (self._steps - 1)
        rates = self._ramp.lowest * (self._ramp.highest / self._ramp.lowest) ** done
        return Curve(rates, np.array(self._losses, np.float64))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the optimizer the ramp instead of the recipe's schedule."""
        self.model.optimizer.learning_rate = self._ramp

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the loss of the step."""
        self._losses.append(float((logs or {})["loss"]))
        # Keras's loss is the mean of the epoch so far; this makes it the next batch's own.
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # fit keeps the metrics elsewhere
        self.model.reset_metrics()
        smoothed = smooth(np.array(self._losses))
        if len(self._losses) == self._steps or smoothed[-1] > DIVERGED * smoothed.min():
            self.model.stop_training = True


def range_test(
    model: keras.Model,
    strategy: Any,
    train: Examples,
    training: Training,
    *,
    seed: int,
    callbacks: Any = (),
) -> Curve:
    """Runs a range test on a newly built and compiled model, whose weights it spoils.

    Args:
        model: A compiled model, built inside `strategy.scope()`.
        strategy: A `tf.distribute.Strategy`.
        train: The examples.
        training: The recipe's settings; all but rate, schedule and length hold.
        seed: Decides order and augmentation, as in a training.
        callbacks: Further Keras callbacks, e.g. for progress.

    Raises:
        FloatingPointError: If the loss became NaN or infinite before there was a curve.
    """
    test = RangeTest()
    steps = -(-len(train) // min(training.batch_size, len(train)))
    length = msgspec.structs.replace(
        training, epochs=-(-STEPS // steps), minimum_images=0, patience=0
    )
    try:
        make_engine(model, strategy, seconds_per_call=0.0).fit(
            train, length, seed=seed, callbacks=[test, *callbacks]
        )
    except FloatingPointError:
        # The far end of many a curve, and no failure of the test.
        if len(test.curve.losses) < _MINIMUM_STEPS:
            raise
    return test.curve
