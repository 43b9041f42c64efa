"""Losses: derivatives, Keras's values, and where one is not defined."""

import keras
import numpy as np
import pytest

from kerasdl.theory import losses

INSIDE = np.linspace(0.05, 0.95, 19)
ANY = np.linspace(-6.0, 6.0, 49)


def points(loss):
    f = INSIDE if loss in (losses.RAW_CE, losses.CLIPPED_CE) else ANY
    return np.concatenate([f, f]), np.repeat([0.0, 1.0], len(f))


@pytest.mark.parametrize("loss", losses.LOSSES, ids=lambda loss: loss.name)
def test_slope_and_curvature_are_the_derivatives(loss):
    f, y = points(loss)
    step = 1e-5
    slope = (loss.value(f + step, y) - loss.value(f - step, y)) / (2 * step)
    curvature = (loss.slope(f + step, y) - loss.slope(f - step, y)) / (2 * step)
    np.testing.assert_allclose(loss.slope(f, y), slope, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(loss.curvature(f, y), curvature, rtol=1e-5, atol=1e-8)


def keras_values(function, f, y, **options):
    y, f = (keras.ops.convert_to_tensor(one[:, None], "float64") for one in (y, f))
    return np.asarray(function(y, f, **options))


def test_values_are_those_of_keras():
    f, y = points(losses.CE)
    bce, mse = keras.losses.binary_crossentropy, keras.losses.mean_squared_error
    np.testing.assert_allclose(
        losses.CE.value(f, y), keras_values(bce, f, y, from_logits=True), atol=1e-12
    )
    np.testing.assert_allclose(losses.MSE.value(f, y), keras_values(mse, f, y), atol=1e-12)
    np.testing.assert_allclose(
        losses.SIGMOID_MSE.value(f, y), keras_values(mse, losses.sigmoid(f), y), atol=1e-12
    )
    # Also far outside 0..1, where Keras cuts off.
    np.testing.assert_allclose(
        losses.CLIPPED_CE.value(f, y), keras_values(bce, f, y, from_logits=False), rtol=1e-6,
        atol=1e-6,
    )  # fmt: skip
    assert keras.config.epsilon() == losses.KERAS_EPSILON


def test_raw_cross_entropy_has_no_value_where_the_logarithm_has_none():
    f = np.array([-0.5, 0.0, 0.5, 1.0, 1.5])
    ones, zeros = np.ones(5), np.zeros(5)
    for part in (losses.RAW_CE.value, losses.RAW_CE.slope, losses.RAW_CE.curvature):
        assert np.isnan(part(f, ones)).tolist() == [True, True, False, False, False]
        assert np.isnan(part(f, zeros)).tolist() == [False, False, False, True, True]
    np.testing.assert_allclose(losses.RAW_CE.value(f, ones)[2:], -np.log(f[2:]))


def test_only_the_squared_error_of_the_sigmoid_bends_down_in_the_output():
    for loss in losses.LOSSES:
        f, y = points(loss)
        assert (loss.curvature(f, y) < 0).any() == (loss is losses.SIGMOID_MSE)


def test_large_logits_stay_finite():
    f, y = np.array([-800.0, 800.0]), np.array([1.0, 0.0])
    np.testing.assert_allclose(losses.CE.value(f, y), [800.0, 800.0])
    np.testing.assert_allclose(losses.SIGMOID_MSE.value(f, y), [1.0, 1.0])
