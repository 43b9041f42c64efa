"""Activations compared on one perceptron: accuracy, run time and gradients. Row 9 of the reports.

Accuracy comes from packed training, where all networks share the order of the images; run time
from trainings one at a time, since packed networks have no time of their own.
"""

from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from kerasdl import recipe
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context, Experiment
from kerasdl.studies.mlp_settings import Activation, Initializer
from kerasdl.studies.plan import MAX_SEED, Data


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What decides the experiment."""

    data: Data = Data(dataset="cifar10", validation_fraction=0.2)
    activations: Annotated[
        tuple[Activation, ...], Meta(min_length=2, description="e.g. sigmoid,tanh,relu")
    ] = ("sigmoid", "tanh", "relu", "leaky_relu")
    initializers: Annotated[
        tuple[Initializer, ...],
        Meta(min_length=1, description="rules for the first weights; figures show the first"),
    ] = ("pytorch", "auto")
    units: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(min_length=1, description="neurons of each hidden layer"),
    ] = (256, 256, 256)
    epochs: Annotated[int, Meta(ge=1, description="passes over the training images")] = 10
    batch_size: Annotated[int, Meta(ge=1, description="images in one step")] = 1024
    learning_rate: Annotated[float, Meta(gt=0, le=1e6, description="of Adam, constant")] = 1e-3
    epsilon: Annotated[float, Meta(gt=0, le=1, description="of Adam")] = 1e-8
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each N times")] = 3
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    timing_rounds: Annotated[
        int, Meta(ge=0, le=1000, description="times each activation's run time is taken; 0: not")
    ] = 5
    timing_size: Annotated[
        int, Meta(ge=1, description="images in an epoch whose time is taken")
    ] = 20_480

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
            ValueError: If something is named twice, or there are too few rounds.
        """
        for name, values in (
            ("activations", self.activations),
            ("initializers", self.initializers),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must differ from each other. Received: {values}")
        if 0 < self.timing_rounds < 5:
            raise ValueError(
                "a run time takes at least 5 rounds, or 0 to leave it out. "
                f"Received: timing_rounds {self.timing_rounds}"
            )


EXPERIMENT = Experiment(
    name="activations",
    title="Activations of a perceptron",
    description="Compare activations of a perceptron on gray images: accuracy over the seeds, "
    "run time, and how the gradients of each layer are distributed.",
    recipe=Recipe,
    presets={"default": {}, "full": {"seeds": 10, "timing_rounds": 15}},
    function="kerasdl.experiments.activations.study:run",
    timing="kerasdl.experiments.activations.forecast:ActivationsTiming",
)


def run(context: Context) -> list[Section]:
    """Trains what is missing, takes times, and draws the conclusions.

    Args:
        context: With a `Recipe` and the images.
    """
    from kerasdl.experiments.activations import report as activations_report
    from kerasdl.experiments.activations.timing import measure

    plan: Recipe = context.plan
    times = context.memo("run time", partial(measure, context)) if plan.timing_rounds else None
    results: list[dict[str, Any]] = []
    for seed in range(plan.seed, plan.seed + plan.seeds):
        found = context.memo(f"seed {seed}", partial(train, context, seed))
        best = max(found, key=lambda one: one["test_accuracy"])
        context.say(
            f"seed {seed}: best {best['activation']} ({best['initializer']}), test accuracy "
            f"{100 * best['test_accuracy']:.2f} %"
        )
        results += found
    sections: list[Section] = activations_report.sections(context, results, times)
    return sections


def train(context: Context, seed: int) -> list[dict[str, Any]]:
    """Trains all networks of a seed together."""
    from kerasdl.experiments import packed_mlps
    from kerasdl.experiments.packed_mlps import Net, Settings

    plan: Recipe = context.plan
    return packed_mlps.train(
        context,
        f"seed {seed}",
        [Net(plan.units, a, i) for i in plan.initializers for a in plan.activations],
        Settings(plan.epochs, plan.batch_size, plan.learning_rate, plan.epsilon),
        seed,
        validate=True,
        histogram_epochs={0, plan.epochs - 1},
    )
