"""Which loss learns faster: steps to a target, duels over seeds, the best rates; calibration."""

import numpy as np
import pytest
from theory_fakes import task

from kerasdl.theory import confidence, convergence
from kerasdl.theory.convergence import CHOOSING, PAIR, Duel, steps_to
from kerasdl.theory.descent import STARTS, Course, Training, descend
from kerasdl.theory.losses import CE, SIGMOID_MSE


def course(*accuracies):
    accuracy = np.array(accuracies).T
    steps = np.array([0, 1, 4, 9])
    return Course(steps, accuracy, np.zeros((2, accuracy.shape[1])))


def test_a_target_counts_from_where_it_is_kept():
    given = course([0.5, 0.9, 0.7, 0.9], [0.9, 0.9, 0.9, 0.9], [0.5, 0.6, 0.9, 0.7])
    steps, reached = steps_to(given, 0.8, 9)
    assert reached.tolist() == [True, True, False]
    assert steps.tolist() == [9, 1, 9]
    assert steps_to(given, 0.6, 9)[0].tolist() == [1, 1, 1]


def duel(first, second, reached=True):
    steps = np.array([first, second])
    return Duel(0.02, "usual", (0.1, 0.1), steps, np.full(steps.shape, reached))


def test_a_duel_is_decided_by_the_ratio_beyond_noise():
    clear = duel([10, 11, 12], [40, 44, 48])
    assert clear.ratio == pytest.approx(4.0)
    assert clear.faster is CE
    assert duel([40, 44, 48], [10, 11, 12]).faster is SIGMOID_MSE
    assert duel([10, 40, 10], [40, 10, 12]).faster is None
    assert duel([10, 11], [40, 44]).faster is None  # two seeds say nothing about noise
    assert duel([10, 10, 10], [10, 10, 10], reached=False).faster is None


@pytest.fixture(scope="module")
def measured():
    ticks = []
    found = convergence.measure(
        task(n=200),
        rates=[0.01, 0.3, 3.0],
        steps=120,
        batch_size=32,
        seeds=range(3),
        margins=(0.05, 0.02),
        tick=lambda: ticks.append(1),
    )
    assert len(ticks) == 6
    return found


def test_every_duel_is_there(measured):
    assert [(d.margin, d.start) for d in measured.best] == [
        (margin, start) for margin in (0.05, 0.02) for start in STARTS
    ]
    assert len(measured.equal) == 2 * len(STARTS) * 3
    assert all(d.rates[0] == d.rates[1] for d in measured.equal)
    assert len(measured.courses) == 3
    assert 0.7 < measured.best_accuracy <= 1.0


def test_a_duel_holds_the_steps_of_its_trainings(measured):
    one = measured.best[-1]
    target = measured.best_accuracy - one.margin
    for i, loss in enumerate(PAIR):
        column = measured.column(loss, one.start, one.rates[i])
        found = [steps_to(c, target, 120)[0][column] for c in measured.courses]
        assert one.steps[i].tolist() == found


def test_rates_are_chosen_on_other_seeds(measured):
    trainings = [Training(CE, "usual", rate) for rate in (0.01, 0.3, 3.0)]
    others = [
        descend(measured.task, trainings, steps=120, batch_size=32, seed=CHOOSING + s,
                num_moments=60)
        for s in range(3)
    ]  # fmt: skip
    target = measured.best_accuracy - 0.05
    steps = np.array([steps_to(one, target, 120)[0] for one in others])
    means = np.log(steps).mean(axis=0)
    assert measured.best[0].rates[0] == [0.01, 0.3, 3.0][means.argmin()]


def test_calibration_takes_the_rate_with_the_least_validation_loss(measured):
    found = confidence.measure(measured)
    features, labels = measured.task.validation
    with_ones = np.column_stack([features, np.ones(len(features))])
    for loss, one in zip(PAIR, found.found, strict=True):
        values = {}
        for rate in (0.01, 0.3, 3.0):
            column = measured.column(loss, "usual", rate)
            logits = [with_ones @ c.weights[:, column] for c in measured.courses]
            values[rate] = np.mean([loss.value(z, labels).mean() for z in logits])
        assert one.rate == min(values, key=values.get)
        assert one.accuracy.n == 3
        assert len(one.eces) == 3
        assert one.bins.ece == one.eces[0]
    assert 0 <= found.p_value <= 1


def test_test_scores_are_those_of_the_weights(measured):
    one = confidence.measure(measured).found[0]
    features, labels = measured.task.test
    column = measured.column(CE, "usual", one.rate)
    with_ones = np.column_stack([features, np.ones(len(features))])
    logits = [with_ones @ c.weights[:, column] for c in measured.courses]
    right = [((z > 0) == (labels > 0.5)).mean() for z in logits]
    assert one.accuracy.mean == pytest.approx(np.mean(right))
    assert one.ce.mean == pytest.approx(np.mean([CE.value(z, labels).mean() for z in logits]))
