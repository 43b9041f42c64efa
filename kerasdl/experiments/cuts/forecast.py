"""What takes time in the experiment on cuts: forward passes, and heads on what they make."""

import dataclasses
import functools
import time

import numpy as np

from kerasdl.datasets.dataset import Features
from kerasdl.experiments.cuts.settings import Recipe
from kerasdl.experiments.cuts.sweep import Sweep
from kerasdl.experiments.cuts.taps import tapped
from kerasdl.models import bases
from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import Sizes
from kerasdl.training.features.forward import Forward
from kerasdl.training.forecast import Rate, Work
from kerasdl.training.stopwatch import Rehearsal


class CutsTiming:
    """The `Timing` of the experiment.

    Args:
        context: What it is given; what is measured goes there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        plan: Recipe = context.plan
        self._names = plan.features or bases.get(plan.transfer).cuts

    @functools.cached_property
    def _sweep(self) -> Sweep:
        return Sweep(self._context, self._names)

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns a pass for each size, the heads of each cut, and the winner's."""
        sha256, found = self._sweep.sha256, []
        epochs = plan.training.num_epochs(sizes.train)
        for size in plan.sizes:
            seen = sizes.train + sizes.validation
            # The arithmetic of VGG16, which is more than most have.
            cost = 15e9 * (size / 224) ** 2
            found.append(
                Work(
                    f"pass at {size}, {sha256}", f"features at {size}", f"pass at {size}", 0.0
                )._replace(scored=seen, operations=cost)
            )
            found += [
                Work(f"{name} at {size}, {sha256}", "heads", "heads", epochs * sizes.train)
                for name in self._names
            ]
        heads = epochs * (sizes.train + sizes.validation) / len(plan.l2)
        largest = f"pass at {max(plan.sizes)}"
        return [
            *found,
            Work("winner", "the winner", "heads", heads),
            Work("winner", "the winner", largest, 0.0, scored=sizes.test),
        ]

    def rest(self, plan: Recipe) -> float:
        """Returns the seconds of figures and report."""
        return 6.0

    def measure(self, work: Work) -> Rate:
        """Measures a batch of a pass, or a few steps of the heads of a cut of middle width."""
        plan: Recipe = self._context.plan
        if work.kind != "heads":
            size = int(work.kind.rpartition(" ")[2])
            began = time.perf_counter()
            whole, _ = tapped(self._sweep.frozen.model(size=size), self._names, plan.pooling)
            forward = Forward(whole)
            _, parts = self._context.images
            images = parts.train.images[: forward.batch_size]
            forward(images)
            started = time.perf_counter()
            forward(images)
            took = time.perf_counter() - started
            return Rate(max(0.0, started - began - took), 0.0, took / len(images))
        model = self._sweep.frozen.model(size=plan.sizes[0])
        _, taps = tapped(model, self._names, plan.pooling)
        widths = [tap.columns.stop - tap.columns.start for tap in taps.values()]
        labels = self._context.images[1].train.labels
        rows = np.random.default_rng(0).random(
            (len(labels), round(sum(widths) / len(widths))), np.float32
        )
        rehearsal = Rehearsal()
        context = dataclasses.replace(self._context, rehearsal=rehearsal)
        sweep = Sweep(context, self._names)
        return rehearsal.run(lambda: sweep.fit(plan.l2, Features(rows, labels), work.key))
