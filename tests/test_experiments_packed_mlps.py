"""Perceptrons for packed experiments: their first weights, what they leave, their signal."""

import io
import math

import keras
import numpy as np
import pytest
from rich.console import Console

from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.experiments import packed_mlps
from kerasdl.experiments.packed_mlps import SIGMOID_GAIN, Net, Settings, build, signal, train
from kerasdl.studies.experiment import Context, Memo

SETTINGS = Settings(epochs=2, batch_size=16, learning_rate=1e-2, epsilon=1e-8)
SHAPE = (12, 12, 3)


def make(net, seed=0):
    return build(net, SETTINGS, SHAPE, 3, seed)


def kernels(model):
    return [np.asarray(one.kernel) for one in model.layers if isinstance(one, keras.layers.Dense)]


def test_first_weights_depend_on_net_and_seed_alone():
    first = make(Net((6, 6), "relu", "glorot"))
    keras.random.normal((5,))
    for one, other in zip(
        kernels(first), kernels(make(Net((6, 6), "tanh", "glorot"))), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(kernels(first)[0], kernels(make(Net((6, 6), "relu", "glorot"), 1))[0])
    # No two layers begin alike.
    deep = kernels(make(Net((6, 6, 6), "relu", "pytorch")))
    assert not np.array_equal(deep[1], deep[2])


def test_pytorchs_rule_is_for_biases_too():
    model = make(Net((400,), "relu", "pytorch"))
    for layer in (one for one in model.layers if isinstance(one, keras.layers.Dense)):
        limit = 1 / math.sqrt(layer.kernel.shape[0])
        for values in (np.asarray(layer.kernel), np.asarray(layer.bias)):
            assert np.abs(values).max() <= limit
            assert np.abs(values).max() > 0.5 * limit
    plain = make(Net((400,), "relu", "glorot"))
    assert not np.asarray(plain.layers[-1].bias).any()


def test_cures_change_what_they_say():
    net = Net((6, 6, 6), "sigmoid", "glorot")
    for one, other in zip(
        kernels(make(net)), kernels(make(net._replace(cure="gain"))), strict=True
    ):
        np.testing.assert_allclose(other, SIGMOID_GAIN * one)

    def kinds(cure):
        return {type(layer) for layer in make(net._replace(cure=cure)).layers}

    norm, add = keras.layers.BatchNormalization, keras.layers.Add
    assert [{norm, add} & kinds(cure) for cure in packed_mlps.CURES] == [
        set(),
        {norm},
        {add},
        {norm, add},
    ]


def test_adam_has_the_epsilon():
    assert make(Net((), "relu", "glorot")).optimizer.epsilon == 1e-8


def test_signal_is_the_deviation_over_images(examples):
    some = examples(n=40)
    model = make(Net((7, 5), "tanh", "glorot"))
    gray = some.images.astype(np.float64) @ np.array([0.2989, 0.5870, 0.1140]) / 255
    first, second, _ = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    one = np.tanh(gray.reshape(40, -1) @ np.asarray(first.kernel) + np.asarray(first.bias))
    two = np.tanh(one @ np.asarray(second.kernel) + np.asarray(second.bias))
    expected = [math.sqrt(out.var(axis=0).mean()) for out in (one, two)]
    assert signal(model, some) == pytest.approx(expected, rel=1e-4)
    assert signal(make(Net((), "tanh", "glorot")), some) == []


def test_signal_of_a_layer_that_says_the_same_of_all_is_0(examples):
    model = make(Net((7, 5), "tanh", "zeros"))
    assert signal(model, examples(n=20)) == [0.0, 0.0]


def test_bits_come_back():
    values = np.random.default_rng(0).random(1003) < 0.3
    digits = packed_mlps.pack_bits(values)
    assert len(digits) == 2 * math.ceil(1003 / 8)
    np.testing.assert_array_equal(packed_mlps.unpack_bits(digits, 1003), values)


def test_training_leaves_history_scores_and_statistics(examples, tmp_path):
    parts = Splits(examples(n=64), examples(n=24, seed=1), examples(n=30, seed=2))
    names = ("a", "b", "c")
    dataset = Dataset("toy", "Toy", parts.train, parts.test, names, "folder", False, None, "0" * 64)
    console = Console(file=io.StringIO())
    context = Context(None, tmp_path, console, Memo(tmp_path, {}), dataset, parts)
    nets = [Net((8,), "sigmoid", "pytorch"), Net((8, 8), "relu", "glorot", "skip")]
    found = train(context, "two", nets, SETTINGS, 0, validate=True, histogram_epochs={0, 1})
    for one, net in zip(found, nets, strict=True):
        assert (one["units"], one["activation"], one["cure"]) == (
            net.units,
            net.activation,
            net.cure,
        )
        depth = len(net.units) + 1
        assert len(one["layers"]) == depth
        assert np.shape(one["statistics"]["gradient_norm"]) == (2, depth)
        assert {len(values) for values in one["history"].values()} == {2}
        assert "val_accuracy" in one["history"]
        right = packed_mlps.unpack_bits(one["right"], 30)
        assert right.mean() == pytest.approx(one["test_accuracy"])
        assert sorted(one["histograms"]) == ["0", "1"]
        entries = sum(values.size for values in kernels(make(net)))
        assert np.sum(one["histograms"]["1"]) == 4 * entries
        assert len(one["signal"]) == depth - 1


def test_a_network_that_diverges_ends_the_experiment_by_its_name(examples, tmp_path):
    parts = Splits(examples(n=64), examples(n=0), examples(n=30, seed=2))
    names = ("a", "b", "c")
    dataset = Dataset("toy", "Toy", parts.train, parts.test, names, "folder", False, None, "0" * 64)
    console = Console(file=io.StringIO())
    context = Context(None, tmp_path, console, Memo(tmp_path, {}), dataset, parts)
    nets = [Net((8,), "sigmoid", "glorot"), Net((8, 8), "linear", "glorot")]
    wild = Settings(epochs=3, batch_size=16, learning_rate=1e30, epsilon=1e-8)
    with pytest.raises(FloatingPointError, match="linear of 2 hidden layers"):
        train(context, "two", nets, wild, 0)
