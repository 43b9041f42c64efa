"""Which cut is best, and which others are not worse beyond noise."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.significance import sign_flip, spread
from kerasdl.experiments.cuts.settings import Place, Recipe
from kerasdl.record import Spread

LEVEL = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Cut:
    """What a cut costs, and what heads on its features know.

    Args:
        place: Where it is.
        shape: Height, width and maps of what is pooled there.
        numbers: Features of an image.
        multiply_accumulates: Of an image's way to the cut.
        l2: The penalty of the highest mean validation accuracy; the larger of equal ones.
        train: Accuracy on the training images, one a seed, 0..1.
        validation: The same on the validation images.
        right: int array (validation images,), how many of the seeds answer each rightly.
    """

    place: Place
    shape: tuple[int, ...]
    numbers: int
    multiply_accumulates: int
    l2: float
    train: list[float]
    validation: list[float]
    right: npt.NDArray[np.int64]

    @property
    def spread(self) -> Spread:
        """Mean and standard deviation of the validation accuracy over the seeds."""
        return spread(self.validation)

    @property
    def name(self) -> str:
        """What a sentence calls it, e.g. "conv_pw_11_relu at 96 pixels"."""
        return f"{self.place.cut} at {self.place.size} pixels"


def make_cut(place: Place, about: Mapping[str, Any], heads: Sequence[Mapping[str, Any]]) -> Cut:
    """Returns a cut with the heads of its best penalty.

    Args:
        place: Where it is.
        about: `shape`, `numbers` and `multiply_accumulates`.
        heads: For each penalty `l2`, `train` and `validation` (lists, one a seed) and `right`.
    """
    # Rounded: scores of float32 must not decide between equal ones.
    best = max(heads, key=lambda one: (round(spread(one["validation"]).mean, 7), one["l2"]))
    return Cut(
        place,
        tuple(about["shape"]),
        about["numbers"],
        about["multiply_accumulates"],
        best["l2"],
        best["train"],
        best["validation"],
        np.array(best["right"], np.int64),
    )


class Ranking:
    """Some cuts, best first; each is compared with the best.

    A cut is worse beyond noise when the validation images say so (sign flips of each image's
    difference, summed over the seeds) and the seeds do, too (a t-test, with the variance over the
    seeds pooled over all cuts: it comes from the heads' training, which is the same everywhere, and
    a few seeds of two cuts alone would hardly tell it). Both p-values are multiplied by the number
    of comparisons (Bonferroni; see kerasdl/tuning/ranking.py on why not Holm).

    Args:
        cuts: At least one.

    Attributes:
        cuts: Highest mean validation accuracy first; of equal ones the cheaper.
        p: That the best is no better, by cut, adjusted; 1 for the best itself.
    """

    def __init__(self, cuts: Sequence[Cut]) -> None:
        self.cuts = sorted(
            cuts, key=lambda one: (-round(one.spread.mean, 7), one.multiply_accumulates)
        )
        others = len(self.cuts) - 1
        self.p = {cut: min(1.0, others * self._p(cut)) for cut in self.cuts[1:]}
        self.p[self.best] = 1.0

    @property
    def best(self) -> Cut:
        """The first cut."""
        return self.cuts[0]

    @property
    def tied(self) -> list[Cut]:
        """The cuts besides the best that are not worse beyond noise, best first."""
        return [cut for cut in self.cuts[1:] if self.p[cut] >= LEVEL]

    @property
    def cheapest(self) -> Cut:
        """Of the best and those tied with it the one with the fewest multiply-accumulates."""
        return min([self.best, *self.tied], key=lambda one: one.multiply_accumulates)

    def _p(self, other: Cut) -> float:
        """Returns the two-sided p-value that the best's lead over a cut is noise, not adjusted."""
        return max(sign_flip(self.best.right - other.right), self._p_seeds(other))

    def _p_seeds(self, other: Cut) -> float:
        """Returns the t-test's; 0 for one seed, which knows no spread."""
        from scipy.special import stdtr

        seeds, lead = len(other.validation), self.best.spread.mean - other.spread.mean
        if seeds == 1:
            return 0.0
        variance = np.mean([np.var(cut.validation, ddof=1) for cut in self.cuts])
        error = float(np.sqrt(variance * 2 / seeds))
        if error < 1e-12:
            return 0.0 if lead > 1e-12 else 1.0
        return float(2.0 * stdtr((seeds - 1) * len(self.cuts), -lead / error))


class Results:
    """All cuts at all sizes.

    Args:
        plan: The recipe.
        cuts: Size by size, low to high.
    """

    def __init__(self, plan: Recipe, cuts: Sequence[Cut]) -> None:
        self.plan, self.cuts = plan, list(cuts)
        self.ranking = Ranking(cuts)

    def at(self, size: int) -> list[Cut]:
        """Returns the cuts at one input size, low to high."""
        return [cut for cut in self.cuts if cut.place.size == size]

    @property
    def winner(self) -> Cut:
        """What is scored on the test images."""
        return self.ranking.best if self.plan.winner == "best" else self.ranking.cheapest
