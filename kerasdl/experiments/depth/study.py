"""How deep may a perceptron be before its first layers learn nothing, and what cures it.

Depth x activation x first weights, all trained alike, with gradients, weights, updates and dead
units of every layer in every epoch; then the deepest network with one change at a time. Row 10
of the reports.
"""

import csv
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from kerasdl import files, recipe
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context, Experiment
from kerasdl.studies.mlp_settings import Activation, Initializer
from kerasdl.studies.plan import MAX_SEED, Data

if TYPE_CHECKING:
    from kerasdl.experiments.packed_mlps import Net

Cure = Literal["gain", "batch_norm", "skip", "batch_norm_skip"]


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What decides the experiment."""

    data: Data = Data(dataset="cifar10", validation_fraction=0.2)
    depths: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=100)], ...],
        Meta(min_length=1, description="layers with weights, e.g. 1,4,10; 1: the output layer"),
    ] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    activations: Annotated[
        tuple[Activation, ...], Meta(min_length=1, description="e.g. sigmoid,tanh,relu")
    ] = ("sigmoid", "tanh", "relu", "leaky_relu")
    initializers: Annotated[
        tuple[Initializer, ...],
        Meta(min_length=1, description="rules for the first weights; cures start from the first"),
    ] = ("pytorch", "glorot", "he")
    cures: Annotated[
        tuple[Cure, ...],
        Meta(description="changes of the deepest network: gain, batch_norm, skip, batch_norm_skip"),
    ] = ("gain", "batch_norm", "skip", "batch_norm_skip")
    cured: Annotated[
        tuple[Activation, ...], Meta(description="of the activations, those whose networks to cure")
    ] = ("sigmoid", "tanh", "relu")
    width: Annotated[int, Meta(ge=1, description="neurons of each hidden layer")] = 256
    epochs: Annotated[int, Meta(ge=1, description="passes over the training images")] = 10
    batch_size: Annotated[int, Meta(ge=1, description="images in one step")] = 1024
    learning_rate: Annotated[float, Meta(gt=0, le=1e6, description="of Adam, constant")] = 1e-3
    # The report's networks were PyTorch's, whose Adam has 1e-8; Keras's has 1e-7. Where gradients
    # are as small as that, it decides whether a layer moves.
    epsilon: Annotated[float, Meta(gt=0, le=1, description="of Adam")] = 1e-8
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each N times")] = 3
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
            ValueError: If something is named twice.
        """
        for name in ("depths", "activations", "initializers", "cures", "cured"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must differ from each other. Received: {values}")

    @property
    def patients(self) -> tuple[Activation, ...]:
        """The activations whose deepest network is cured: of those that are trained at all."""
        if not self.cures or max(self.depths) == 1:
            return ()
        return tuple(activation for activation in self.cured if activation in self.activations)


EXPERIMENT = Experiment(
    name="depth",
    title="Depth, activation and first weights of a perceptron",
    description="Train perceptrons of many depths with every activation and rule for the first "
    "weights, follow the gradients of each layer, and find out what cures the deep ones.",
    recipe=Recipe,
    presets={
        "default": {
            # What the report's claims are about: its two activations, its deepest networks.
            "depths": [1, 4, 9, 10],
            "activations": ["sigmoid", "relu"],
            "cured": ["sigmoid"],
            "seeds": 1,
        },
        "full": {},
    },
    function="kerasdl.experiments.depth.study:run",
    timing="kerasdl.experiments.depth.forecast:DepthTiming",
)


def run(context: Context) -> list[Section]:
    """Trains what is missing and draws the conclusions.

    Args:
        context: With a `Recipe` and the images.
    """
    from kerasdl.experiments.depth import report as depth_report

    plan: Recipe = context.plan
    results: list[dict[str, Any]] = []
    for seed in range(plan.seed, plan.seed + plan.seeds):
        for initializer in plan.initializers:
            key = f"{initializer}, seed {seed}"
            results += context.memo(key, partial(sweep, context, initializer, seed, key))
        if plan.patients:
            key = f"cures, seed {seed}"
            results += context.memo(key, partial(cure, context, seed, key))
        context.say(f"Seed {seed}: {len(results)} networks trained so far")
    write_layers(context, results)
    sections: list[Section] = depth_report.sections(context, results)
    return sections


def sweep(context: Context, initializer: str, seed: int, title: str) -> list[dict[str, Any]]:
    """Trains all depths and activations from one rule for the first weights."""
    return _train(context, title, nets(context.plan, initializer), seed)


def cure(context: Context, seed: int, title: str) -> list[dict[str, Any]]:
    """Trains the deepest network with each change."""
    found = cured_nets(context.plan)
    return _train(context, title, found, seed) if found else []


def nets(plan: Recipe, initializer: str) -> list["Net"]:
    """Returns the networks of all depths and activations from one rule for the first weights."""
    from kerasdl.experiments.packed_mlps import Net

    return [
        Net((plan.width,) * (depth - 1), activation, initializer)
        for activation in plan.activations
        for depth in plan.depths
    ]


def cured_nets(plan: Recipe) -> list["Net"]:
    """Returns the deepest networks with each change."""
    from kerasdl.experiments.packed_mlps import Net

    units = (plan.width,) * (max(plan.depths) - 1)
    return [
        Net(units, activation, plan.initializers[0], change)
        for change in plan.cures
        for activation in plan.patients
        if change != "gain" or activation == "sigmoid"
    ]


def _train(context: Context, title: str, nets: Sequence[Any], seed: int) -> list[dict[str, Any]]:
    from kerasdl.experiments.packed_mlps import Settings, train

    plan: Recipe = context.plan
    settings = Settings(plan.epochs, plan.batch_size, plan.learning_rate, plan.epsilon)
    results = train(context, title, nets, settings, seed)
    # The sweep compares no answers image by image, and 120 networks' would be most of the file.
    return [{name: value for name, value in one.items() if name != "right"} for one in results]


def write_layers(context: Context, results: Sequence[dict[str, Any]]) -> None:
    """Writes layers.csv: every quantity of every layer in every epoch.

    Args:
        context: The experiment's.
        results: As `packed_mlps.train` returns them.
    """
    quantities = list(results[0]["statistics"])
    with files.atomic_open(context.folder / "layers.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = ("initializer", "activation", "cure", "depth", "seed", "layer", "epoch")
        writer.writerow((*names, *quantities))
        for one in results:
            depth = len(one["units"]) + 1
            net = one["initializer"], one["activation"], one["cure"] or "", depth, one["seed"]
            for layer in range(depth):
                for epoch in range(len(one["statistics"][quantities[0]])):
                    values = [one["statistics"][name][epoch][layer] for name in quantities]
                    shown = ("" if value is None else f"{value:.4g}" for value in values)
                    writer.writerow((*net, layer + 1, epoch + 1, *shown))
