"""Gradients by probability: the curves, Keras's on single examples, and the likelihood."""

import numpy as np
import pytest
from theory_fakes import task

from kerasdl.theory import gradients


def test_the_curves_have_their_known_points():
    ce, mse = gradients.curves(4001)
    np.testing.assert_allclose(ce.value, -np.log(ce.q), rtol=1e-9)
    np.testing.assert_allclose(ce.gradient, 1 - ce.q, atol=1e-12)
    np.testing.assert_allclose(mse.gradient, 2 * mse.q * (1 - mse.q) ** 2, atol=1e-12)
    assert mse.gradient.max() == pytest.approx(8 / 27, abs=1e-6)
    assert mse.q[mse.gradient.argmax()] == pytest.approx(1 / 3, abs=2e-3)
    assert ce.q[0] == pytest.approx(1e-6)


def test_single_examples_have_the_gradient_of_the_formula():
    given = task(n=300)
    ce, mse = gradients.measure(given, seed=1)
    assert ce.error < 1e-8
    assert mse.error < 1e-8
    np.testing.assert_allclose(ce.gradient, 1 - ce.q, atol=1e-8)
    features, labels = given.train
    length = np.sqrt((features**2).sum(axis=1) + 1)
    np.testing.assert_allclose(ce.weights_gradient, ce.gradient * length)
    assert ce.counts.sum() == len(labels)
    full = ce.counts > 0
    assert (ce.low[full] <= ce.median[full]).all()
    assert np.isnan(ce.median[~full]).all()


def test_cross_entropy_is_the_likelihood():
    found = gradients.likelihood(task())
    assert found.examples == 60
    assert found.error < 1e-9
    assert found.ours == pytest.approx(found.scipys, abs=1e-9)
