"""Gradient descent of many logistic regressions at once, against Keras's own training."""

import keras
import numpy as np
import pytest
from theory_fakes import task

from kerasdl.theory.descent import Training, descend, moments, start_weights, with_ones
from kerasdl.theory.losses import CE, MSE, SIGMOID_MSE


@pytest.mark.parametrize("loss", [CE, SIGMOID_MSE], ids=lambda loss: loss.name)
def test_the_weights_are_those_of_keras(loss):
    given = task()
    features, labels = given.train
    course = descend(given, [Training(loss, "usual", 0.5)], steps=7, batch_size=len(labels), seed=3)
    layer = keras.layers.Dense(1, activation="sigmoid", dtype="float64")
    model = keras.Sequential([keras.Input((features.shape[1],), dtype="float64"), layer])
    start = start_weights(given, "usual", np.random.default_rng([3, 0]))
    layer.set_weights([start[:-1, None], start[-1:]])
    of_keras = keras.losses.BinaryCrossentropy if loss is CE else keras.losses.MeanSquaredError
    model.compile(keras.optimizers.SGD(0.5), of_keras(dtype="float64"), run_eagerly=True)
    for _ in range(7):
        model.train_on_batch(features, labels[:, None])
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(course.weights[:-1], kernel, atol=1e-6)
    np.testing.assert_allclose(course.weights[-1], bias, atol=1e-6)


def test_a_training_among_others_is_the_training_alone():
    given = task()
    both = [Training(CE, "usual", 0.1), Training(SIGMOID_MSE, "wrong", 2.0)]
    together = descend(given, both, steps=9, batch_size=16, seed=1)
    for i, one in enumerate(both):
        alone = descend(given, [one], steps=9, batch_size=16, seed=1)
        np.testing.assert_allclose(together.weights[:, i], alone.weights[:, 0], atol=1e-14)
        # One image on the boundary may be on either side of it.
        share = 1.5 / len(given.train[1])
        np.testing.assert_allclose(together.accuracy[:, i], alone.accuracy[:, 0], atol=share)


def test_accuracy_is_that_of_the_weights():
    given = task()
    course = descend(given, [Training(CE, "usual", 0.5)], steps=40, batch_size=16, seed=0)
    logits = with_ones(given.train[0]) @ course.weights[:, 0]
    right = ((logits > 0) == (given.train[1] > 0.5)).mean()
    assert course.accuracy[-1, 0] == right
    assert course.accuracy[-1, 0] > course.accuracy[0, 0]
    assert course.steps[-1] == 40


def test_the_wrong_start_is_sure_and_wrong():
    given = task(n=400)
    weights = start_weights(given, "wrong", np.random.default_rng(0))
    logits = with_ones(given.train[0]) @ weights
    assert ((logits > 0) == (given.train[1] > 0.5)).mean() < 0.3
    assert logits.std() == pytest.approx(4.0)


def test_a_batch_larger_than_the_data_is_all_of_it():
    given = task()
    runs = [
        descend(given, [Training(CE, "usual", 0.5)], steps=4, batch_size=size, seed=0)
        for size in (60, 1000)
    ]
    np.testing.assert_allclose(runs[0].weights, runs[1].weights, atol=1e-14)


def test_moments_begin_with_every_step_and_end_with_the_last():
    found = moments(1000, 20).tolist()
    assert found[:3] == [0, 1, 2] or found[:2] == [0, 1]
    assert found[-1] == 1000
    assert found == sorted(set(found))
    assert len(found) <= 21
    assert moments(1, 40).tolist() == [0, 1]


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match=r"ce and sigmoid_mse.*mse"):
        descend(task(), [Training(MSE, "usual", 0.5)], steps=1, batch_size=8, seed=0)
