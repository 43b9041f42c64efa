"""Exact and small-sample tests, free of what they are used for.

Why these and how they are combined is explained in `kerasdl.evaluation.statistics`.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.record import Spread


def spread(values: Sequence[float]) -> Spread:
    """Returns mean and sample standard deviation (n - 1); for one value the latter is None.

    Raises:
        ValueError: If there is no value.
    """
    if not values:
        raise ValueError("expected at least one value. Received: none")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean=mean, std=None, n=1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Spread(mean=mean, std=math.sqrt(variance), n=len(values))


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns the exact two-sided p-value of McNemar's test.

    Source: McNemar, "Note on the sampling error of the difference between
    correlated proportions or percentages", Psychometrika 12 (1947), pp. 153-157.

    Args:
        only_first: Images that only the first model answers rightly.
        only_second: Images that only the second model answers rightly.

    Returns:
        0..1; 1 where no image tells the models apart.
    """
    from scipy.stats import binomtest

    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def sign_flip(differences: npt.ArrayLike) -> float:
    """Returns the exact two-sided p-value of the sign-flip permutation test.

    All 2^n assignments of signs are counted without listing them: images with
    the same |d| are coin tosses together (a binomial), and the binomials of
    the different |d| are convolved.

    Args:
        differences: Integer array (n,), one difference per image.

    Returns:
        Probability of a sum at least as far from 0 as the one seen, 0..1.
    """
    from scipy.stats import binom

    values = np.asarray(differences, dtype=np.int64)
    sizes = np.abs(values)
    total = int(sizes.sum())
    if total == 0:
        return 1.0
    # distribution[h] is the probability that the sizes of all heads add up to h.
    distribution = np.ones(1)
    for size in range(1, int(sizes.max()) + 1):
        count = int(np.count_nonzero(sizes == size))
        if count:
            pmf = binom.pmf(np.arange(count + 1), count, 0.5)
            wider = np.zeros(len(distribution) + size * count)
            # Heads of this size move the sum by `size`: each residue class by itself.
            for start in range(min(size, len(distribution))):
                row = np.convolve(distribution[start::size], pmf)
                wider[start : start + size * len(row) : size] = row
            distribution = wider
    # The sum is 2 * heads - total; it lies as far out as seen at both ends.
    tail = (total - abs(int(values.sum()))) // 2
    return float(min(1.0, 2.0 * distribution[: tail + 1].sum()))


def paired_t(differences: Sequence[float]) -> float | None:
    """Returns the two-sided p-value of the paired t-test; None below three values.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908), pp. 1-25.

    Args:
        differences: One difference of accuracy per seed.
    """
    from scipy.special import stdtr

    if len(differences) < 3:
        return None
    found = spread(differences)
    if not found.std or found.std < 1e-12:
        return 1.0 if abs(found.mean) < 1e-12 else 0.0
    t = abs(found.mean) / (found.std / math.sqrt(found.n))
    return float(min(1.0, 2.0 * stdtr(found.n - 1, -t)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns Holm's adjusted p-values, in the order given.

    Args:
        p_values: One p-value per comparison, 0..1.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted
