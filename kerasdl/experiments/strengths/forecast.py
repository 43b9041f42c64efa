"""What takes time in the experiment on regularizers' strengths."""

import dataclasses

from kerasdl.experiments.strengths.settings import Recipe
from kerasdl.experiments.strengths.study import train
from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import Sizes, perceptron_operations
from kerasdl.training.forecast import Rate, Work
from kerasdl.training.stopwatch import Rehearsal


class StrengthsTiming:
    """The `Timing` of the experiment.

    Args:
        context: What it is given; what is measured goes there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns the repetitions."""
        shape = self._context.images[0].image_shape
        one = perceptron_operations(shape, plan.units, sizes.classes)
        return [
            Work(
                f"repetition {number}",
                "repetitions",
                "repetition",
                plan.epochs * sizes.train,
                plan.epochs * sizes.validation,
                sizes.train + sizes.validation + sizes.test,
                one * len(plan.nets(sizes.train)),
            )
            for number in range(plan.repeats)
        ]

    def rest(self, plan: Recipe) -> float:
        """Returns the seconds of figures and report."""
        return 6.0

    def measure(self, work: Work) -> Rate:
        """Measures a few steps of a repetition."""
        rehearsal = Rehearsal()
        context = dataclasses.replace(self._context, rehearsal=rehearsal)
        return rehearsal.run(lambda: train(context, 0, work.key))
