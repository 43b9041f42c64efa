"""The whole network against Keras, its first weights, its copies and its refusals."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasdl.scratch.activations import ACTIVATIONS
from kerasdl.scratch.initializers import INITIALIZERS
from kerasdl.scratch.network import Network


def keras_twin(network):
    """The same network in Keras, float64, with the same weights."""
    stack = [keras.Input((network.num_inputs,), dtype="float64")]
    *hidden, last = network.sizes[1:]
    stack += [keras.layers.Dense(n, network.activation, dtype="float64") for n in hidden]
    model = keras.Sequential([*stack, keras.layers.Dense(last, dtype="float64")])
    model.set_weights([array for one in network.layers for array in (one.weights, one.biases)])
    return model


def flat(arrays):
    return np.concatenate([np.asarray(array).ravel() for array in arrays])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (7, 6, 5)], ids=["no hidden layer", "three"])
def test_gradients_of_a_network_are_those_of_keras_and_finite_differences(activation, hidden):
    network = Network(8, hidden, 4, activation=activation, initializer="glorot", dtype="float64")
    generator = np.random.default_rng(1)
    inputs, labels = generator.standard_normal((9, 8)), generator.integers(0, 4, 9)
    loss, logits = network.loss_and_gradients(inputs, labels)
    gradients = network.gradients.copy()

    model = keras_twin(network)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    with tf.GradientTape() as tape:
        outputs = model(inputs)
        expected = criterion(labels, outputs)
    # TensorFlow holds the slope of leaky ReLU in float32, also for float64 numbers.
    same = 1e-6 if activation == "leaky_relu" else 1e-12
    np.testing.assert_allclose(logits, outputs, rtol=same, atol=1e-14)
    assert loss == pytest.approx(float(expected), rel=same)
    sources = [variable.value for variable in model.trainable_variables]
    theirs = flat(tape.gradient(expected, sources))
    np.testing.assert_allclose(gradients, theirs, rtol=1e-6, atol=1e-13)

    for place in generator.choice(len(gradients), 25, replace=False):
        ends = []
        for move in (1e-5, -2e-5):
            network.parameters[place] += move
            ends.append(network.evaluate(inputs, labels)[0])
        network.parameters[place] += 1e-5
        difference = (ends[0] - ends[1]) / 2e-5
        assert gradients[place] == pytest.approx(difference, rel=1e-6, abs=1e-9)


def test_predictions_are_the_same_in_one_piece_and_in_many():
    network = Network(5, (4,), 3, dtype="float64", seed=3)
    inputs = np.random.default_rng(0).standard_normal((2345, 5))
    expected = network.forward(inputs).copy()
    np.testing.assert_allclose(network.logits(inputs), expected, rtol=1e-12)
    probabilities = network.predict_proba(inputs)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert (probabilities.argmax(axis=1) == expected.argmax(axis=1)).all()
    labels = np.random.default_rng(1).integers(0, 3, 2345)
    loss, accuracy = network.evaluate(inputs, labels)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(2345), labels]).mean())
    assert accuracy == (probabilities.argmax(axis=1) == labels).mean()


def test_images_are_flattened_and_pixels_scaled():
    network = Network(12, (4,), 3)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 3), dtype=np.uint8)
    scaled = (pixels / 255).reshape(6, 12)
    np.testing.assert_allclose(network.logits(pixels), network.logits(scaled), rtol=1e-5)
    assert network.logits(pixels[:0]).shape == (0, 3)


def test_first_weights():
    def first(name, **settings):
        network = Network(400, (300,), 10, initializer=name, dtype="float64", **settings)
        assert not any(layer.biases.any() for layer in network.layers)
        return network.layers[0].weights

    assert not first("zero").any()
    assert 0 <= first("random").min() < 0.001
    assert 0.999 < first("random").max() < 1
    assert first("normal").std() == pytest.approx(1, rel=0.01)
    assert first("normal").mean() == pytest.approx(0, abs=0.01)
    assert first("normal", scale=0.01).std() == pytest.approx(0.01, rel=0.01)
    assert first("he").std() == pytest.approx(np.sqrt(2 / 400), rel=0.01)
    assert first("glorot").var() == pytest.approx(2 / 700, rel=0.01)
    assert abs(first("glorot")).max() <= np.sqrt(6 / 700)
    assert set(INITIALIZERS) == {"zero", "random", "normal", "he", "glorot"}


def test_a_seed_is_a_network_in_both_precisions():
    one, two = Network(6, (5,), 3, seed=4), Network(6, (5,), 3, seed=4)
    np.testing.assert_array_equal(one.parameters, two.parameters)
    assert (Network(6, (5,), 3, seed=5).parameters != one.parameters).any()
    precise = Network(6, (5,), 3, seed=4, dtype="float64")
    np.testing.assert_array_equal(precise.parameters.astype(np.float32), one.parameters)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))],
    ids=["copy", "pickle"],
)
def test_layers_of_a_copy_are_views_of_its_own_parameters(duplicate):
    network = Network(6, (5,), 3, activation="tanh")
    twin = duplicate(network)
    inputs = np.ones((2, 6), np.float32)
    np.testing.assert_array_equal(twin.logits(inputs), network.logits(inputs))
    before = network.parameters.copy()
    twin.parameters[:] = 0
    assert not twin.logits(inputs).any()
    twin.loss_and_gradients(inputs, np.array([0, 1]))
    assert twin.gradients.any()
    np.testing.assert_array_equal(network.parameters, before)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_inputs": 0},
        {"hidden": (3, 0)},
        {"num_classes": 1},
        {"activation": "relu7"},
        {"initializer": "xavier"},
        {"scale": -1},
        {"scale": float("nan")},
        {"dtype": "float16"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="Received: "):
        Network(**{"num_inputs": 4, **settings})


@pytest.mark.parametrize(
    "inputs",
    [np.zeros((2, 5)), np.zeros(4), np.zeros((2, 4), int), np.array([["a"] * 4]), 3.0],
    ids=["width", "one example", "integers", "text", "number"],
)
def test_wrong_inputs_are_refused(inputs):
    with pytest.raises(ValueError, match="examples of 4 numbers"):
        Network(4, (3,), 2).logits(inputs)
