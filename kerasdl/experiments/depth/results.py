"""What the depth experiment found, as arrays over the seeds, and what counts as learning."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.significance import spread
from kerasdl.reporting import text

Floats = npt.NDArray[np.float64]

STUCK = 0.01
"""A loss that ends at most so much, in nats, below that of knowing only how frequent the classes
are has not learnt from the images."""

ABOVE_CHANCE = 0.02
"""A training accuracy that ends at most so much above the most frequent class's share has not,
either."""

NOTICEABLE = 0.01
"""A layer gets a gradient if its norm is at least this share of the largest layer's: what can be
seen in a plot with a linear axis."""

MOVING = 1e-3
"""A layer moves if a step changes it by at least this share of its norm."""

TITLES = {
    "pytorch": "PyTorch's default",
    "glorot": "Glorot",
    "he": "He",
    "lecun": "LeCun",
    "small_normal": "0.01 x normal",
    "leaky_relu": "leaky ReLU",
    "relu": "ReLU",
    "gain": "weights x 4",
    "batch_norm": "BatchNorm",
    "skip": "skip connections",
    "batch_norm_skip": "BatchNorm and skip",
}


def title(name: str) -> str:
    """Returns the name for people of an activation, an initialiser or a cure."""
    return TITLES.get(name, name)


class Baseline(NamedTuple):
    """What knowing only how frequent the classes are gives: ln 10 and 0.1 for CIFAR-10.

    Args:
        loss: In nats.
        accuracy: 0..1.
    """

    loss: float
    accuracy: float


class Group(NamedTuple):
    """One network over its seeds.

    Args:
        members: Results of `packed_mlps.train`, one a seed.
    """

    members: Sequence[Mapping[str, Any]]

    def history(self, name: str) -> Floats:
        """Returns e.g. the loss, (seeds, epochs)."""
        return np.array([one["history"][name] for one in self.members], float)

    def percent(self) -> str:
        """Returns the test accuracy in percent with its spread over the seeds."""
        return text.percent_spread(spread(self.scores("test_accuracy")))

    def scores(self, name: str) -> list[float]:
        """Returns e.g. the test accuracy of each seed."""
        return [one[name] for one in self.members]

    def layers(self, quantity: str) -> Floats:
        """Returns a quantity of the layers, mean over the seeds, (layers, epochs)."""
        mean: Floats = self.seeds(quantity).mean(axis=0)
        return mean

    def seeds(self, quantity: str) -> Floats:
        """Returns a quantity of the layers, (seeds, layers, epochs)."""
        values = np.array([one["statistics"][quantity] for one in self.members], float)
        return values.swapaxes(1, 2)

    def signal(self) -> Floats:
        """Returns how much the hidden layers differ from image to image, (layers,)."""
        signals: Floats = np.array([one["signal"] for one in self.members], float).mean(axis=0)
        return signals

    def is_stuck(self, baseline: Baseline) -> bool:
        """Whether no seed has learnt: by its training loss and accuracy, in the last epoch.

        Args:
            baseline: What knowing only how frequent the classes are gives.
        """
        learns = self.history("loss")[:, -1] < baseline.loss - STUCK
        # A loss that began far above may still be on its way down.
        learns |= self.history("accuracy")[:, -1] > baseline.accuracy + ABOVE_CHANCE
        return not learns.any()


class Found:
    """All results.

    Args:
        results: Of `packed_mlps.train`.
    """

    def __init__(self, results: Sequence[Mapping[str, Any]]) -> None:
        self._groups: dict[tuple[str, str, int, str | None], list[Mapping[str, Any]]] = {}
        for one in results:
            key = one["initializer"], one["activation"], len(one["units"]) + 1, one["cure"]
            self._groups.setdefault(key, []).append(one)

    def get(
        self, initializer: str, activation: str, depth: int, cure: str | None = None
    ) -> Group | None:
        """Returns a network, None where it was not trained."""
        members = self._groups.get((initializer, activation, depth, cure))
        return Group(members) if members else None

    def stuck_from(
        self, initializer: str, activation: str, depths: Sequence[int], baseline: Baseline
    ) -> int | None:
        """Returns the least depth from which on all networks are stuck, None where none is."""
        first = None
        for depth in sorted(depths, reverse=True):
            group = self.get(initializer, activation, depth)
            if group is None or not group.is_stuck(baseline):
                break
            first = depth
        return first


def baseline_of(labels: npt.NDArray[np.int32]) -> Baseline:
    """Returns what knowing only how frequent the labels are gives."""
    counts = np.bincount(labels)
    shares = counts[counts > 0] / len(labels)
    return Baseline(float(-(shares * np.log(shares)).sum()), float(shares.max()))


def fall(norms: Floats) -> float:
    """Returns by which factor a quantity falls per layer from the last to the first, geometric.

    Args:
        norms: (layers,), first to last.
    """
    if len(norms) < 2 or norms[0] <= 0:
        return math.inf
    return float((norms[-1] / norms[0]) ** (1 / (len(norms) - 1)))


def noticeable(norms: Floats) -> int:
    """Returns how many layers have at least NOTICEABLE of the largest layer's gradient."""
    return int(np.sum(norms >= NOTICEABLE * norms.max()))
