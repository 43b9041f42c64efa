"""Learning-rate schedules over a run of known length."""

import math
from typing import Any, Literal

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasdl")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises linearly from 0 to the peak, then falls to 0 at the last step.

    Args:
        peak: Highest learning rate, > 0.
        steps: Steps of the whole run, >= 1.
        warmup: Share of the run in which the rate rises, in [0, 1).
        decay: "cosine" (Loshchilov and Hutter 2017, ICLR, "SGDR", equation 5,
            one cycle) or "triangular" (linear; Smith 2017, WACV, "Cyclical
            Learning Rates", one cycle).

    Raises:
        ValueError: If a value is out of its range.
    """

    def __init__(
        self, peak: float, steps: int, warmup: float, decay: Literal["cosine", "triangular"]
    ) -> None:
        if not (peak > 0 and steps >= 1 and 0 <= warmup < 1 and decay in ("cosine", "triangular")):
            raise ValueError(
                'expected peak > 0, steps >= 1, 0 <= warmup < 1 and decay "cosine" or '
                f'"triangular". Received: {(peak, steps, warmup, decay)}'
            )
        self.peak, self.steps, self.warmup, self.decay = peak, steps, warmup, decay

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of the 0-based step `step` (an integer scalar)."""
        # Step s uses the rate of its middle, so that neither end wastes a step at 0.
        done = (ops.cast(step, "float32") + 0.5) / self.steps
        done = ops.minimum(done, 1.0)
        left = (1.0 - done) / (1.0 - self.warmup)
        if self.decay == "cosine":
            falling = 0.5 * (1.0 - ops.cos(math.pi * ops.minimum(left, 1.0)))
        else:
            falling = ops.minimum(left, 1.0)
        rising = done / self.warmup if self.warmup > 0 else 1.0
        return self.peak * ops.minimum(rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the optimizer."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup": self.warmup,
            "decay": self.decay,
        }
