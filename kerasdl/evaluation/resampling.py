"""Repeated random divisions of one small set: how sure is a mean, how sure a difference.

Divide, train and score R times, and the R scores are not independent: the training parts
share most of their images. The plain standard error s / sqrt(R) then shrinks without limit
while nothing new is learnt of other images. Nadeau and Bengio, "Inference for the
Generalization Error", Machine Learning 52 (2003), pp. 239-281, replace 1/R in the variance
by 1/R + held out / trained, which is what is used here. The ratio 0 gives the plain tests,
for repetitions that differ in their seed only.
"""

import math
from collections.abc import Sequence

from kerasdl.evaluation.significance import holm, spread
from kerasdl.sections import Verdict

LEVEL = 0.05


def standard_error(values: Sequence[float], ratio: float) -> float | None:
    """Returns the standard error of the mean over repeated divisions; None for one value.

    Args:
        values: One score (or difference of two) per division.
        ratio: Held-out images divided by training images, >= 0; 0 for independent repetitions.
    """
    found = spread(values)
    return None if found.std is None else found.std * math.sqrt(1 / found.n + ratio)


def corrected_t(differences: Sequence[float], ratio: float) -> float | None:
    """Returns the two-sided p-value of the corrected resampled t-test; None below three values.

    Args:
        differences: One difference of two models' scores per division.
        ratio: As in `standard_error`.
    """
    from scipy.special import stdtr

    if len(differences) < 3:
        return None
    mean, error = spread(differences).mean, standard_error(differences, ratio) or 0.0
    if error < 1e-12:
        return 1.0 if abs(mean) < 1e-12 else 0.0
    return float(min(1.0, 2.0 * stdtr(len(differences) - 1, -abs(mean) / error)))


def tied_with_best(scores: Sequence[Sequence[float]], ratio: float) -> tuple[int, list[int]]:
    """Finds the best of several settings, and those that it does not beat beyond noise.

    Args:
        scores: For each setting its score per division, the same divisions for all.
        ratio: As in `standard_error`.

    Returns:
        The place of the highest mean (the first of equal ones), and the places of the others
        whose paired difference from it has p >= 0.05, Holm-adjusted for their number, or is
        over fewer than three divisions.
    """
    means = [spread(values).mean for values in scores]
    best = means.index(max(means))
    others = [place for place in range(len(scores)) if place != best]
    p_values = []
    for place in others:
        pairs = zip(scores[best], scores[place], strict=True)
        p = corrected_t([first - second for first, second in pairs], ratio)
        p_values.append(1.0 if p is None else p)
    adjusted = holm(p_values)
    return best, [place for place, p in zip(others, adjusted, strict=True) if p >= LEVEL]


def verdict(outcomes: Sequence[int]) -> Verdict:
    """Returns what the pairs of a claimed order say of the order.

    Args:
        outcomes: One per pair of the order: 1 where it holds beyond noise, -1 where the
            reverse does, 0 where noise leaves it open.
    """
    if outcomes and all(outcome == 1 for outcome in outcomes):
        return "right"
    if -1 in outcomes:
        return "partly right" if 1 in outcomes else "wrong"
    return "undecided"
