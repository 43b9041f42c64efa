"""Convexity: what is found where, points inside the domain, counter-examples by hand."""

import numpy as np
import pytest
from theory_fakes import task

from kerasdl.theory import convexity, pocket
from kerasdl.theory.convexity import Midpoint, draw, fitted, into_domain
from kerasdl.theory.linear_network import LinearNetwork, mean_loss
from kerasdl.theory.losses import CE, CLIPPED_CE, LOSSES, MSE, RAW_CE, SIGMOID_MSE


@pytest.fixture(scope="module")
def found():
    ticks = []
    measured = convexity.measure(
        task(n=80), losses=LOSSES, depths=(1, 2, 3), points=40, components=2, width=2,
        tick=lambda: ticks.append(1),
    )  # fmt: skip
    assert len(ticks) == len(measured.cases) == 15
    return measured


@pytest.mark.parametrize("loss", [MSE, CE, RAW_CE], ids=lambda loss: loss.name)
def test_one_layer_is_convex(found, loss):
    case = found.case(loss, 1)
    assert not case.refuted
    assert case.negative == 0
    assert len(case.smallest) == 40
    assert case.parameters == 3
    assert not case.worst.refutes


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_more_layers_are_not(found, loss, depth):
    case = found.case(loss, depth)
    assert case.refuted
    assert case.negative > 0.3
    assert case.smallest.min() < 0
    assert case.worst.refutes


def test_one_layer_is_not_with_the_sigmoids_squared_error_or_a_cut(found):
    assert found.case(SIGMOID_MSE, 1).negative > 0
    cut = found.case(CLIPPED_CE, 1)
    assert cut.negative == 0  # its flat parts have no curvature; only midpoints see the cut
    assert cut.refuting > 0


def test_undefined_points_are_counted(found):
    case = found.case(RAW_CE, 1)
    given = task(n=80)
    features = convexity.principal_components(given.train[0], 2)
    network = LinearNetwork(2, 1, 2)
    bad = []
    for seed in range(40):
        outputs = network.outputs(draw(network, seed), features)
        number = np.where(given.train[1] > 0.5, outputs, 1 - outputs)
        bad.append((number <= 0).mean())
    assert case.undefined == np.mean(np.array(bad) > 0) > 0.5
    assert case.undefined_examples == pytest.approx(np.mean(bad))
    assert found.case(CE, 1).undefined == 0


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_points_are_moved_into_the_domain(depth):
    network = LinearNetwork(3, depth, 2)
    features = np.random.default_rng(0).normal(size=(50, 3))
    for seed in range(20):
        outputs = network.outputs(
            into_domain(network, draw(network, seed), features, seed), features
        )
        assert outputs.min() > 0
        assert outputs.max() < 1
        assert np.ptp(outputs) > 0.05


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_fitted_point_is_a_good_one(depth):
    given = task(n=100)
    features, labels = given.train
    network = LinearNetwork(features.shape[1], depth, 3)
    with_ones = np.column_stack([features, np.ones(len(labels))])
    solution, *_ = np.linalg.lstsq(with_ones, labels, rcond=None)
    least = np.mean((with_ones @ solution - labels) ** 2)
    point = fitted(network, MSE, features, labels)
    assert mean_loss(network, MSE, point, features, labels) == pytest.approx(least, rel=1e-3)
    raw = fitted(network, RAW_CE, features, labels)
    assert mean_loss(network, RAW_CE, raw, features, labels) < np.log(2)
    entropy = fitted(network, CE, features, labels)
    assert mean_loss(network, CE, entropy, features, labels) < 0.6


def test_a_midpoint_refutes_only_beyond_rounding():
    point = np.zeros(1)
    assert Midpoint("random", point, point, (1.0, 1.0), 1.1).refutes
    assert not Midpoint("random", point, point, (1.0, 1.0), 1.0 + 1e-14).refutes
    assert not Midpoint("random", point, point, (1.0, 3.0), 2.0).refutes


def test_the_examples_to_check_by_hand_refute():
    found = {one.loss: one.found for one in pocket.examples()}
    assert set(found) == set(LOSSES)
    assert all(one.refutes for one in found.values())
    assert found[MSE].ends == (0.0, 0.0)
    assert found[MSE].middle == 1.0
    assert found[CE].ends[0] == pytest.approx(np.log(1 + np.exp(-4)))
    assert found[CE].middle == pytest.approx(np.log(2))
    assert found[RAW_CE].ends[1] == pytest.approx(-np.log(0.74))
    assert found[RAW_CE].middle == pytest.approx(-np.log(0.1))
    assert found[SIGMOID_MSE].middle == pytest.approx((1 / (1 + np.exp(4)) - 1) ** 2)
    assert found[CLIPPED_CE].middle == pytest.approx(-np.log(1e-7))
