"""What the comparison of activations found: accuracy, run time, gradients."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.significance import spread
from kerasdl.evaluation.statistics import compare_answers
from kerasdl.experiments.activations import figures as activations_figures
from kerasdl.experiments.activations.results import (
    Results,
    chosen,
    histogram,
    middle,
    start,
    zeros,
)
from kerasdl.experiments.activations.time_section import run_time
from kerasdl.experiments.activations.timing import Times
from kerasdl.experiments.depth.results import title
from kerasdl.record import Comparison
from kerasdl.reporting import text
from kerasdl.sections import Section, Table
from kerasdl.studies.experiment import Context


def sections(context: Context, results: Results, times: Times | None) -> list[Section]:
    """Returns the report's sections; draws their figures.

    Args:
        context: The experiment's.
        results: As `packed_mlps.train` returns them.
        times: As `activations_timing.measure` returns them; None for none.
    """
    made = [_accuracy(context, results)]
    if times is not None:
        made.append(run_time(context, times))
    return [*made, _gradients(context, results)]


def _accuracy(context: Context, results: Results) -> Section:
    from kerasdl.experiments.packed_mlps import unpack_bits

    plan = context.plan
    count = len(context.images[1].test)
    rows: list[list[str | float | int | None]] = []
    pairs: list[list[str | float | int | None]] = []
    lines = []
    for initializer in plan.initializers:
        for activation in plan.activations:
            runs = chosen(results, activation, initializer)
            history = [run["history"] for run in runs]
            rows.append(
                [
                    f"{title(activation)}, {start(initializer)}",
                    _percent([one["accuracy"][-1] for one in history]),
                    _percent([one["val_accuracy"][-1] for one in history])
                    if "val_accuracy" in history[0]
                    else None,
                    _percent([run["test_accuracy"] for run in runs]),
                    f"{np.mean([one['loss'][-1] for one in history]):.3f}",
                    f"{np.mean([run['test_loss'] for run in runs]):.3f}",
                ]
            )
        right = {
            title(a): {
                run["seed"]: unpack_bits(run["right"], count)
                for run in chosen(results, a, initializer)
            }
            for a in plan.activations
        }
        compared = compare_answers(right)
        lines.append(_best(start(initializer), right, compared))
        pairs += [
            [
                f"{one.models[0]} against {one.models[1]}, {start(initializer)}",
                text.points(one.difference),
                text.p_value(one.p_images),
                None if one.p_seeds is None else text.p_value(one.p_seeds),
                one.better or "tied within noise",
            ]
            for one in compared
        ]
    return Section(
        title="Which activation is best?",
        text=[
            *lines,
            "The report prints no accuracies for this comparison, only curves, so there is none to "
            "be right or wrong; its two descriptions of the network (three hidden layers of 256 in "
            f"one line, five in another) contradict each other. Here: {len(plan.units)} hidden "
            f"layers ({', '.join(map(str, plan.units))}), Adam at {plan.learning_rate:g}, batches "
            f"of {plan.batch_size}, {plan.epochs} epochs.",
        ],
        tables=[
            Table(
                name="accuracy",
                title=f"Accuracy in percent and loss in nats after {plan.epochs} epochs",
                columns=[
                    "Activation, first weights",
                    "Training accuracy",
                    "Validation accuracy",
                    "Test accuracy",
                    "Training loss",
                    "Test loss",
                ],
                rows=rows,
                note=f"Mean ± standard deviation over {plan.seeds} seeds. Training accuracy and "
                "loss are averages over the last epoch, while the weights still moved.",
            ),
            Table(
                name="pairs",
                title="Activations in pairs, on the same test images and seeds",
                columns=["Pair", "Points", "p (images)", "p (seeds)", "Better"],
                rows=pairs,
                note="Points of test accuracy by which the first leads. p (images): sign-flip "
                "permutation test over the test images, by Holm's method; p (seeds): one-sided "
                "paired t-test over the seeds. Better: both below 0.05.",
            ),
        ],
        figures=[activations_figures.curves(context, results)],
    )


def _best(
    where: str,
    right: Mapping[str, Mapping[int, npt.NDArray[np.bool_]]],
    compared: Sequence[Comparison],
) -> str:
    means = {
        name: 100 * float(np.mean([answers.mean() for answers in seeds.values()]))
        for name, seeds in right.items()
    }
    best = max(means, key=lambda name: means[name])
    others = {
        next(name for name in one.models if name != best): one.better
        for one in compared
        if best in one.models
    }
    tied = [name for name, better in others.items() if better != best]
    beaten = [name for name, better in others.items() if better == best]
    words = f"First weights by {where}: {best} has the highest test accuracy, {means[best]:.2f} %"
    if beaten:
        listed = [f"{name} ({means[name]:.2f} %)" for name in beaten]
        words += f"; it beats {text.listing(listed)} beyond noise"
    if tied:
        listed = [f"{name} ({means[name]:.2f} %)" for name in tied]
        words += f"; it is tied within noise with {text.listing(listed)}"
    return words + "."


def _gradients(context: Context, results: Results) -> Section:
    plan = context.plan
    initializer = plan.initializers[0]
    rows: list[list[str | float | int | None]] = []
    lines = []
    for activation in plan.activations:
        runs = chosen(results, activation, initializer)
        counts = [histogram(runs, epoch) for epoch in (0, plan.epochs - 1)]
        statistics = {
            name: np.array([run["statistics"][name] for run in runs], float).mean(axis=0)
            for name in ("gradient_norm", "dead_units", "saturated")
        }
        norms = statistics["gradient_norm"]
        lines.append(
            f"{title(activation)}: the first layer's gradient is {_ratio(norms[0])} of the output "
            f"layer's in the first epoch and {_ratio(norms[-1])} in the last."
        )
        for layer in range(len(plan.units) + 1):
            rows.append(
                [
                    f"{title(activation)}, layer {layer + 1}",
                    *(f"{middle(one[layer]):.1e}" for one in counts),
                    f"{100 * zeros(counts[-1][layer]):.1f}",
                    *(
                        None
                        if np.isnan(value := statistics[name][-1, layer])
                        else f"{100 * value:.1f}"
                        for name in ("dead_units", "saturated")
                    ),
                ]
            )
    return Section(
        title="How are the gradients distributed?",
        text=[f"First weights by {start(initializer)}. {' '.join(lines)}"],
        tables=[
            Table(
                name="gradients",
                title="Entries of the weights' gradients, layer by layer",
                columns=[
                    "Activation, layer",
                    "Median size, first epoch",
                    "Last epoch",
                    "Below 1e-12, %",
                    "Dead units, %",
                    "Flat outputs, %",
                ],
                rows=rows,
                note="Median of the absolute values over all steps of the epoch, from histograms "
                "of four bins a decade. The last three columns are of the last epoch. Dead: "
                "on one flat side of the activation for every image of the epoch; flat: share of "
                "outputs there (sigmoid within 0.01 of 0 or 1, tanh within 0.02 of -1 or 1, ReLU "
                "0; of leaky ReLU, which is flat nowhere, the negative side).",
            )
        ],
        figures=[activations_figures.distributions(context, results)],
    )


def _ratio(norms: npt.NDArray[np.float64]) -> str:
    return f"{norms[0] / norms[-1]:.2g} times that" if norms[-1] else "undefined"


def _percent(values: Sequence[float]) -> str:
    return text.percent_spread(spread(values))
