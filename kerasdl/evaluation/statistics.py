"""Is one model better than another, or is it luck?

Two kinds of luck are kept apart.

**The test images.** For one seed, both models answer the same images, so
McNemar's test is the right one: of the images on which just one is right, is
the split other than fair coins would give? Its error rate holds for one
training each (Dietterich, "Approximate Statistical Tests for Comparing
Supervised Classification Learning Algorithms", Neural Computation 10 (1998),
section 3.1), and it is exact in its binomial form for any count.

The p-values of several seeds must not be multiplied, nor their counts added up
as if they were more images: the seeds share the images, and a hard image is
hard for every seed. So the image stays the unit: image i has the difference
d_i = (seeds whose first model is right) - (seeds whose second model is right),
and if the models were interchangeable, d_i would be as likely as -d_i.
Flipping the signs of all d_i gives the exact distribution of their sum: a
permutation test (Fisher, "The Design of Experiments", 1935, section 21), which
for one seed is McNemar's exact test. Nothing is assumed about the dependence
between seeds; assumed is that the test images are independent draws. Holm's
method ("A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
Journal of Statistics 6 (1979), pp. 65-70) corrects for the number of pairs.

**The training.** The test above speaks of these trained networks, and says
which of the two leads. Whether other seeds would agree with that direction is
asked by a paired t-test over the seeds, from three seeds on, one-sided because
the direction is given. It is a second gate, not adjusted for the number of
pairs: with three seeds an adjusted one could hardly ever pass. With two seeds
both must point the same way; with one the verdict says that this noise is
unknown.

A model is called better only if both gates pass; so a verdict errs towards
"tied within noise" (Bouthillier et al., "Accounting for Variance in Machine
Learning Benchmarks", MLSys 2021, on why both are needed). Wilcoxon's test over
the seeds is not offered: below six seeds it cannot reach 5 % at all.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.predictions import Predictions
from kerasdl.evaluation.significance import holm, mcnemar, paired_t, sign_flip, spread
from kerasdl.evaluation.variants import group
from kerasdl.record import Comparison, Run, Summary

LEVEL = 0.05

Bools = npt.NDArray[np.bool_]


def summarise(runs: Sequence[Run], titles: Mapping[str, str]) -> list[Summary]:
    """Summarises the runs of each model over its seeds.

    Args:
        runs: The runs of a record.
        titles: Names for people by model; a model without one keeps its own name.

    Returns:
        One summary per model and settings, in the order of first appearance.

    Raises:
        ValueError: If a model, its settings and a seed occur twice.
    """
    return [
        Summary(
            model=members[0].model,
            title=titles.get(members[0].model, members[0].model)
            + name.removeprefix(members[0].model),
            settings=members[0].settings,
            parameters=members[0].parameters,
            multiply_accumulates=members[0].multiply_accumulates,
            test_accuracy=spread([run.metrics.test_accuracy for run in members]),
            train_accuracy=spread([run.metrics.train_accuracy for run in members]),
            test_loss=spread([run.metrics.test_loss for run in members]),
            ece=spread([run.metrics.ece for run in members]),
            train_seconds=spread([run.train_seconds for run in members]),
        )
        for name, members in group(runs).items()
    ]


@dataclasses.dataclass(frozen=True)
class _Pair:
    """What is counted for two models before the correction for the number of pairs."""

    models: tuple[str, str]
    seeds: list[int]
    only_first: list[int]
    only_second: list[int]
    differences: list[float]
    p_images: float

    @property
    def difference(self) -> float:
        return spread(self.differences).mean


def _pair(
    models: tuple[str, str], first: Mapping[int, Bools], second: Mapping[int, Bools]
) -> _Pair:
    seeds = [seed for seed in first if seed in second]
    only_first = [int(np.sum(first[seed] & ~second[seed])) for seed in seeds]
    only_second = [int(np.sum(second[seed] & ~first[seed])) for seed in seeds]
    gain = [first[seed].astype(np.int64) - second[seed].astype(np.int64) for seed in seeds]
    return _Pair(
        models=models,
        seeds=seeds,
        only_first=only_first,
        only_second=only_second,
        differences=[float(one.mean()) for one in gain],
        p_images=sign_flip(np.sum(gain, axis=0)),
    )


Steady = Callable[[str, str], bool]
"""Whether the first of two models leads the other beyond the noise from seed to seed."""


def compare_all(
    runs: Sequence[Run], predictions: Predictions, steady: Steady | None = None
) -> list[Comparison]:
    """Compares every two models on the seeds that both have.

    Args:
        runs: The runs of a record.
        predictions: Their predictions on the test images; runs without are left out.
        steady: As of `compare_answers`.

    Returns:
        One comparison per pair with a common seed, in the order of the models.

    Raises:
        ValueError: If a model, its settings and a seed occur twice.
    """
    right: dict[str, dict[int, Bools]] = {}
    for name, members in group(runs).items():
        for run in members:
            scores = predictions.get(run.model, run.seed, run.settings)
            if scores is not None:
                answer = scores.argmax(axis=1) == predictions.labels
                right.setdefault(name, {})[run.seed] = answer
    return compare_answers(right, steady)


def compare_answers(
    right: Mapping[str, Mapping[int, Bools]], steady: Steady | None = None
) -> list[Comparison]:
    """Compares every two models by which test images each answers rightly.

    Args:
        right: By model and seed a bool array (n,), over the same images in the same order.
        steady: What says so of the seeds, where their number depended on the scores; None for
            the t-test of seeds whose number was fixed before.

    Returns:
        One comparison per pair with a common seed, in the order of the models.
    """
    pairs = [
        _pair((one, other), right[one], right[other])
        for one, other in itertools.combinations(right, 2)
        if right[one].keys() & right[other].keys()
    ]
    adjusted = holm([pair.p_images for pair in pairs])
    return [_decide(pair, p, steady) for pair, p in zip(pairs, adjusted, strict=True)]


def _decide(pair: _Pair, p_images: float, steady_by: Steady | None) -> Comparison:
    p_values = [mcnemar(*counts) for counts in zip(pair.only_first, pair.only_second, strict=True)]
    both_sides = paired_t(pair.differences)
    # The mean lies on the leader's side, so half of it is the tail on the other.
    p_seeds = None if both_sides is None else both_sides / 2
    leader, other = pair.models if pair.difference >= 0 else pair.models[::-1]
    if steady_by is not None:
        steady = steady_by(leader, other)
    elif p_seeds is not None:
        steady = p_seeds < LEVEL
    else:
        steady = all(one * pair.difference > 0 for one in pair.differences)
    better = leader if p_images < LEVEL and steady else None
    return Comparison(
        models=pair.models,
        difference=pair.difference,
        seeds=pair.seeds,
        only_first=pair.only_first,
        only_second=pair.only_second,
        p_values=p_values,
        p_images=p_images,
        p_seeds=p_seeds,
        better=better,
        verdict=_verdict(pair, p_images, p_values, better),
    )


def p_text(p: float) -> str:
    """Returns e.g. "p = 0.012" or "p < 0.001"."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _verdict(pair: _Pair, p_images: float, p_values: Sequence[float], better: str | None) -> str:
    seeds = len(pair.seeds)
    first, second = pair.models if pair.difference >= 0 else pair.models[::-1]
    points = f"{abs(pair.difference) * 100:.2f} points"
    if seeds == 1:
        evidence = f"{p_text(p_images)}, one seed: the noise of training is not measured"
    elif better and max(p_values) < 0.001:
        evidence = f"p < 0.001 in each of {seeds} seeds"
    else:
        evidence = f"{p_text(p_images)} over {seeds} seeds"
    if better:
        return f"{first} beats {second} by {points} ({evidence})"
    if pair.difference == 0:
        return f"tied within noise: {first} and {second} have the same accuracy ({evidence})"
    if p_images < LEVEL:
        sign = 1 if pair.difference > 0 else -1
        leads = ", ".join(f"{sign * one * 100:+.2f}" for one in pair.differences)
        return (
            f"tied within noise: {first} leads {second} by {points} on these test images "
            f"({evidence}), but within the noise from seed to seed ({leads} points)"
        )
    return f"tied within noise: {first} leads {second} by {points} only ({evidence})"


@dataclasses.dataclass(frozen=True)
class Best:
    """The model with the highest mean test accuracy.

    Args:
        name: Its name, as in `variants.group`.
        tied: The names of models that it does not beat beyond noise.
        beaten: The names of models that it does beat, the strongest first.
    """

    name: str
    tied: list[str]
    beaten: list[str]


def best(runs: Sequence[Run], comparisons: Sequence[Comparison]) -> Best | None:
    """Finds the best model, and those of which one cannot say that they are worse.

    Args:
        runs: The runs of a record.
        comparisons: Their comparisons; a model that was never compared with the
            best counts as tied with it.

    Returns:
        The best; None when there is no run.
    """
    means = {
        name: spread([run.metrics.test_accuracy for run in members]).mean
        for name, members in group(runs).items()
    }
    ranking = sorted(means, key=lambda name: -means[name])
    if not ranking:
        return None
    verdicts = {frozenset(one.models): one.better for one in comparisons}
    beaten = [
        name for name in ranking[1:] if verdicts.get(frozenset((ranking[0], name))) == ranking[0]
    ]
    tied = [name for name in ranking[1:] if name not in beaten]
    return Best(name=ranking[0], tied=tied, beaten=beaten)
