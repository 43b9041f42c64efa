"""Trainings: the same path as Keras's and PyTorch's SGD, order, validation, kept weights."""

import keras
import numpy as np
import pytest

from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import SGD
from kerasdl.scratch.threads import blas_threads
from kerasdl.scratch.training import batches, epoch_order, fit


@pytest.fixture
def data():
    """A learnable task: 70 examples of 6 numbers, 3 classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(70) % 3
    return generator.standard_normal((70, 6)) + labels[:, None], labels


def network(**settings):
    settings = {"activation": "tanh", "dtype": "float64", **settings}
    return Network(6, (8, 5), 3, **settings)


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.875, False), (0.875, True)], ids=str
)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_training_takes_the_path_of_keras(data, activation, momentum, nesterov):
    ours = network(activation=activation)
    stack = [keras.Input((6,), dtype="float64")]
    stack += [keras.layers.Dense(n, activation, dtype="float64") for n in (8, 5)]
    model = keras.Sequential([*stack, keras.layers.Dense(3, dtype="float64")])
    model.set_weights([array for one in ours.layers for array in (one.weights, one.biases)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    # Keras holds the rate in float32: one that is exact there.
    model.compile(keras.optimizers.SGD(0.125, momentum, nesterov), loss)

    start = ours.parameters.copy()
    history = fit(ours, *data, epochs=4, batch_size=16, optimizer=SGD(0.125, momentum, nesterov))
    for epoch in range(4):
        order = epoch_order(70, 0, epoch)
        losses = []
        for inputs, labels in batches(*data, order, 16, np.dtype("float64")):
            losses.append(float(model.train_on_batch(inputs, labels)) * len(labels))
            model.reset_metrics()
        # Keras averages the loss that it reports in float32.
        assert history.loss[epoch] == pytest.approx(sum(losses) / 70, rel=1e-6)
    assert abs(ours.parameters - start).max() > 0.1
    np.testing.assert_allclose(ours.parameters, flat(model.get_weights()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)], ids=str
)
def test_a_training_takes_the_path_of_pytorch(data, momentum, nesterov):
    """The recursion in the documentation of torch.optim.SGD, written out."""
    ours, theirs = network(), network()
    fit(ours, *data, epochs=5, batch_size=16, optimizer=SGD(0.1, momentum, nesterov))
    buffer = None
    for epoch in range(5):
        order = epoch_order(70, 0, epoch)
        for inputs, labels in batches(*data, order, 16, np.dtype("float64")):
            theirs.loss_and_gradients(inputs, labels)
            g = theirs.gradients.copy()
            if momentum:
                buffer = g if buffer is None else momentum * buffer + g
                g = g + momentum * buffer if nesterov else buffer
            theirs.parameters[:] = theirs.parameters - 0.1 * g
    np.testing.assert_allclose(ours.parameters, theirs.parameters, rtol=1e-9, atol=1e-12)


def test_the_paths_part_when_the_rate_changes():
    """As the docstring of SGD says: v keeps the old rate, PyTorch's buffer takes the new one."""
    optimizer, w = SGD(0.1, 0.5), np.zeros(1)
    optimizer.step(w, np.ones(1))
    optimizer.learning_rate = 0.01
    optimizer.step(w, np.ones(1))
    assert w.item() == pytest.approx(-0.1 + (-0.05 - 0.01))


def test_what_is_learnt_and_what_the_history_says(data):
    ours = network(activation="relu")
    seen = []
    history = fit(
        ours,
        *data,
        epochs=30,
        optimizer=SGD(0.1),
        batch_size=10,
        validation=(data[0][:20], data[1][:20]),
        on_epoch=lambda epoch, history: seen.append((epoch, len(history.loss))),
    )
    assert seen == [(epoch, epoch) for epoch in range(1, 31)]
    assert len(history.accuracy) == len(history.val_accuracy) == len(history.seconds) == 30
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert history.accuracy[-1] > 0.9
    loss, accuracy = ours.evaluate(data[0][:20], data[1][:20])
    assert (history.val_loss[-1], history.val_accuracy[-1]) == (loss, accuracy)
    assert not history.diverged


def test_loss_and_accuracy_are_those_before_each_step(data):
    ours = network()
    loss, accuracy = ours.evaluate(*data)
    history = fit(ours, *data, epochs=1, optimizer=SGD(0.1), batch_size=1000)
    assert history.loss == [pytest.approx(loss)]
    assert history.accuracy == [accuracy]
    assert history.val_loss == history.val_accuracy == []


def test_weights_are_kept_at_chosen_epochs(data):
    ours, shorter = network(), network()
    start = ours.parameters.copy()
    history = fit(ours, *data, epochs=4, optimizer=SGD(0.1), keep=(0, 2, 4))
    fit(shorter, *data, epochs=2, optimizer=SGD(0.1))
    assert list(history.kept) == [0, 2, 4]
    np.testing.assert_array_equal(history.kept[0], start)
    np.testing.assert_array_equal(history.kept[2], shorter.parameters)
    np.testing.assert_array_equal(history.kept[4], ours.parameters)
    # Copies: what happens to the network later does not reach them.
    ours.parameters[:] = 0
    assert history.kept[4].any()


def test_a_continued_training_is_the_uninterrupted_one(data):
    whole, halves, optimizer = network(), network(), SGD(0.1, 0.9)
    expected = fit(whole, *data, epochs=5, optimizer=SGD(0.1, 0.9), seed=7)
    fit(halves, *data, epochs=2, optimizer=optimizer, seed=7)
    rest = fit(halves, *data, epochs=5, first_epoch=2, optimizer=optimizer, seed=7, keep=(2,))
    np.testing.assert_array_equal(whole.parameters, halves.parameters)
    assert rest.loss == expected.loss[2:]
    assert list(rest.kept) == [2]


def test_a_seed_is_a_training(data):
    def trained(**settings):
        ours = network(dtype="float32")
        fit(ours, *data, epochs=2, optimizer=SGD(0.1), **settings)
        return ours.parameters

    np.testing.assert_array_equal(trained(seed=1), trained(seed=1))
    assert (trained(seed=1) != trained(seed=2)).any()
    assert (trained(seed=1) != trained(shuffle=False)).any()
    np.testing.assert_array_equal(trained(seed=1, shuffle=False), trained(seed=2, shuffle=False))


def test_every_example_comes_once_in_an_order_of_its_own():
    orders = [epoch_order(50, 3, epoch) for epoch in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert (orders[0] != orders[1]).any()
    assert (orders[1] != orders[2]).any()
    rows, labels = np.arange(100.0).reshape(50, 2), np.arange(50)
    pairs = [
        (inputs.copy(), answers)
        for inputs, answers in batches(rows, labels, orders[0], 16, np.dtype("float64"))
    ]
    assert [len(inputs) for inputs, _ in pairs] == [16, 16, 16, 2]
    np.testing.assert_array_equal(np.concatenate([one for one, _ in pairs]), rows[orders[0]])
    np.testing.assert_array_equal(np.concatenate([two for _, two in pairs]), orders[0])


def test_pixels_train_like_the_numbers_they_stand_for(data):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 2, 3, 1), dtype=np.uint8)
    one, two = network(), network()
    fit(one, pixels, data[1], epochs=2, optimizer=SGD(0.1))
    fit(two, pixels / 255, data[1], epochs=2, optimizer=SGD(0.1))
    np.testing.assert_allclose(one.parameters, two.parameters, rtol=1e-9, atol=1e-12)


def test_zero_weights_never_learn_the_inputs(data):
    """All gradients of the weights are 0, as every layer passes nothing on: biases alone move."""
    ours = network(initializer="zero")
    fit(ours, *data, epochs=3, optimizer=SGD(0.1))
    assert not any(layer.weights.any() for layer in ours.layers)
    assert ours.layers[-1].biases.any()


def test_a_training_that_diverges_ends_and_says_so(data):
    ours = network(activation="linear", initializer="normal")
    history = fit(ours, *data, epochs=50, optimizer=SGD(1e4), validation=data, keep=(50,))
    assert history.diverged
    assert len(history.loss) < 50
    assert history.kept == {}
    # Its answers are no numbers either, and no warnings.
    assert not np.isfinite(ours.evaluate(*data)[0])
    assert not np.isfinite(ours.predict_proba(data[0])).all()


def test_threads_are_limited_inside_and_restored():
    from threadpoolctl import threadpool_info, threadpool_limits

    def counts():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        assert set(counts()) == {2}
        with blas_threads(1):
            assert set(counts()) == {1}
        with blas_threads(None):
            assert set(counts()) == {2}
        assert set(counts()) == {2}
    with pytest.raises(ValueError, match="Received: 0"), blas_threads(0):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": np.zeros(69, int)},
        {"labels": np.zeros(70)},
        {"labels": np.full(70, 3)},
        {"labels": np.full(70, -1)},
        {"inputs": np.zeros((70, 5))},
        {"inputs": np.zeros((0, 6)), "labels": np.zeros(0, int)},
        {"validation": (np.zeros((2, 5)), np.zeros(2, int))},
        {"batch_size": 0},
        {"epochs": -1},
        {"first_epoch": 3},
        {"keep": (3,)},
        {"threads": 0},
    ],
    ids=lambda wrong: " ".join(wrong),
)
def test_wrong_arguments_are_refused_before_anything_moves(data, wrong):
    ours = network()
    before = ours.parameters.copy()
    settings = {"inputs": data[0], "labels": data[1], "epochs": 2, "optimizer": SGD(0.1), **wrong}
    with pytest.raises(ValueError, match="Received: "):
        fit(ours, **settings)
    np.testing.assert_array_equal(ours.parameters, before)


@pytest.mark.parametrize("wrong", [(0.0,), (float("nan"),), (0.1, 1.0), (0.1, -0.1)], ids=str)
def test_impossible_rates_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        SGD(*wrong)
