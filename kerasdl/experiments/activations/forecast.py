"""What takes time in the comparison of activations."""

import dataclasses
from typing import Any

import keras

from kerasdl.experiments.activations.study import Recipe, train
from kerasdl.experiments.activations.timing import TAKEN, WARM
from kerasdl.experiments.packed_mlps import Net, Settings, build, operations
from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import Sizes
from kerasdl.training.engine import Engine
from kerasdl.training.forecast import Rate, Work
from kerasdl.training.stopwatch import Rehearsal


class ActivationsTiming:
    """The `Timing` of the experiment.

    Args:
        context: What it is given; what is measured goes there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns the run times, each a training of its own, and the seeds."""
        shape, classes = self._context.images[0].image_shape, sizes.classes
        nets = [Net(plan.units, one, "auto") for one in plan.activations]
        alone = operations(nets[:1], shape, classes)
        images = (WARM + TAKEN) * min(plan.timing_size, sizes.train)
        times = Work("run time", "run time", "run time", images, operations=alone)
        together = operations(nets, shape, classes) * len(plan.initializers)
        seeds = range(plan.seed, plan.seed + plan.seeds)
        return [times] * plan.timing_rounds * len(nets) + [
            Work(
                f"seed {seed}",
                "accuracy and gradients",
                "seed",
                plan.epochs * sizes.train,
                plan.epochs * sizes.validation,
                2 * sizes.test,
                together,
            )
            for seed in seeds
        ]

    def rest(self, plan: Recipe) -> float:
        """Returns the seconds of figures and report."""
        return 8.0

    def measure(self, work: Work) -> Rate:
        """Measures a few steps of one network, or of all together."""
        rehearsal = Rehearsal()
        context = dataclasses.replace(self._context, rehearsal=rehearsal)
        plan: Recipe = context.plan
        if work.kind == "seed":
            return rehearsal.run(lambda: train(context, plan.seed))

        def alone() -> Any:
            dataset, parts = context.images
            settings = Settings(WARM + TAKEN, plan.batch_size, plan.learning_rate, plan.epsilon)
            net = Net(plan.units, plan.activations[0], plan.initializers[0])
            keras.backend.clear_session()
            model = build(net, settings, dataset.image_shape, dataset.num_classes, plan.seed)
            watch = rehearsal.watch(len(parts.train), plan.batch_size)
            return Engine(model).fit(
                parts.train, settings.training, seed=plan.seed, callbacks=[watch]
            )

        return rehearsal.run(alone)
