"""Linear networks: outputs as Keras's, Hessians as finite differences and as autodiff."""

import numpy as np
import pytest

from kerasdl.theory.linear_network import LinearNetwork, hessian, mean_loss
from kerasdl.theory.losses import CE, LOSSES, RAW_CE


def example(depth, seed=0, inputs=2, width=2, n=7):
    generator = np.random.default_rng([depth, seed])
    network = LinearNetwork(inputs, depth, width)
    features = generator.normal(size=(n, inputs))
    labels = (np.arange(n) % 2).astype(np.float64)
    point = generator.normal(size=network.parameters) * 0.5
    return network, point, features, labels


def inside(network, point, features):
    """Moves the last layer so that all outputs lie between 0 and 1."""
    layers = [layer.copy() for layer in network.layers(point)]
    outputs = network.outputs(point, features)
    layers[-1] *= 0.6 / np.ptp(outputs)
    layers[-1][-1] += 0.5 - network.outputs(network.point(layers), features).mean()
    return network.point(layers)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_hessian_is_that_of_finite_differences(depth, loss):
    network, point, features, labels = example(depth)
    point = inside(network, point, features)
    exact = hessian(network, loss, point, features, labels)
    step = 1e-4

    def at(*moves):
        moved = point.copy()
        for index, sign in moves:
            moved[index] += sign * step
        return mean_loss(network, loss, moved, features, labels)

    size = network.parameters
    found = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            found[i, j] = (
                at((i, 1), (j, 1))
                - at((i, 1), (j, -1))
                - at((i, -1), (j, 1))
                + at((i, -1), (j, -1))
            ) / (4 * step * step)
    np.testing.assert_allclose(exact, found, atol=1e-5 * np.abs(exact).max())
    np.testing.assert_allclose(exact, exact.T, atol=1e-14 * np.abs(exact).max())


def test_hessian_and_outputs_are_those_of_keras_layers():
    import keras
    import tensorflow as tf

    network, point, features, labels = example(3, n=5)
    layers = [keras.layers.Dense(units, dtype="float64") for _, units in network.shapes]
    model = keras.Sequential([keras.Input((2,), dtype="float64"), *layers])
    model.set_weights([part for layer in network.layers(point) for part in (layer[:-1], layer[-1])])
    x, y = tf.constant(features), tf.constant(labels[:, None])
    np.testing.assert_allclose(model(x)[:, 0], network.outputs(point, features), atol=1e-14)

    def loss(vector):
        values, at = x, 0
        for rows, columns in network.shapes:
            layer = tf.reshape(vector[at : at + rows * columns], (rows, columns))
            values, at = values @ layer[:-1] + layer[-1], at + rows * columns
        return tf.reduce_mean(keras.losses.binary_crossentropy(y, values, from_logits=True))

    vector = tf.constant(point)
    with tf.GradientTape() as outer:
        outer.watch(vector)
        with tf.GradientTape() as inner:
            inner.watch(vector)
            value = loss(vector)
        gradient = inner.gradient(value, vector)
    automatic = outer.jacobian(gradient, vector)
    np.testing.assert_allclose(value, mean_loss(network, CE, point, features, labels), atol=1e-14)
    np.testing.assert_allclose(automatic, hessian(network, CE, point, features, labels), atol=1e-12)


def test_a_point_is_its_layers():
    network, point, _, _ = example(4)
    assert network.parameters == (3 * 2) + 2 * (3 * 2) + 3
    np.testing.assert_array_equal(network.point(network.layers(point)), point)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_mirrored_point_has_the_same_outputs(depth):
    network, point, features, _ = example(depth)
    other = network.mirrored(point)
    assert np.abs(other - point).max() > 0.1
    np.testing.assert_allclose(
        network.outputs(other, features), network.outputs(point, features), atol=1e-14
    )


def test_without_a_hidden_layer_nothing_can_be_mirrored():
    network, point, _, _ = example(1)
    with pytest.raises(ValueError, match="hidden layer"):
        network.mirrored(point)


def test_an_undefined_loss_is_nan():
    network, point, features, labels = example(1)
    assert np.isnan(mean_loss(network, RAW_CE, point * 10, features, labels))
    assert np.isnan(hessian(network, RAW_CE, point * 10, features, labels)).any()
