"""What takes time in the comparison of three programs."""

import dataclasses
import time

import msgspec

from kerasdl.datasets.dataset import Examples, Splits
from kerasdl.experiments.scratch.causes import STARTS
from kerasdl.experiments.scratch.programs import train
from kerasdl.experiments.scratch.settings import Recipe
from kerasdl.experiments.scratch.study import cells
from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import Sizes, perceptron_operations
from kerasdl.training.forecast import Rate, Work
from kerasdl.training.stopwatch import Rehearsal

MEASURED = 2000
"""Images that a program without callbacks is measured with."""

_LEARNERS = {"numpy": "by hand", "keras": "Keras", "sklearn": "scikit-learn"}


class ScratchTiming:
    """The `Timing` of the experiment.

    Args:
        context: What it is given; what is measured goes there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns the trainings of all programs, and the short ones that look for causes."""
        shape = self._context.images[0].image_shape
        operations = perceptron_operations(shape, plan.units, sizes.classes)
        last = plan.epochs[-1]
        found = [
            Work(
                f"{program}, {activation}, seed {seed}",
                _LEARNERS[program],
                program,
                last * sizes.train,
                last * sizes.validation,
                len(plan.epochs) * (sizes.train + sizes.test),
                operations,
            )
            for activation, program, seed in cells(plan)
        ]
        short = plan.short_epochs * min(plan.short_size, sizes.train)
        arms = len(plan.activations) + ("sigmoid" in plan.activations)
        causes = [("starts", "numpy", arms * len(STARTS) * short)]
        if "sigmoid" in plan.activations:
            causes.append(("report's sigmoid", "numpy", last * sizes.train))
        if "sklearn" in plan.programs:
            causes.append(("scikit-learn", "sklearn", 24 * short))
        return found + [
            Work(key, "causes", kind, images, operations=operations) for key, kind, images in causes
        ]

    def rest(self, plan: Recipe) -> float:
        """Returns the seconds of figures and report."""
        return 5.0

    def measure(self, work: Work) -> Rate:
        """Measures a program: a few steps of Keras's, an epoch of few images of the others'."""
        plan: Recipe = self._context.plan
        activation = plan.activations[0] if plan.activations[0] != "leaky_relu" else "relu"
        if work.kind == "keras":
            rehearsal = Rehearsal()
            context = dataclasses.replace(self._context, rehearsal=rehearsal)
            return rehearsal.run(lambda: train(context, "keras", activation, plan.seed))
        _, parts = self._context.images
        small = Splits(*(_first(part) for part in (parts.train, parts.validation, parts.test)))
        context = dataclasses.replace(
            self._context, splits=small, plan=msgspec.structs.replace(plan, epochs=(1,))
        )
        train(context, work.kind, activation, plan.seed)  # imports, and memory
        started = time.perf_counter()
        train(context, work.kind, activation, plan.seed)
        took = time.perf_counter() - started
        scored = len(small.validation) + len(small.train) + len(small.test)
        image = took / (len(small.train) + scored / 3)
        return Rate(0.0, image, image / 3)


def _first(examples: Examples) -> Examples:
    return Examples(examples.images[:MEASURED], examples.labels[:MEASURED])
