"""What repeated trainings over strengths say: the best of each regulariser, and who beats whom."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation import resampling
from kerasdl.evaluation.significance import holm, paired_t, sign_flip, spread
from kerasdl.experiments.strengths.settings import BASELINE, FAMILIES, Net, Recipe
from kerasdl.record import Spread
from kerasdl.reporting import text

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Best:
    """A regulariser at its best.

    Args:
        net: With the strength of the highest mean validation accuracy.
        tied: Strengths that are not worse beyond noise.
    """

    net: Net
    tied: list[float]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two networks compared, first minus second, p-values adjusted (Holm) for all pairs.

    Args:
        nets: The two.
        validation: Mean difference of validation accuracy, -1..1.
        error: Its standard error over the divisions; None for one.
        p_validation: Corrected resampled t-test, two-sided; 1 below three divisions.
        test: Mean difference of test accuracy.
        p_images: Sign-flip test with the test image as the unit.
        p_repeats: Paired t-test over the repetitions, one-sided; 1 below three.
    """

    nets: tuple[Net, Net]
    validation: float
    error: float | None
    p_validation: float
    test: float
    p_images: float
    p_repeats: float

    @property
    def outcome(self) -> int:
        """1 or -1 where first or second is better beyond noise on validation and test, else 0."""
        level = resampling.LEVEL
        validation = int(np.sign(self.validation)) * (self.p_validation < level)
        test = int(np.sign(self.test)) * (self.p_images < level and self.p_repeats < level)
        return validation if validation == test else 0


class Results:
    """The scores of all networks in all repetitions.

    Args:
        plan: The recipe.
        repetitions: As from `strengths.train`, at least one.
        trained: Training images of a division.
        validation: Validation images of a division.
    """

    def __init__(
        self,
        plan: Recipe,
        repetitions: Sequence[Mapping[str, Any]],
        trained: int,
        validation: int,
    ) -> None:
        self.plan, self.trained, self.held_out = plan, trained, validation
        self.ratio = validation / trained
        self.repeats = len(repetitions)
        self.nets = plan.nets(trained)
        self.entries: dict[Net, list[Mapping[str, Any]]] = {net: [] for net in self.nets}
        for found in repetitions:
            for one in found["nets"]:
                self.entries[Net(one["family"], one["strength"])].append(one)

    def values(self, net: Net, part: str) -> list[float]:
        """Returns a network's accuracy per repetition.

        Args:
            net: The network.
            part: "train", "validation", "test", or "gap": train minus validation.
        """
        if part == "gap":
            return [one["train"] - one["validation"] for one in self.entries[net]]
        return [one[part] for one in self.entries[net]]

    def spread(self, net: Net, part: str) -> Spread:
        """Returns mean and standard deviation of `values`."""
        return spread(self.values(net, part))

    def error(self, net: Net, part: str = "validation") -> float | None:
        """Returns the standard error of the mean of `values`, corrected for shared images."""
        return resampling.standard_error(self.values(net, part), self.ratio)

    def percent(self, net: Net, part: str) -> str:
        """Returns the mean of `values` for sentences, e.g. "97.9 %"."""
        return f"{100 * self.spread(net, part).mean:.1f} %"

    def with_error(self, net: Net) -> str:
        """Returns validation accuracy with its standard error for tables, e.g. "97.90 ± 0.61"."""
        error = self.error(net)
        mean = text.percent(self.spread(net, "validation").mean)
        return mean if error is None else f"{mean} ± {text.percent(error)}"

    def with_deviation(self, net: Net, part: str) -> str:
        """Returns a mean with its standard deviation for tables, in percent or points."""
        return text.percent_spread(self.spread(net, part)).replace("-", text.MINUS)

    def right(self, net: Net) -> Bools:
        """Returns which test images are answered rightly, (repetitions, images)."""
        return np.array([one["right"] for one in self.entries[net]], dtype=np.bool_)

    def curve(self, net: Net, key: str) -> npt.NDArray[np.float64]:
        """Returns one key of the history, (repetitions, epochs)."""
        return np.array([one["history"][key] for one in self.entries[net]], dtype=np.float64)

    def grid(self, family: str) -> list[Net]:
        """Returns the networks of a regulariser's grid, weakest first."""
        return [Net(family, value) for value in getattr(self.plan, family)]

    def best(self, family: str) -> Best:
        """Returns a regulariser at its best."""
        grid = self.grid(family)
        scores = [self.values(net, "validation") for net in grid]
        place, tied = resampling.tied_with_best(scores, self.ratio)
        return Best(grid[place], [grid[other].strength for other in tied])

    def families(self) -> list[str]:
        """Returns the regularisers with a grid."""
        return [family for family in FAMILIES if getattr(self.plan, family)]

    def pairs(self, nets: Sequence[Net], kept: Bools | None = None) -> list[Pair]:
        """Compares every two networks.

        Args:
            nets: The networks; the same ones twice are compared once.
            kept: Test images to count, (images,); None for all.
        """
        pairs = list(itertools.combinations(dict.fromkeys(nets), 2))
        raw = [self._compare(first, second, kept) for first, second in pairs]
        adjusted = [holm([one[name] for one in raw]) for name in ("p_validation", "p_images")]
        return [
            Pair(**{**one, "p_validation": validation, "p_images": images})
            for one, validation, images in zip(raw, *adjusted, strict=True)
        ]

    def _compare(self, first: Net, second: Net, kept: Bools | None) -> dict[str, Any]:
        validation = self._differences(first, second)
        gain = self.right(first).astype(np.int64) - self.right(second)
        if kept is not None:
            gain = gain[:, kept]
        over_repeats = paired_t(gain.mean(axis=1).tolist())
        p_validation = resampling.corrected_t(validation, self.ratio)
        return {
            "nets": (first, second),
            "validation": spread(validation).mean,
            "error": resampling.standard_error(validation, self.ratio),
            "p_validation": 1.0 if p_validation is None else p_validation,
            "test": float(gain.mean()),
            "p_images": sign_flip(gain.sum(axis=0)),
            # The mean lies on the leader's side, so half of it is the tail on the other.
            "p_repeats": 1.0 if over_repeats is None else over_repeats / 2,
        }

    def _differences(self, first: Net, second: Net) -> list[float]:
        values = (self.values(net, "validation") for net in (first, second))
        return [one - other for one, other in zip(*values, strict=True)]

    def chosen_alone(self, family: str, repetition: int) -> Net:
        """Returns what one division's validation images would choose: the weakest of the best."""
        grid = self.grid(family)
        scores = [self.values(net, "validation")[repetition] for net in grid]
        return grid[int(np.argmax(scores))]


def outcomes(pairs: Sequence[Pair], order: Sequence[Net]) -> list[int]:
    """Returns the outcomes of the pairs of an order, 1 where the earlier one is better.

    Args:
        pairs: Compared pairs, of these networks and of others.
        order: Networks, the claimed best first.
    """
    found = []
    for pair in pairs:
        if pair.nets[0] in order and pair.nets[1] in order:
            forward = order.index(pair.nets[0]) < order.index(pair.nets[1])
            found.append(pair.outcome if forward else -pair.outcome)
    return found


def named(net: Net) -> str:
    """Returns a network's name for people, e.g. "Dropout 0.3"."""
    return "No regulariser" if net == BASELINE else f"{FAMILIES[net.family]} {number(net.strength)}"


def number(strength: float) -> str:
    """Returns a strength for people: "0.001", "1e-5"."""
    return f"{strength:g}".replace("e-0", "e-").replace("e+0", "e")
