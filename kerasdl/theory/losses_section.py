"""What the report says of cross-entropy against squared error (row 1 of docs/reports.md)."""

from collections.abc import Iterable, Sequence

import numpy as np

from kerasdl.reporting import text
from kerasdl.sections import Claim, Figure, Section, Verdict
from kerasdl.theory import losses_tables
from kerasdl.theory.confidence import Calibration
from kerasdl.theory.convergence import Convergence, Duel
from kerasdl.theory.gradients import Curve, Likelihood, Measured
from kerasdl.theory.losses import CE, SIGMOID_MSE

ROW = "A, row 1"
EXACT = 1e-8
"""Nats; what rounding may make of two ways to compute the same loss."""


def section(
    curves: tuple[Curve, Curve],
    measured: Sequence[tuple[Measured, Measured]],
    likelihoods: Sequence[Likelihood],
    convergences: Sequence[Convergence],
    calibrations: Sequence[Calibration],
    figures: Sequence[Figure],
    left_out: str | None = None,
) -> Section:
    """Returns the section with its claims, tables and figures.

    Args:
        curves: Of the formulas.
        measured: Gradients of each task's examples.
        likelihoods: The comparison with the Bernoulli's likelihood, per task.
        convergences: How fast either loss learns, per task.
        calibrations: Whether it is as right as it is sure, per task.
        figures: What was drawn.
        left_out: A sentence on a task that could not be had.
    """
    claims = [
        _claim_likelihood(likelihoods),
        _claim_mistakes(curves),
        _claim_gradients(measured),
        _claim_faster(convergences),
    ]
    words = [
        "Logistic regression gives an example of label 1 the probability p = 1 / (1 + e^−z), "
        "z being a weighted sum of its features, the logit. It can be trained with cross-entropy, "
        "−ln of the probability q that the true class gets, or with the squared error "
        "(p − y)². Both are least where the answer is right and sure.",
        "By the logit, cross-entropy has the slope 1 − q and squared error 2 q (1 − q)². "
        "A model that is sure and wrong (q near 0) is pulled hardest by cross-entropy and hardly "
        "at all by squared error, which pulls hardest at q = 1/3.",
        _speed(convergences),
        _trust(calibrations),
    ]
    return Section(
        title="Cross-entropy or squared error?",
        text=[*words, left_out] if left_out else words,
        claims=claims,
        tables=[
            losses_tables.curves(),
            losses_tables.best(convergences),
            losses_tables.equal(convergences),
            losses_tables.calibration(calibrations),
        ],
        figures=list(figures),
    )


def _claim_likelihood(found: Sequence[Likelihood]) -> Claim:
    error = max(one.error for one in found)
    examples = sum(one.examples for one in found)
    return Claim(
        report=ROW,
        claim="Cross-entropy is the negative log-likelihood of a Bernoulli variable.",
        measured=f"On {text.count(examples)} labels our cross-entropy, SciPy's Bernoulli "
        f"log-likelihood and Keras's loss differ by at most {error:.0e} nats.",
        verdict="right" if error < EXACT else "wrong",
    )


def _claim_mistakes(curves: tuple[Curve, Curve]) -> Claim:
    ce, mse = (curve.value[0] for curve in curves)
    return Claim(
        report=ROW,
        claim="Cross-entropy punishes confident mistakes hard.",
        measured=f"Where the true class gets the probability {curves[0].q[0]:.0e}, cross-entropy "
        f"is {ce:.1f} and grows without bound; squared error is {mse:.3f} and never above 1.",
        verdict="right" if ce > 10 * mse else "wrong",
    )


def _claim_gradients(measured: Sequence[tuple[Measured, Measured]]) -> Claim:
    wrong = [pair[0].q < 0.5 for pair in measured]
    larger = sum(
        int((ce.weights_gradient > mse.weights_gradient)[chosen].sum())
        for (ce, mse), chosen in zip(measured, wrong, strict=True)
    )
    total = sum(int(chosen.sum()) for chosen in wrong)
    ce, mse = measured[0]
    far = ce.q < 0.05
    medians = [
        float(np.median(one.weights_gradient[far])) if far.any() else 0.0 for one in (ce, mse)
    ]
    return Claim(
        report=ROW,
        claim="Its gradients are larger far from the label.",
        measured=f"It has the larger gradient for {text.count(larger)} of {text.count(total)} "
        f"wrongly answered examples. Median norm where q is below 0.05, {ce.task}: "
        f"{medians[0]:.2f} against {medians[1]:.2f}.",
        verdict="right" if total and larger == total else "wrong",
    )


def _claim_faster(found: Sequence[Convergence]) -> Claim:
    equal, best = (
        _wins(d for one in found for d in one.equal),
        _wins(d for one in found for d in one.best),
    )
    verdict: Verdict = "partly right"
    if any(d.p_value is None for one in found for d in one.best):
        verdict = "undecided"
    elif best[0] == sum(best):
        verdict = "right"
    elif best[0] == 0 and equal[0] <= equal[1]:
        verdict = "wrong"
    return Claim(
        report=ROW,
        claim="So it converges faster.",
        measured=f"At an equal learning rate it is faster beyond noise in {equal[0]} of "
        f"{sum(equal)} comparisons, slower in {equal[1]}. With each loss at the rate that suits "
        f"it, it is faster in {best[0]} of {sum(best)}, slower in {best[1]}, tied within noise "
        f"in {best[2]}.",
        verdict=verdict,
    )


def _wins(duels: Iterable[Duel]) -> tuple[int, int, int]:
    """Returns how often cross-entropy is faster, squared error is, and neither is."""
    faster = [duel.faster for duel in duels if duel.reached.any()]
    return faster.count(CE), faster.count(SIGMOID_MSE), faster.count(None)


def _speed(found: Sequence[Convergence]) -> str:
    ranges = {}
    for start in losses_tables.STARTS:
        ratios = [d.ratio for one in found for d in one.best if d.start == start]
        ranges[start] = f"{min(ratios):.2f} to {max(ratios):.2f}"
    points = text.listing([f"{d.margin * 100:g}" for d in found[0].best if d.start == "usual"])
    # Rates up to the one that suits cross-entropy, and above it, by task, target and start.
    suits = [(one, {(d.margin, d.start): d.rates[0] for d in one.best}) for one in found]
    low, high = (
        _wins(
            d
            for one, rates in suits
            for d in one.equal
            if (d.rates[0] <= rates[d.margin, d.start]) == up_to
        )
        for up_to in (True, False)
    )
    return (
        "Faster depends on what is held equal. At one learning rate for both, cross-entropy takes "
        "steps that are at least twice as large (the ratio of the slopes is 1 / (2 q (1 − q))). Up "
        f"to the rate that suits it best, that makes it faster in {low[0]} of {sum(low)} "
        f"comparisons and slower in {low[1]}; above that rate, where its steps are too large, "
        f"faster in {high[0]} of {sum(high)} and slower in {high[1]}; the rest is tied within "
        "noise. With each loss at the rate that suits it, found on other seeds, squared error "
        f"needs {ranges['usual']} times as many steps from a usual start, and {ranges['wrong']} "
        "times from a start that is sure and wrong, until the training accuracy stays within "
        f"{points} points of the best."
    )


def _trust(found: Sequence[Calibration]) -> str:
    parts = [
        f"{one.task}: {losses_tables.percent(one.found[0].ece)} % and "
        f"{losses_tables.percent(one.found[1].ece)} % "
        f"({_difference(one.p_value)})"
        for one in found
    ]
    return (
        "Both losses are least at the true probability, so neither should make the model too "
        "sure. Expected calibration error on the test examples for cross-entropy and squared "
        f"error: {'; '.join(parts)}."
    )


def _difference(p_value: float | None) -> str:
    if p_value is None:
        return "too few seeds to say whether they differ"
    word = "different beyond noise" if p_value < 0.05 else "no difference beyond noise"
    return f"{word}, p {text.p_value(p_value)}"
