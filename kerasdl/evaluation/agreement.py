"""Does a figure of a repeated run agree with its record?

The same recipe on the same machine with the same versions gives the same numbers to
the last bit. Elsewhere rounding differs, and after some hundred steps a training that
differs by a rounding differs as much as one with another seed. So a figure is
reproduced when its mean lies inside the prediction interval of the record: where the
mean of further seeds is to be expected (Hahn and Meeker, "Statistical Intervals", 1991,
section 4.8).
"""

import math
from collections.abc import Sequence

from kerasdl.evaluation.significance import spread
from kerasdl.record import Spread
from kerasdl.sections import Struct


class Figure(Struct, frozen=True):
    """One figure, then and now.

    Args:
        name: As in a run's `metrics` or `history`.
        record: Mean and spread over all seeds of the record.
        now: The same over the seeds that were run again.
        level: Level of the interval, e.g. 0.95; null where the figure is not judged.
        interval: Where `now.mean` is to be expected; null where `level` is, or where
            the record has one seed, so that its spread is not known.
        inside: Whether it lies there, or equals the record's; null where that is
            not known.
    """

    name: str
    record: Spread
    now: Spread
    level: float | None
    interval: tuple[float, float] | None
    inside: bool | None


def prediction_interval(
    old: Spread, further: int, *, level: float, floor: float = 0.0
) -> tuple[float, float] | None:
    """Returns where the mean of further seeds is to be expected.

    Mean ± t((1 + level) / 2, n - 1) std sqrt(1/n + 1/further) (Hahn and Meeker 1991,
    section 4.8), supposing that seeds are normally distributed. A few seeds can agree
    by luck; so the interval is at least what `floor`, as a known deviation, gives with
    the normal distribution in the place of t.

    Args:
        old: Mean and deviation of the record.
        further: Number of further seeds, >= 1.
        level: Probability, 0 < level < 1.
        floor: The least standard deviation of one seed, e.g. `sampling_error`.

    Returns:
        Lower and upper end; None when the record has one seed.
    """
    from scipy import stats

    if old.std is None:
        return None
    tail = (1.0 + level) / 2.0
    width = max(stats.t.ppf(tail, old.n - 1) * old.std, stats.norm.ppf(tail) * floor)
    width *= math.sqrt(1.0 / old.n + 1.0 / further)
    return old.mean - float(width), old.mean + float(width)


def sampling_error(name: str, mean: float, num_images: int) -> float:
    """Returns how much a figure varies with the images that it is measured on.

    That of a share is sqrt(p (1 - p) / n), with two successes and two failures added
    so that it is not 0 at 100 % (Agresti and Coull, The American Statistician 52
    (1998), pp. 119-126); a calibration error is a difference of two shares and is
    taken to vary like the larger part, the accuracy. The losses of images are spread at
    least as widely as an exponential distribution, whose deviation is its mean (LeNet-5
    on SVHN: mean 0.56, deviation 1.0).

    Args:
        name: The figure, as in METRICS or HISTORY.
        mean: Its value; of `ece` that of the accuracy.
        num_images: Number of images, >= 1.
    """
    if "loss" in name:
        return mean / math.sqrt(num_images)
    share = (mean * num_images + 2.0) / (num_images + 4.0)
    return math.sqrt(share * (1.0 - share) / num_images)


def judge(
    name: str, old: Sequence[float], new: Sequence[float], *, level: float, floor: float
) -> Figure:
    """Compares one figure.

    Args:
        name: Its name.
        old: Its values in the record, one for each seed.
        new: Its values now, one for each seed.
        level: Level of the prediction interval.
        floor: See `prediction_interval`.
    """
    before, after = spread(old), spread(new)
    interval = prediction_interval(before, after.n, level=level, floor=floor)
    inside = None
    if interval is not None:
        inside = interval[0] <= after.mean <= interval[1]
    if math.isclose(before.mean, after.mean, rel_tol=0.0, abs_tol=1e-12):
        inside = True
    return Figure(name, before, after, level, interval, inside)
