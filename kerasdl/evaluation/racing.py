"""Which models of a comparison get further seeds: a race on the validation images.

Every model gets three seeds; further ones go to those that still compete for the first place,
until one is left or the seeds are spent. This is the race of Maron and Moore, "Hoeffding
Races", NIPS 6 (1993), pp. 59-66, with another test: Hoeffding's inequality holds for any bounded
score, and for models one point apart would take tens of thousands of seeds.

**The test.** At a look with n seeds, all competing models have the same n seeds, and Student's
paired t-test is made for every pair. A model is out when a competing one leads it with
p <= level / (looks × pairs): Bonferroni's inequality over all looks that are planned and all
pairs that there are at the start. The looks are few and lie geometrically, since each of them
costs a share of the level, and are fixed by the largest number of seeds: with 20, they are at
3, 4, 6, 9, 14 and 20 seeds.

**What is guaranteed.** The probability that any model is put out by one whose expected accuracy
is not higher is at most `level`; so with at least 1 - `level` the best one stays. This holds
whatever the looks decide, since a race that ends early, or whose losers are no longer tested,
only makes fewer of the tests that the inequality counts. It needs no assumption on how
models, seeds or looks depend on each other. Assumed is that a pair's differences over the seeds
are independent draws from one normal distribution. Accuracies come in steps of one image, so
that three equal differences are no rarity: their deviation is taken to be at least one image.

**Of what.** "Expected" is over the seeds, for these training and validation images: a race
chooses where seeds are worth their time, and speaks of no other images. Of these speaks the
comparison on the test images (`kerasdl.evaluation.statistics`) at the end. A model counts as
beaten where both say so: the race stands for the luck of the seeds, also when it was stopped
early, and the images of the test for that of the images.

`benchmarks/racing.py` measures both, and the seeds saved.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.statistics import p_text

LEVEL = 0.05
FIRST = 3
"""The seeds of every model: below three, a t-test says nothing."""
GROWTH = 1.5
"""A look has at most so many times the seeds of the one before."""


@dataclasses.dataclass(frozen=True)
class Beaten:
    """A model that is out of the race.

    Args:
        model: Its name.
        by: The competing models that lead it beyond noise, the strongest first.
        seeds: The seeds of both at that look.
        lead: Mean difference of the validation accuracies of the strongest and it, 0..1.
        p_value: Of that lead, two-sided, adjusted for looks and pairs, 0..level.
    """

    model: str
    by: tuple[str, ...]
    seeds: int
    lead: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class Race:
    """Where a race stands.

    Args:
        competing: The models that are tied with the best, in the order given.
        beaten: The others, in the order in which they went out.
        seeds: The seeds that the competing ones have, or had at the last look.
        missing: What to train before the next look, (model, seed), seeds outermost; empty at
            the end.
        status: "racing" while something is missing, "decided" with one model left, "spent"
            where several are left and have all seeds.
    """

    competing: tuple[str, ...]
    beaten: tuple[Beaten, ...]
    seeds: int
    missing: tuple[tuple[str, int], ...]
    status: Literal["racing", "decided", "spent"]

    def put_out(self, leader: str, other: str) -> bool:
        """Returns whether a model is out because another one leads it beyond noise."""
        return any(one.model == other and leader in one.by for one in self.beaten)


def looks(most: int) -> list[int]:
    """Returns the numbers of seeds at which a race is looked at, ascending, the last is `most`.

    Args:
        most: The largest number of seeds of a model, >= 3.

    Raises:
        ValueError: If `most` is smaller.
    """
    if most < FIRST:
        raise ValueError(f"a race needs at least {FIRST} seeds. Received: {most}")
    steps = math.ceil(math.log(most / FIRST) / math.log(GROWTH))
    found = {round(FIRST * (most / FIRST) ** (step / steps)) for step in range(1, steps + 1)}
    return sorted({FIRST, *found})


def run(
    accuracies: Mapping[str, Mapping[int, float]],
    *,
    most: int,
    images: int,
    first_seed: int = 0,
    level: float = LEVEL,
) -> Race:
    """Goes through the looks of a race as far as its trainings reach.

    A function of what is trained alone: killed and continued, a race is the same one.

    Args:
        accuracies: By model its validation accuracies, 0..1, by seed; all models are named, those
            without a training with no seeds.
        most: The largest number of seeds of a model, >= 3.
        images: The number of validation images, >= 1.
        first_seed: The seeds are `first_seed`, `first_seed` + 1, ...
        level: The largest probability that a model goes out wrongly, 0..1.

    Returns:
        Where the race stands.

    Raises:
        ValueError: If there is no model, `most` or `images` is too small, or an accuracy is not
            finite.
    """
    if not accuracies:
        raise ValueError("a race needs at least one model. Received: none")
    if images < 1:
        raise ValueError(f"a race needs validation images. Received: {images}")
    for model, given in accuracies.items():
        if not all(math.isfinite(value) for value in given.values()):
            raise ValueError(f"expected finite accuracies. Received: {dict(given)} of {model}")
    planned = looks(most)
    pairs = math.comb(len(accuracies), 2)
    competing, beaten, seeds = list(accuracies), list[Beaten](), 0
    for count in planned:
        if seeds and len(competing) == 1:
            break
        wanted = range(first_seed, first_seed + count)
        missing = [(m, seed) for seed in wanted for m in competing if seed not in accuracies[m]]
        if missing:
            return Race(tuple(competing), tuple(beaten), seeds, tuple(missing), "racing")
        seeds = count
        scores = np.array([[accuracies[m][seed] for seed in wanted] for m in competing])
        lead, p_values = paired_t(scores, images)
        adjusted = np.minimum(1.0, p_values * max(1, pairs * len(planned)))
        leads = (adjusted <= level) & (lead > 0)
        # The strongest leader tells most; the order among those that go out now is theirs.
        ranking = np.argsort(-scores.mean(axis=1), kind="stable")
        for place in ranking[::-1]:
            if leads[:, place].any():
                by = [other for other in ranking if leads[other, place]]
                values = float(lead[by[0], place]), float(adjusted[by[0], place])
                leaders = tuple(competing[other] for other in by)
                beaten.append(Beaten(competing[place], leaders, count, *values))
        out = {one.model for one in beaten}
        competing = [model for model in competing if model not in out]
    status: Literal["decided", "spent"] = "decided" if len(competing) == 1 else "spent"
    return Race(tuple(competing), tuple(beaten), seeds, (), status)


def paired_t(
    scores: npt.NDArray[np.float64], images: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Makes the paired t-test of every two models.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908), pp. 1-25.

    Args:
        scores: Accuracies (models, seeds), 0..1, at least three seeds.
        images: The number of images; the deviation is taken to be at least one image.

    Returns:
        Lead of the first over the second model and two-sided p-value, each (models, models).
    """
    from scipy.special import stdtr

    seeds = scores.shape[1]
    differences = scores[:, None] - scores[None]
    lead = differences.mean(axis=2)
    deviation = np.maximum(differences.std(axis=2, ddof=1), 1 / images)
    return lead, 2.0 * stdtr(seeds - 1, -np.abs(lead) / deviation * math.sqrt(seeds))


def reasons(race: Race, most: int) -> dict[str, str]:
    """Says for every model how many seeds it got and why.

    Args:
        race: Where the race stands.
        most: The largest number of seeds of a model.

    Returns:
        One line by model: the competing ones first, then the beaten from last to first.
    """
    told = {}
    for model in race.competing:
        others = ", ".join(other for other in race.competing if other != model)
        if race.status == "decided":
            why = "it leads the others beyond the noise of the seeds" if race.beaten else "alone"
        elif race.status == "spent":
            why = f"all that were allowed, still tied with {others}"
        else:
            why = f"so far, of at most {most}" + (f"; tied with {others}" if others else "")
        told[model] = f"{_count(race.seeds)}: {why}"
    for one in reversed(race.beaten):
        told[one.model] = (
            f"{_count(one.seeds)}: {one.by[0]} leads it by {100 * one.lead:.2f} points on the "
            f"validation images ({p_text(one.p_value)} over seeds, looks and pairs)"
        )
    return told


def _count(seeds: int) -> str:
    return f"{seeds} seed{'' if seeds == 1 else 's'}"
