"""What a study tells of its own time, so that it can be forecast, and shortened to fit.

About 4 min 10 s on this machine: lenet5 40 s, smallnet 3 min 30 s (1 seed each)
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from kerasdl.training.forecast import Forecast, Rate, Work, is_short

if TYPE_CHECKING:
    from kerasdl.datasets.dataset import Splits


class Sizes(NamedTuple):
    """How many images there are.

    Args:
        train: To train on.
        validation: Held out.
        test: To test on.
        classes: How many classes they have.
    """

    train: int
    validation: int
    test: int
    classes: int

    @classmethod
    def of(cls, splits: "Splits", classes: int) -> "Sizes":
        """Returns those of divided images."""
        return cls(len(splits.train), len(splits.validation), len(splits.test), classes)


def perceptron_operations(
    image_shape: Sequence[int], units: Sequence[int], num_classes: int
) -> int:
    """Returns the multiply-accumulates of a perceptron for one image.

    Args:
        image_shape: Height, width and channels of what enters it.
        units: Neurons of each hidden layer.
        num_classes: Number of classes.
    """
    widths = math.prod(image_shape), *units, num_classes
    return sum(one * other for one, other in itertools.pairwise(widths))


class Timing(Protocol):
    """What takes time in a study."""

    def works(self, plan: Any, sizes: Sizes) -> list[Work]:
        """Returns what a recipe has to do, in its order."""
        ...

    def measure(self, work: Work) -> Rate:
        """Measures a few steps of works of this kind; writes nothing."""
        ...

    def rest(self, plan: Any) -> float:
        """Returns the seconds of figures and report, roughly."""
        ...


@runtime_checkable
class Continued(Protocol):
    """A `Timing` that sees by itself what an earlier start has done."""

    def done(self, folder: Path) -> list[str]:
        """Returns the keys of works that a run folder has."""
        ...


def measure(timing: Timing, works: Sequence[Work], console: Any) -> dict[str, Rate]:
    """Measures every kind of work once.

    Args:
        timing: Whose works they are.
        works: What is to be done; the first of a kind stands for all.
        console: A `rich` console; shows that something is going on.
    """
    from kerasdl.terminal import working

    found: dict[str, Rate] = {}
    with working(console, "Measuring what a step takes here"):
        for work in works:
            if work.kind not in found:
                found[work.kind] = timing.measure(work)
    return found


def forecast(
    timing: Timing,
    plan: Any,
    sizes: Sizes,
    console: Any,
    *,
    rates: Mapping[str, Rate] | None = None,
    done: Sequence[str] = (),
    each: str = "",
) -> tuple[Forecast, float | None]:
    """Forecasts a run and says what was found; a run that is surely short is only guessed at.

    Args:
        timing: What takes time in it.
        plan: Its recipe.
        sizes: How many images it has.
        console: A `rich` console.
        rates: What was measured already, or None.
        done: Keys of works that were done earlier.
        each: As of `Forecast.sentence`.

    Returns:
        The forecast, and the seconds as far as they were measured.
    """
    works = [work for work in timing.works(plan, sizes) if work.key not in set(done)]
    if rates is None:
        if is_short(works):
            return Forecast(works, {}, timing.rest(plan)), None
        rates = measure(timing, works, console)
    found = Forecast(works, rates, timing.rest(plan))
    if works:
        console.print(found.sentence(each), highlight=False, markup=False, soft_wrap=True)
    return found, found.seconds
