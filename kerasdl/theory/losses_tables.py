"""The tables of the section on cross-entropy and squared error."""

from collections.abc import Sequence

import numpy as np

from kerasdl.record import Spread
from kerasdl.reporting import text
from kerasdl.sections import Table
from kerasdl.theory.confidence import Calibration
from kerasdl.theory.convergence import Convergence, Duel
from kerasdl.theory.losses import CE, SIGMOID_MSE

SURE_MISTAKES = (1e-6, 0.01, 0.1, 1 / 3, 0.5, 0.9, 0.99)
STARTS = {"usual": "usual", "wrong": "sure and wrong"}


def curves() -> Table:
    """Returns loss and slope of one example at some probabilities."""
    rows: list[list[str | float | int | None]] = []
    for q in SURE_MISTAKES:
        logit = np.array([np.log(q / (1 - q))])
        one = np.ones(1)
        values = [float(loss.value(logit, one)[0]) for loss in (CE, SIGMOID_MSE)]
        slopes = [abs(float(loss.slope(logit, one)[0])) for loss in (CE, SIGMOID_MSE)]
        rows.append([f"{q:.3g}", *values, *slopes, slopes[0] / slopes[1]])
    return Table(
        name="losses",
        title="One example: loss and slope at the probability q of its true class",
        columns=[
            "q",
            "Cross-entropy",
            "Squared error",
            "Slope of cross-entropy",
            "Slope of squared error",
            "Ratio of slopes",
        ],
        rows=rows,
        note="Slope: size of the derivative by the logit.",
        digits=4,
    )


def best(found: Sequence[Convergence]) -> Table:
    """Returns the steps of each loss at the rate that suits it."""
    rows: list[list[str | float | int | None]] = []
    for one in found:
        for duel in one.best:
            steps: list[str | float | int | None] = []
            for rate, needed, reached in zip(duel.rates, duel.steps, duel.reached, strict=True):
                median = int(np.median(needed))
                missing = int((~reached).sum())
                more = f" ({missing} of {len(reached)} not there)" if missing else ""
                steps += [f"{rate:.3g}", f"{median}{more}"]
            p_value = duel.p_value
            rows.append([
                one.task.title,
                STARTS[duel.start],
                f"{(one.best_accuracy - duel.margin) * 100:.1f}",
                *steps,
                duel.ratio,
                text.p_value(p_value) if p_value is not None else None,
                _faster(duel),
            ])  # fmt: skip
    seeds = found[0].best[0].steps.shape[1]
    return Table(
        name="convergence_best_rates",
        title="Steps until a training accuracy is kept, each loss at the rate that suits it",
        columns=[
            "Task",
            "Start",
            "Accuracy, %",
            "Rate, cross-entropy",
            "Steps",
            "Rate, squared error",
            "Steps, squared error",
            "Ratio",
            "p",
            "Faster",
        ],
        rows=rows,
        note=f"Steps: median of {seeds} seeds. Ratio: steps of squared error by steps of "
        "cross-entropy, geometric mean over the seeds; p: paired t-test of its logarithm. The "
        "rates were chosen on other seeds. The start that is sure and wrong gives nearly every "
        "example the other class, with a deviation of 4 of the logits.",
        digits=2,
    )


def _faster(duel: Duel) -> str:
    if duel.p_value is None:
        return "too few seeds"
    if duel.faster is None:
        return "tied"
    return "cross-entropy" if duel.faster is CE else "squared error"


def equal(found: Sequence[Convergence]) -> Table:
    """Returns the ratios of steps at equal rates."""
    rates = sorted({one.learning_rate for one in found[0].trainings})
    rows: list[list[str | float | int | None]] = []
    for one in found:
        for start, margin in dict.fromkeys((d.start, d.margin) for d in one.equal):
            duels = [d for d in one.equal if (d.start, d.margin) == (start, margin)]
            accuracy = f"{(one.best_accuracy - margin) * 100:.1f}"
            cells = [_ratio(duel) if duel.reached.any() else None for duel in duels]
            rows.append([f"{one.task.title}, {STARTS[start]} start, {accuracy} %", *cells])
    return Table(
        name="convergence_equal_rates",
        title="The same at an equal learning rate: ratio of steps, above 1 where cross-entropy is "
        "faster",
        columns=["Task, start and accuracy", *(f"{rate:.3g}" for rate in rates)],
        rows=rows,
        note="A star marks a difference beyond noise (p < 0.05). No number: neither loss gets "
        f"there in {found[0].budget} steps; where one does not, these steps are counted for it, "
        "so that the true ratio is further from 1.",
    )


def _ratio(duel: Duel) -> str:
    return f"{duel.ratio:.2f}{'*' if duel.faster else ''}"


def calibration(found: Sequence[Calibration]) -> Table:
    """Returns accuracy and calibration of the trained models."""
    rows: list[list[str | float | int | None]] = [
        [
            one.task,
            "cross-entropy" if of_loss.loss is CE else "squared error",
            f"{of_loss.rate:.3g}",
            percent(of_loss.accuracy),
            text.number_spread(of_loss.ce, 3),
            text.number_spread(of_loss.mse, 4),
            percent(of_loss.ece),
        ]
        for one in found
        for of_loss in one.found
    ]
    return Table(
        name="calibration",
        title="The trained models on test examples, usual start",
        columns=[
            "Task",
            "Trained with",
            "Learning rate",
            "Accuracy, %",
            "Cross-entropy",
            "Squared error",
            "ECE, %",
        ],
        rows=rows,
        note="The rate is the one with the least validation value of the loss that was trained. "
        "ECE: expected calibration error, 15 bins. Mean ± standard deviation over the seeds.",
    )


def percent(spread: Spread) -> str:
    """Returns shares with their spread in percent."""
    return text.percent_spread(spread)
