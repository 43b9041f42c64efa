"""Sums and norms of each model's part of a stack, however the parts lie."""

import keras
import numpy as np
import pytest

from kerasdl.training.packed.weights import Owner, Stack


def stack(inputs, units, *, wide):
    """Returns a stack of kernels (inputs, units), and their values."""
    generator = np.random.default_rng(0)
    owners, values = [], []
    for model, width in enumerate(units):
        values.append(generator.normal(size=(inputs, width)).astype("float32"))
        variable = keras.Variable(values[-1])
        variable.regularizer = None
        owners.append(Owner(model, 0, variable, "kernel", 0.0, 1.0, None, []))
    return Stack(owners, wide=wide), values


@pytest.mark.parametrize(
    ("inputs", "units", "wide"),
    [
        (12, [3, 3, 3], False),
        (12, [3], False),
        (12, [5, 2, 7], True),
        (13, [5, 2, 7], True),  # a prime: no two steps
        (1, [5, 2], True),
        (12, [4], True),
    ],
)
def test_sums_and_norms_are_of_each_model(inputs, units, wide):
    made, values = stack(inputs, units, wide=wide)
    found = made.read()
    np.testing.assert_allclose(made.per_model(found), [v.sum() for v in values], rtol=1e-5)
    np.testing.assert_allclose(made.norms(found), [np.linalg.norm(v) for v in values], rtol=1e-5)


def test_what_one_model_has_does_not_reach_another():
    made, _ = stack(12, [5, 2, 7], wide=True)
    value = made.read().numpy()
    value[3, 5] = np.nan
    for numbers in (made.per_model(value), made.norms(value)):
        np.testing.assert_array_equal(np.isnan(numbers), [False, True, False])
