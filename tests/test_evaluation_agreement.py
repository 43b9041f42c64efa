"""The prediction interval against known values and its promised coverage."""

import math

import numpy as np
import pytest

from kerasdl.evaluation.agreement import judge, prediction_interval, sampling_error
from kerasdl.evaluation.significance import spread
from kerasdl.record import Spread


def test_the_interval_is_students():
    # t(0.975, 2) = 4.30265, tabulated.
    low, high = prediction_interval(Spread(0.9, 0.004, 3), 3, level=0.95)
    assert (high - low) / 2 == pytest.approx(4.30265 * 0.004 * math.sqrt(2 / 3), rel=1e-5)
    assert (high + low) / 2 == pytest.approx(0.9)
    alone = prediction_interval(Spread(0.9, 0.004, 3), 1, level=0.95)
    assert alone[1] - alone[0] > high - low


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_it_holds_further_seeds_as_often_as_it_says(level):
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        old, new = generator.normal(0.9, 0.01, 3), generator.normal(0.9, 0.01, 2)
        low, high = prediction_interval(spread(old.tolist()), 2, level=level)
        inside += low <= new.mean() <= high
    assert inside / 2000 == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / 2000))


def test_seeds_that_agree_by_luck_do_not_make_it_empty():
    low, high = prediction_interval(Spread(0.9, 0.0, 3), 3, level=0.95, floor=0.01)
    assert (high - low) / 2 == pytest.approx(1.95996 * 0.01 * math.sqrt(2 / 3), rel=1e-5)


def test_one_seed_says_nothing_of_the_spread():
    assert prediction_interval(Spread(0.9, None, 1), 3, level=0.95, floor=0.01) is None
    assert judge("test_accuracy", [0.9], [0.91], level=0.95, floor=0.01).inside is None
    assert judge("test_accuracy", [0.9], [0.9], level=0.95, floor=0.01).inside is True


def test_a_figure_is_inside_or_not():
    old = [0.896, 0.9, 0.904]
    assert judge("test_accuracy", old, [0.905], level=0.95, floor=0.0).inside is True
    figure = judge("test_accuracy", old, [0.93, 0.932, 0.928], level=0.95, floor=0.003)
    assert figure.inside is False
    assert figure.now == spread([0.93, 0.932, 0.928])
    assert figure.interval[1] < 0.93


def test_the_sampling_error_of_shares_and_losses():
    assert sampling_error("test_accuracy", 0.9, 10_000) == pytest.approx(0.003, rel=1e-2)
    assert sampling_error("train_accuracy", 1.0, 4000) > 0
    assert sampling_error("val_loss", 0.4, 1600) == pytest.approx(0.01)
