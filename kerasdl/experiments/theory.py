"""The study behind `kerasdl.apps.theory`: recipe, measurements, figures, sections."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.console_progress import CountProgress
from kerasdl.sections import Figure, Section
from kerasdl.studies.experiment import Context
from kerasdl.studies.plan import MAX_SEED, Data

if TYPE_CHECKING:
    from kerasdl.record import DatasetInfo
    from kerasdl.theory.tasks import Task

Part = Literal["losses", "convexity", "divergence", "convolutions"]
Rate = Annotated[float, Meta(gt=0)]


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What fully decides the measurements (the times of the convolutions apart)."""

    parts: Annotated[
        tuple[Part, ...],
        Meta(min_length=1, description="what to measure: losses, convexity, divergence, "
             "convolutions"),
    ] = ("losses", "convexity", "divergence", "convolutions")  # fmt: skip
    data: Data = Data(dataset="mnist", classes=("3", "8"), validation_fraction=0.2)
    tabular: Annotated[bool, Meta(description="also take scikit-learn's breast cancer table")] = (
        True
    )
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each loss N times")] = 5
    rates: Annotated[
        tuple[Rate, ...], Meta(min_length=1, description="learning rates of logistic regression")
    ] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    steps: Annotated[int, Meta(ge=10, le=10**6, description="steps of each training")] = 1500
    batch_size: Annotated[int, Meta(ge=1, description="examples in a batch")] = 64
    points: Annotated[
        int, Meta(ge=2, le=10**6, description="random points of each network and loss")
    ] = 300
    layers: Annotated[int, Meta(ge=2, le=8, description="linear networks have 1 to N layers")] = 4
    components: Annotated[
        int, Meta(ge=1, le=20, description="principal components that they see")
    ] = 3
    width: Annotated[int, Meta(ge=1, le=20, description="units of their hidden layers")] = 3
    pairs: Annotated[int, Meta(ge=2, le=10**6, description="pairs of distributions")] = 1000
    images: Annotated[int, Meta(ge=1, le=1024, description="images of a timed batch")] = 32
    rounds: Annotated[int, Meta(ge=1, le=1000, description="timed batches of each design")] = 15

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
            ValueError: If a value cannot be.
        """
        if len(set(self.rates)) != len(self.rates):
            raise ValueError(f"expected each learning rate once. Received: {self.rates}")
        if len(set(self.parts)) != len(self.parts):
            raise ValueError(f"expected each part once. Received: {', '.join(self.parts)}")
        if len(self.data.classes) != 2:
            raise ValueError(
                "expected two classes to tell apart, e.g. --classes 3,8. "
                f"Received: {', '.join(self.data.classes) or 'none'}"
            )
        if not self.data.validation_fraction:
            raise ValueError(
                "learning rates are chosen on validation images, so validation_fraction must "
                "be above 0. Received: 0"
            )


def run(context: Context) -> list[Section]:
    """Measures all parts of the recipe; a part that is finished is kept.

    Args:
        context: What the command line gives.
    """
    makers: dict[Part, Callable[[Context], Section]] = {
        "losses": _losses,
        "convexity": _convexity,
        "divergence": _divergence,
        "convolutions": _convolutions,
    }
    sections = []
    for part in context.plan.parts:
        found = context.memo(part, functools.partial(makers[part], context))
        sections.append(msgspec.convert(found, Section))
    return sections


def _tasks(context: Context) -> "tuple[list[Task], list[DatasetInfo | str], str | None]":
    """Returns the tasks, what to write under their figures, and what could not be had."""
    from kerasdl.studies.data import describe
    from kerasdl.theory import tasks

    dataset, splits = context.images
    found: list[Task] = [tasks.of_images(dataset, splits, seed=context.plan.data.split_seed)]
    labels: list[DatasetInfo | str] = [describe(dataset, splits, context.plan.data)]
    if not context.plan.tabular:
        return found, labels, None
    table = tasks.breast_cancer(seed=context.plan.data.split_seed)
    if table is None:
        missing = (
            "The breast cancer table is left out: it comes with scikit-learn, which is not "
            "installed here (pip install scikit-learn)."
        )
        context.say(missing)
        return found, labels, missing
    return [*found, table], [*labels, table.title], None


def _losses(context: Context) -> Section:
    from kerasdl.theory import (
        confidence,
        convergence,
        gradients,
        losses_figures,
        losses_section,
    )

    plan, folder = context.plan, context.folder / "figures"
    found, labels, missing = _tasks(context)
    seeds = range(plan.seed, plan.seed + plan.seeds)
    curves = gradients.curves()
    measured = [gradients.measure(task, seed=plan.seed) for task in found]
    steps = 2 * plan.seeds * len(found)
    with CountProgress(context.console, "Logistic regression", steps, "steps") as progress:
        learned = [
            convergence.measure(
                task,
                rates=sorted(plan.rates),
                steps=plan.steps,
                batch_size=plan.batch_size,
                seeds=seeds,
                tick=progress.tick,
            )
            for task in found
        ]
    calibrations = [confidence.measure(one) for one in learned]
    losses_figures.gradients(folder / "gradients.png", curves, measured, labels[0])
    figures = [
        Figure(
            file="figures/gradients.png",
            alt="Loss, slope by the logit and gradient by the weights over the probability of the "
            "true class, for cross-entropy and squared error.",
            caption="Left: the loss of one example. Middle: its slope, curves by formula, marks "
            "by differences of Keras's own losses on real examples. Right: the gradient by all "
            "weights. Squared error lets go where the model is sure and wrong (left edge).",
        )
    ]
    for one, label in zip(learned, labels, strict=True):
        name = f"convergence-{one.task.name}.png"
        losses_figures.convergence(folder / name, one, label)
        figures.append(
            Figure(
                file=f"figures/{name}",
                alt=f"Training accuracy over steps and steps over learning rate, {one.task.title}.",
                caption="Lines are medians over the seeds, bands their range. Stars: the rate that "
                "suits each loss, chosen on other seeds. The lower row starts sure and wrong: at a "
                "small rate squared error stays there for long.",
            )
        )
    losses_figures.calibration(folder / "calibration.png", calibrations, labels[0])
    figures.append(
        Figure(
            file="figures/calibration.png",
            alt="Reliability diagrams of logistic regression under both losses.",
            caption="The first seed's test answers by confidence: on the dashed line a model is "
            "right as often as it is sure. Pale bars hold fewer than ten examples.",
        )
    )
    return losses_section.section(
        curves,
        measured,
        [gradients.likelihood(task, seed=plan.seed) for task in found],
        learned,
        calibrations,
        figures,
        missing,
    )


def _convexity(context: Context) -> Section:
    from kerasdl.theory import convexity, convexity_figures, convexity_section, losses, pocket

    plan, folder = context.plan, context.folder / "figures"
    found, labels, _ = _tasks(context)
    depths = range(1, plan.layers + 1)
    total = len(found) * len(losses.LOSSES) * len(depths)
    with CountProgress(context.console, "Hessians", total, "Hessians") as progress:
        measured = [
            convexity.measure(
                task,
                losses=losses.LOSSES,
                depths=depths,
                points=plan.points,
                components=plan.components,
                width=plan.width,
                seed=plan.seed,
                tick=progress.tick,
            )
            for task in found
        ]
    figures = []
    for one, task, label in zip(measured, found, labels, strict=True):
        name = f"eigenvalues-{task.name}.png"
        convexity_figures.eigenvalues(folder / name, one, label)
        figures.append(
            Figure(
                file=f"figures/{name}",
                alt=f"Smallest eigenvalue of the Hessian by loss and number of layers, {one.task}.",
                caption="One dot per random point. Green: no negative eigenvalue; orange: at "
                "least one, so the loss is not convex; their share stands above.",
            )
        )
    convexity_figures.segments(folder / "midpoints.png", measured[0], found[0], labels[0])
    convexity_figures.maps(folder / "maps.png")
    figures += [
        Figure(
            file="figures/midpoints.png",
            alt="Mean loss on the straight way from a network to its mirror image.",
            caption="Both ends compute the same and fit well; half-way the first hidden unit is "
            "dead. A convex loss would stay below the chord. The curves of 2 and more layers lie "
            "on each other, because only the first two layers differ between the ends.",
        ),
        Figure(
            file="figures/maps.png",
            alt="Contour maps of three losses over two parameters, for one and two layers.",
            caption="The smallest case there is. Dark: high loss. Grey: the output has no "
            "logarithm, so raw cross-entropy has no value.",
        ),
    ]
    return convexity_section.section(measured, pocket.examples(), figures)


def _divergence(context: Context) -> Section:
    from kerasdl.theory import divergence, divergence_section

    plan = context.plan
    found = divergence.measure(class_counts=(2, 10, 100), pairs=plan.pairs, seed=plan.seed)
    divergence_section.draw(context.folder / "figures" / "divergence.png")
    figure = Figure(
        file="figures/divergence.png",
        alt="Cross-entropy and KL divergence over Q for three distributions P.",
        caption="The shaded gap is the entropy of P, the same for every Q. One-hot: no gap.",
    )
    return divergence_section.section(found, [figure])


def _convolutions(context: Context) -> Section:
    from kerasdl.theory import convolutions, convolutions_section

    plan, path = context.plan, Path("figures") / "convolutions.png"
    designs = convolutions.designs()
    timing = convolutions.measure_time(batch_size=plan.images, rounds=plan.rounds, seed=plan.seed)
    convolutions_section.draw(context.folder / path, designs, timing)
    figure = Figure(
        file=path.as_posix(),
        alt="Parameters, multiply-accumulates and time of both designs.",
        caption="Bars of time are medians, ticks the single rounds.",
    )
    return convolutions_section.section(designs, convolutions.variants(), timing, [figure])
