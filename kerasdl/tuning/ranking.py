"""Which trial of a search is best, and which are no worse beyond noise.

All trials are trained with the same seeds and scored on the same validation images, so a
lead of one over another may be luck in two ways (see `kerasdl.evaluation.statistics`): of
the images, tested by sign flips with the image as the unit, and of the seeds, tested by a
paired t-test, one-sided, from three seeds on. A trial is worse only if both say so, so its
p-value is the larger of the two, times the number of other trials (Bonferroni): each is
compared with the best, not with every other. Holm's method would compare the nearest rival
last and unadjusted, the one against which the choice of the best flatters it most.

**The best is chosen by the scores it is compared on.** Of equal trials the luckiest leads,
its score flatters it and the p-values are too small (the winner's curse). That both tests
must pass, and that the p of the seeds is adjusted too (in `statistics` it is not), works
against this. In 1000 simulated searches each of 10 or 40 equal trials, 3 or 5 seeds and 5000
images (`python benchmarks/ranking.py`), a given trial was wrongly called worse in 0.1 to 1.2 %,
some trial in 4 to 15 %. So the truly best trial is nearly always the best or tied with it, and
`tied` errs towards too many.
With one or two seeds only the images' noise is tested, and the truly best is easily missed.

A loss has no right and wrong images to flip: there the seeds alone are tested, and below
three seeds every trial counts as tied.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.significance import paired_t, sign_flip, spread
from kerasdl.record import Spread
from kerasdl.tuning.outcomes import Execution, Outcome, own

LEVEL = 0.05
OBJECTIVES = ("val_accuracy", "val_loss")

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Trial:
    """A completed trial in its place.

    Args:
        outcome: What it left.
        place: 1 for the best.
        scores: The objective by seed.
        spread: Mean and standard deviation of `scores`.
        p: That the best is no better than this trial, adjusted; 1 for the best itself.
    """

    outcome: Outcome
    place: int
    scores: dict[int, float]
    spread: Spread
    p: float

    @property
    def tied(self) -> bool:
        """Whether the best does not beat it beyond noise; true of the best itself."""
        return self.p >= LEVEL


class Ranking:
    """The trials of a search, best first.

    A trial is ranked if it was completed and has the objective for every seed. One with
    a seed that failed is not: the mean over its lucky seeds would compete. Of successive
    halving a setting is ranked by its longest training alone.

    Args:
        outcomes: The trials in the order in which they were made.
        objective: "val_accuracy", to be maximised, or "val_loss", to be minimised.
        validation: The number of validation images.

    Attributes:
        trials: Completed trials by the mean of the objective; of equal ones the earlier first.
        failed: Those that could not be ranked, in their order.
        went_on: Those of successive halving that went on in a later trial, in their order.
        settled: All trials but these, in their order.

    Raises:
        ValueError: If the objective is another, or there is no validation image.
    """

    def __init__(
        self, outcomes: Sequence[Outcome], *, objective: str = "val_accuracy", validation: int
    ) -> None:
        if objective not in OBJECTIVES:
            raise ValueError(
                f"expected an objective of {', '.join(OBJECTIVES)}. Received: {objective!r}"
            )
        if validation < 1:
            raise ValueError(f"expected at least one validation image. Received: {validation}")
        self.outcomes = list(outcomes)
        self.objective, self.validation = objective, validation
        self.minimised = objective == "val_loss"
        last = {id(outcome) for outcome in _longest(self.outcomes)}
        self.settled = [outcome for outcome in self.outcomes if id(outcome) in last]
        self.went_on = [outcome for outcome in self.outcomes if id(outcome) not in last]
        scores = [_scores(outcome, objective) for outcome in self.settled]
        self.failed = [
            outcome for outcome, one in zip(self.settled, scores, strict=True) if one is None
        ]
        ranked = [(o, one) for o, one in zip(self.settled, scores, strict=True) if one is not None]
        # Scores come from float32, whose last digits must not decide between equal trials.
        ranked.sort(key=lambda pair: -self._sign * round(_mean(pair[1]), 7))
        others = len(ranked) - 1
        p_values = [min(1.0, others * self._p(ranked[0], other)) for other in ranked[1:]]
        self.trials = [
            Trial(outcome, place, one, spread(list(one.values())), p)
            for place, ((outcome, one), p) in enumerate(
                zip(ranked, [1.0, *p_values], strict=False), 1
            )
        ]

    @property
    def _sign(self) -> int:
        return -1 if self.minimised else 1

    @property
    def best(self) -> Trial:
        """The first trial; raises ValueError where none was completed."""
        if not self.trials:
            raise ValueError(
                f"expected a completed trial. Received: {len(self.failed)} failed ones only"
            )
        return self.trials[0]

    @property
    def tied(self) -> list[Trial]:
        """The trials besides the best that are not worse beyond noise, best first."""
        return [trial for trial in self.trials[1:] if trial.tied]

    @property
    def seeds(self) -> list[int]:
        """The seeds that all completed trials have."""
        if not self.trials:
            return []
        return [
            seed
            for seed in self.trials[0].scores
            if all(seed in trial.scores for trial in self.trials)
        ]

    def simplest(self, key: str | None = None) -> Trial:
        """Returns the simplest of the best and the trials tied with it.

        Args:
            key: A numeric hyper-parameter of which less is simpler; None for the number
                of parameters. Trials without it are left out.

        Returns:
            The one with the smallest value; of equal ones the better.

        Raises:
            ValueError: If none was completed, or none of them has a number there.
        """
        among = [self.best, *self.tied]
        sizes = [size_of(trial.outcome, key) for trial in among]
        known = [
            (size, trial) for size, trial in zip(sizes, among, strict=True) if size is not None
        ]
        if not known:
            raise ValueError(
                f"expected a hyper-parameter with numbers. Received: {key!r}, which the best "
                "trials do not have"
            )
        return min(known, key=lambda pair: pair[0])[1]

    def _p(
        self, best: tuple[Outcome, dict[int, float]], other: tuple[Outcome, dict[int, float]]
    ) -> float:
        """Returns the p-value that the best's lead over another trial is noise, not adjusted."""
        common = [seed for seed in best[1] if seed in other[1]]
        leads = [self._sign * (best[1][seed] - other[1][seed]) for seed in common]
        if not leads or math.fsum(leads) <= 0:
            return 1.0
        both_sides = paired_t(leads)
        if both_sides is not None:
            p_seeds = both_sides / 2  # the mean lies on the side that is asked for
        else:
            p_seeds = 0.0 if min(leads) > 0 and not self.minimised else 1.0
        return (
            p_seeds if self.minimised else max(p_seeds, self._p_images(best[0], other[0], common))
        )

    def _p_images(self, best: Outcome, other: Outcome, seeds: Sequence[int]) -> float:
        gain = np.zeros(self.validation, np.int64)
        for seed in seeds:
            first, second = (
                _execution(one, seed).answers(self.validation) for one in (best, other)
            )
            gain += first.astype(np.int64) - second
        return sign_flip(gain) if gain.sum() > 0 else 1.0


def size_of(outcome: Outcome, key: str | None) -> float | None:
    """Returns a numeric hyper-parameter, or for None the parameters; None where there is none."""
    value = outcome.parameters if key is None else outcome.values.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _longest(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Returns of successive halving each setting's longest training, of other searches all."""
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        epochs = outcome.values.get("tuner/epochs")
        key = outcome.trial_id if epochs is None else repr(sorted(own(outcome.values).items()))
        if key not in found or epochs > found[key].values["tuner/epochs"]:
            found[key] = outcome
    return list(found.values())


def _scores(outcome: Outcome, objective: str) -> dict[int, float] | None:
    """Returns the objective by seed; None where the trial cannot be ranked."""
    found = {}
    for execution in outcome.executions:
        score = execution.scores.get(objective)
        if execution.error is not None or score is None or not math.isfinite(score):
            return None
        found[execution.seed] = score
    return found if found and outcome.status == "COMPLETED" else None


def _mean(scores: dict[int, float]) -> float:
    return spread(list(scores.values())).mean


def _execution(outcome: Outcome, seed: int) -> Execution:
    return next(one for one in outcome.executions if one.seed == seed)
