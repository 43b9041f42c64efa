"""What an activation costs: training time, measured so that the machine's moods cancel."""

import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasdl.datasets.dataset import Examples
from kerasdl.experiments.packed_mlps import Net, Settings, build
from kerasdl.studies.experiment import Context
from kerasdl.training.engine import Engine

WARM = 1
"""Epochs of a training whose time is not taken: they trace and compile."""

TAKEN = 3
"""Epochs whose time is taken; their median is the round's."""


Times = dict[str, dict[str, list[float]]]
"""Seconds of an epoch by activation and clock ("wall", "processor"), one number a round."""


class EpochTimes(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes the times of each epoch, in seconds: on the wall, and of all processors together."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, list[float]] = {"wall": [], "processor": []}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the clocks."""
        self._started = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops them."""
        stopped = time.perf_counter(), time.process_time()
        for name, one, other in zip(self.seconds, self._started, stopped, strict=True):
            self.seconds[name].append(other - one)


def measure(context: Context) -> Times:
    """Trains one network after the other, each activation once a round, and takes the time.

    The rounds are interleaved and begin with another activation each, so that a machine that
    slows down slows all of them. The processors' time hardly depends on other work; where a
    GPU computes, it says nothing.

    Args:
        context: The experiment's; has the images.
    """
    plan = context.plan
    dataset, parts = context.images
    train = Examples(parts.train.images[: plan.timing_size], parts.train.labels[: plan.timing_size])
    settings = Settings(WARM + TAKEN, plan.batch_size, plan.learning_rate, plan.epsilon)
    times: Times = {name: {"wall": [], "processor": []} for name in plan.activations}
    for number in range(plan.timing_rounds):
        for activation in rotated(plan.activations, number):
            keras.backend.clear_session()
            net = Net(plan.units, activation, plan.initializers[0])
            shape = dataset.image_shape, dataset.num_classes
            model = build(net, settings, *shape, plan.seed)
            taken = EpochTimes()
            Engine(model).fit(train, settings.training, seed=plan.seed, callbacks=[taken])
            for clock, seconds in taken.seconds.items():
                times[activation][clock].append(float(np.median(seconds[WARM:])))
        context.say(f"run time: round {number + 1} of {plan.timing_rounds}")
    return times


def rotated(values: Sequence[str], start: int) -> list[str]:
    """Returns the values in their order, from place `start` on and round."""
    start %= len(values)
    return [*values[start:], *values[:start]]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the narrowest interval of order statistics that has the median in 93 % of cases.

    Free of assumptions about the distribution: the median lies below the k-th smallest of n
    values with the probability of fewer than k heads in n tosses. For 5 values it is their range
    (93.75 %).

    Args:
        values: At least 5.
    """
    from scipy.stats import binom

    ordered, count = sorted(values), len(values)
    low = 0
    while 2 * binom.cdf(low + 1, count, 0.5) <= 0.07:
        low += 1
    return ordered[low], ordered[count - 1 - low]
