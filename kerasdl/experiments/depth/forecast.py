"""What takes time in the experiment on depth."""

import dataclasses

from kerasdl.experiments.depth.study import Recipe, cure, cured_nets, nets, sweep
from kerasdl.experiments.packed_mlps import Net, operations
from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import Sizes
from kerasdl.training.forecast import Rate, Work
from kerasdl.training.stopwatch import Rehearsal


class DepthTiming:
    """The `Timing` of the experiment.

    Args:
        context: What it is given; what is measured goes there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns the packs of perceptrons, seed by seed."""
        shape = self._context.images[0].image_shape
        found = []
        for seed in range(plan.seed, plan.seed + plan.seeds):
            packs: list[tuple[str, list[Net]]]
            packs = [(name, nets(plan, name)) for name in plan.initializers]
            packs += [("cures", cured_nets(plan))] if plan.patients else []
            for name, members in packs:
                if members:
                    found.append(
                        Work(
                            f"{name}, seed {seed}",
                            name,
                            # All rules for the first weights cost alike.
                            "cures" if name == "cures" else "sweep",
                            plan.epochs * sizes.train,
                            scored=2 * sizes.test,
                            operations=operations(members, shape, sizes.classes),
                        )
                    )
        return found

    def rest(self, plan: Recipe) -> float:
        """Returns the seconds of figures and report."""
        return 12.0

    def measure(self, work: Work) -> Rate:
        """Measures a few steps of a pack."""
        rehearsal = Rehearsal()
        context = dataclasses.replace(self._context, rehearsal=rehearsal)
        plan: Recipe = context.plan
        if work.kind == "cures":
            return rehearsal.run(lambda: cure(context, plan.seed, work.key))
        return rehearsal.run(lambda: sweep(context, plan.initializers[0], plan.seed, work.key))
