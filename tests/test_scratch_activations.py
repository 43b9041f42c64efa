"""Activations, the loss and the dense layer: gradients by finite differences and by Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasdl.scratch.activations import ACTIVATIONS, LEAKY_SLOPE
from kerasdl.scratch.layers import Dense
from kerasdl.scratch.losses import softmax_cross_entropy

STEP = 1e-5

# TensorFlow holds the slope of leaky ReLU in float32, also for float64 numbers.
SAME = {"leaky_relu": 1e-7}


def numbers(shape, seed=0):
    """Normal numbers, none so near to 0 that a finite difference would cross ReLU's kink."""
    values = np.random.default_rng(seed).standard_normal(shape) * 2
    return values + np.copysign(0.01, values)


def finite_differences(function, at):
    """The gradient of a number by central differences, float64."""
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[index] += sign * STEP
            ends.append(function(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * STEP)
    return gradient


def outputs_of(activation, z):
    values = z.copy()
    activation.forward(values)
    return values


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_outputs_are_those_of_keras(name):
    z = numbers((5, 7)) * 10
    expected = keras.ops.convert_to_numpy(keras.activations.get(name)(tf.constant(z)))
    outputs = outputs_of(ACTIVATIONS[name], z)
    np.testing.assert_allclose(outputs, expected, SAME.get(name, 1e-12), 1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_are_those_of_finite_differences_and_keras(name):
    activation, z, weights = ACTIVATIONS[name], numbers((4, 6)), numbers((4, 6), seed=1)
    errors = weights.copy()
    activation.backward(outputs_of(activation, z), errors)

    differences = finite_differences(lambda at: (weights * outputs_of(activation, at)).sum(), z)
    np.testing.assert_allclose(errors, differences, rtol=1e-6, atol=1e-9)

    variable = tf.Variable(z)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(weights * keras.activations.get(name)(variable))
    np.testing.assert_allclose(errors, tape.gradient(total, variable), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_float32_and_stay_finite_far_out(name):
    z = np.array([[-1e4, -100, 0, 100, 1e4]], np.float32)
    outputs, errors = outputs_of(ACTIVATIONS[name], z), np.ones_like(z)
    ACTIVATIONS[name].backward(outputs, errors)
    assert outputs.dtype == errors.dtype == np.float32
    assert np.isfinite(outputs).all()
    assert np.isfinite(errors).all()


def test_gradients_at_zero_are_those_of_keras():
    for name, expected in (("relu", 0.0), ("leaky_relu", LEAKY_SLOPE)):
        variable = tf.Variable([[0.0]], dtype="float64")
        with tf.GradientTape() as tape:
            output = keras.activations.get(name)(variable)
        errors = np.ones((1, 1))
        ACTIVATIONS[name].backward(np.zeros((1, 1)), errors)
        assert errors.item() == pytest.approx(expected)
        assert tape.gradient(output, variable).numpy().item() == pytest.approx(expected)


def test_loss_and_gradient_are_those_of_finite_differences_and_keras():
    logits, labels = numbers((6, 4)), np.array([0, 3, 1, 1, 2, 0])
    errors = np.empty_like(logits)
    loss = softmax_cross_entropy(logits, labels, errors)

    def value(at):
        return softmax_cross_entropy(at, labels, np.empty_like(at))

    np.testing.assert_allclose(errors, finite_differences(value, logits), rtol=1e-6, atol=1e-9)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        keras_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(
            labels, variable
        )
    assert loss == pytest.approx(float(keras_loss), rel=1e-12)
    np.testing.assert_allclose(errors, tape.gradient(keras_loss, variable), rtol=1e-6, atol=1e-14)


def test_the_loss_of_a_hopeless_answer_is_a_number():
    logits = np.array([[1000.0, 0.0], [0.0, 1000.0]], np.float32)
    errors = np.empty_like(logits)
    assert softmax_cross_entropy(logits, np.array([1, 1]), errors) == 500
    np.testing.assert_array_equal(errors, np.array([[0.5, -0.5], [0, 0]], np.float32))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dense_layer_gradients_are_those_of_finite_differences_and_keras(name):
    activation = ACTIVATIONS[name]
    inputs, weights, biases = numbers((3, 4)), numbers((4, 5), seed=1), numbers((5,), seed=2)
    outer = numbers((3, 5), seed=3)

    def total(x, w, b):
        outputs = np.empty((3, 5))
        Dense(w, b, np.empty_like(w), np.empty_like(b), activation).forward(x, outputs)
        return (outer * outputs).sum()

    layer = Dense(weights, biases, np.empty_like(weights), np.empty_like(biases), activation)
    outputs, errors, input_errors = np.empty((3, 5)), outer.copy(), np.empty_like(inputs)
    layer.forward(inputs, outputs)
    layer.backward(inputs, outputs, errors, input_errors)
    found = [input_errors, layer.weight_gradients, layer.bias_gradients]

    for place, gradient in enumerate(found):
        at = [inputs, weights, biases]

        def moved(values, at=at, place=place):
            return total(*at[:place], values, *at[place + 1 :])

        expected = finite_differences(moved, at[place])
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)

    dense = keras.layers.Dense(5, activation=name, dtype="float64")
    dense.build((None, 4))
    dense.set_weights([weights, biases])
    variable = tf.Variable(inputs)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(outer * dense(variable))
    sources = [variable, dense.kernel.value, dense.bias.value]
    for gradient, expected in zip(found, tape.gradient(value, sources), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-12)
