"""Repeated divisions: standard errors and tests that know that divisions share images."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasdl.evaluation.resampling import corrected_t, standard_error, tied_with_best, verdict


def test_with_ratio_0_it_is_the_plain_standard_error_and_t_test():
    values = [0.02, 0.01, 0.03, -0.01, 0.02]
    assert standard_error(values, 0.0) == pytest.approx(stats.sem(values))
    assert corrected_t(values, 0.0) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_correction_is_nadeau_and_bengios():
    values = [0.02, 0.01, 0.03, -0.01, 0.02]
    # By hand: s^2 (1/J + n2/n1), J = 5, n2/n1 = 100/900, J - 1 degrees of freedom.
    error = np.std(values, ddof=1) * math.sqrt(1 / 5 + 1 / 9)
    assert standard_error(values, 1 / 9) == pytest.approx(error)
    expected = 2 * stats.t.sf(np.mean(values) / error, 4)
    assert corrected_t(values, 1 / 9) == pytest.approx(expected)


def test_more_divisions_do_not_make_it_sure_without_limit():
    generator = np.random.default_rng(0)
    many = generator.normal(0.0, 1.0, 10_000).tolist()
    assert standard_error(many, 0.0) < 0.011
    assert standard_error(many, 1 / 9) > 0.32


def test_few_and_equal_values():
    assert standard_error([0.5], 0.1) is None
    assert corrected_t([0.1, 0.2], 0.1) is None
    assert corrected_t([0.0, 0.0, 0.0], 0.1) == 1.0
    assert corrected_t([0.1, 0.1, 0.1], 0.1) == 0.0


def test_what_is_tied_with_the_best():
    noise = np.random.default_rng(1).normal(0, 0.005, (3, 20))
    scores = np.array([[0.90], [0.95], [0.951]]) + noise
    best, tied = tied_with_best(scores.tolist(), 0.1)
    assert best == int(scores.mean(axis=1).argmax())
    assert best in (1, 2)
    assert tied == [3 - best]


def test_two_divisions_leave_everything_tied_and_the_first_of_equals_is_best():
    assert tied_with_best([[0.1, 0.1], [0.9, 0.9], [0.9, 0.9]], 0.1) == (1, [0, 2])


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([1, 1, 1], "right"),
        # What noise leaves open refutes nothing.
        ([1, 0, 1], "undecided"),
        ([1, -1, 0], "partly right"),
        ([-1, 0, 0], "wrong"),
        ([0, 0, 0], "undecided"),
        ([], "undecided"),
    ],
)
def test_verdicts_of_orders(outcomes, expected):
    assert verdict(outcomes) == expected
