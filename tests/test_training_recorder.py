"""The statistics of layers: recorder and packed training against a tape by hand."""

import csv

import keras
import numpy as np
import pytest

from kerasdl.training import state
from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import Engine
from kerasdl.training.layer_statistics import EDGES, QUANTITIES, flat_sides
from kerasdl.training.order import epoch_order
from kerasdl.training.packed import Packed
from kerasdl.training.recorder import LayerRecorder
from kerasdl.training.settings import Training

SHAPE = (6, 6, 1)
TRAINING = Training(
    # Adam would turn rounding errors of gradients that cancel out into updates.
    epochs=2,
    batch_size=16,
    optimizer="sgd",
    learning_rate=1e-2,
    schedule="constant",
)
L = keras.layers


def model(activation="relu", norm=False, seed=0):
    """A network some of whose units can only be dead."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input(SHAPE), L.Rescaling(1 / 255), L.Flatten()]
    layers.append(L.Dense(8, activation=activation, kernel_regularizer="l2", name="one"))
    layers += [L.Dense(6, use_bias=not norm, name="two")]
    layers += [L.BatchNormalization()] if norm else []
    layers += [L.Activation(activation), L.Dense(3, name="three")]
    made = keras.Sequential(layers)
    made.get_layer("one").bias.assign([-100.0, 10.0, *[0.0] * 6])
    compile_model(made, TRAINING, 40)
    return made


def by_hand(network, train, sides):
    """Trains with a plain tape; returns the quantities (epochs, quantities, layers), gradients."""
    import tensorflow as tf

    kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
    watched = [network.get_layer("one"), next(x for x in network.layers if type(x) is L.Activation)]
    parts = keras.Model(network.inputs[0], [network.outputs[0], *(x.output for x in watched)])
    epochs, entries = [], []
    for epoch in range(TRAINING.epochs):
        order, steps, seen, all_gradients = epoch_order(len(train), 3, epoch), [], [], []
        for first in range(0, len(train), 16):
            batch = order[first : first + 16]
            with tf.GradientTape() as tape:
                logits, *outputs = parts(train.images[batch].astype("float32"), training=True)
                loss = network.compute_loss(None, train.labels[batch], logits)
            gradients = tape.gradient(loss, network.trainable_variables)
            before = [kernel.numpy() for kernel in kernels]
            network.optimizer.apply(gradients, network.trainable_variables)
            pairs = zip(network.trainable_variables, gradients, strict=True)
            of_kernel = {id(variable): gradient for variable, gradient in pairs}
            own = [of_kernel[id(kernel)].numpy() for kernel in kernels]
            change = [kernel.numpy() - old for kernel, old in zip(kernels, before, strict=True)]
            norm = np.linalg.norm
            flat = [(out <= sides[0]) | (out >= sides[1]) for out in map(np.asarray, outputs)]
            steps.append(
                [
                    [norm(g) for g in own],
                    [g.mean() for g in own],
                    [abs(g).mean() for g in own],
                    [norm(w) for w in before],
                    [w.mean() for w in before],
                    [norm(c) / norm(w) for c, w in zip(change, before, strict=True)],
                    [*(f.mean() for f in flat), np.nan],
                ]
            )
            seen.append([np.asarray(out) for out in outputs])
            all_gradients.append(own)
        means = np.mean(steps, axis=0)
        whole = [np.concatenate(values) for values in zip(*seen, strict=True)]
        dead = [((o.max(0) <= sides[0]) | (o.min(0) >= sides[1])).mean() for o in whole]
        epochs.append([*means[:6], [*dead, np.nan], means[6]])
        entries.append(
            [np.concatenate([g.ravel() for g in each]) for each in zip(*all_gradients, strict=True)]
        )
    return np.array(epochs), entries


def assert_close(found, expected):
    for place, quantity in enumerate(QUANTITIES):
        np.testing.assert_allclose(
            found[:, place], expected[:, place], rtol=1e-3, atol=1e-6, err_msg=quantity
        )


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_recorder_packed_and_a_tape_by_hand_agree(activation, norm, examples):
    train = examples(40, SHAPE)
    reference = model(activation, norm)
    expected, _ = by_hand(reference, train, flat_sides(reference.get_layer("one")))
    assert (expected[:, 6, 0] >= (0.25 if activation == "sigmoid" else 0.125)).all()

    recorder = LayerRecorder()
    Engine(model(activation, norm)).fit(train, TRAINING, seed=3, callbacks=[recorder])
    assert recorder.statistics.layers == ("one", "two", "three")
    assert_close(np.array(recorder.statistics.epochs), expected)

    others = [model("tanh", norm), model(activation, norm), model(activation, norm, seed=1)]
    packed = Packed(others, [TRAINING] * 3, layer_statistics=True)
    packed.fit(train, seed=3)
    assert packed.statistics[1].layers == ("one", "two", "three")
    assert_close(np.array(packed.statistics[1].epochs), expected)
    assert packed.statistics[1]["dead_units"].shape == (2, 3)


def test_under_fit_it_records_the_same_and_leaves_nothing_behind(examples):
    train = examples(40, SHAPE)
    expected, _ = by_hand(model(), train, (0.0, np.inf))
    order, recorder, made = epoch_order(40, 3, 0), LayerRecorder(["one", "three"]), model()
    data = train.images[order], train.labels[order]
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    made.fit(*data, **options, callbacks=[recorder])
    assert recorder.statistics.layers == ("one", "three")
    found = np.array(recorder.statistics.epochs)
    assert_close(found, expected[:1, :, [0, 2]])
    for owner in (made, made.optimizer, *made.layers):
        assert not {"train_step", "apply", "call"} & set(vars(owner))
    # A step traced without the recorder is traced anew with it, and the other way round.
    made.fit(*data, **options)
    made.fit(*data, **options, callbacks=[recorder])
    assert len(recorder.statistics.epochs) == 1
    assert (recorder.statistics["weight_norm"] != found[:, 3]).all()


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "leaky_relu"])
def test_recording_does_not_change_a_bit_of_the_training(activation, examples):
    train = examples(40, SHAPE)
    order = epoch_order(40, 3, 0)
    weights = []
    for callbacks in ([], [LayerRecorder(histogram_epochs=[0])]):
        trained = Engine(model(activation)).fit(train, TRAINING, seed=3, callbacks=callbacks).model
        fitted = model(activation)
        fitted.fit(
            train.images[order], train.labels[order], batch_size=16, verbose=0, callbacks=callbacks
        )
        weights.append([*trained.get_weights(), *fitted.get_weights()])
        packed = Packed([model(activation)] * 1, [TRAINING], layer_statistics=bool(callbacks))
        packed.fit(train, seed=3)
        weights[-1] += packed.unpack()[0].get_weights()
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_histograms_count_the_gradients_of_the_chosen_epochs(examples):
    train = examples(40, SHAPE)
    _, entries = by_hand(model(), train, (0.0, np.inf))
    recorder = LayerRecorder(histogram_epochs=[1])
    Engine(model()).fit(train, TRAINING, seed=3, callbacks=[recorder])
    packed = Packed([model("tanh"), model()], [TRAINING] * 2, histogram_epochs=[1])
    packed.fit(train, seed=3)
    for statistics in (recorder.statistics, packed.statistics[1]):
        assert list(statistics.histograms) == [1]
        for found, values in zip(statistics.histograms[1], entries[1], strict=True):
            expected, _ = np.histogram(np.clip(values, EDGES[0], EDGES[-1]), EDGES)
            assert found.sum() == values.size
            # Rounding moves a value at an edge into the next bin.
            assert np.abs(found - expected).sum() <= 0.01 * values.size


def test_convolutions_are_recorded_by_channel(examples):
    layers = [keras.Input((12, 12, 3)), L.Conv2D(4, 3, name="conv"), L.BatchNormalization()]
    made = keras.Sequential([*layers, L.ReLU(), L.Flatten(), L.Dense(3, name="dense")])
    made.layers[1].beta.assign([-100.0, 0.0, 0.0, 0.0])
    compile_model(made, TRAINING, 40)
    recorder = LayerRecorder()
    Engine(made).fit(examples(40), TRAINING, seed=0, callbacks=[recorder])
    assert recorder.statistics.layers == ("conv", "dense")
    np.testing.assert_array_equal(recorder.statistics["dead_units"], [[0.25, np.nan]] * 2)


def test_rows_and_csv(tmp_path, examples):
    recorder = LayerRecorder()
    Engine(model()).fit(examples(40, SHAPE), TRAINING, seed=0, callbacks=[recorder])
    rows = list(recorder.rows())
    assert len(rows) == 2 * 3 * len(QUANTITIES)
    assert rows[0][:3] == (0, "one", "gradient_norm")
    recorder.write_csv(tmp_path / "layers.csv")
    with open(tmp_path / "layers.csv", encoding="utf-8") as file:
        written = list(csv.reader(file))
    assert written[0] == ["epoch", "layer", "quantity", "value"]
    assert [float(row[3]) for row in written[1:]] == pytest.approx(
        [row[3] for row in rows], nan_ok=True
    )


def test_its_state_goes_into_checkpoints(examples):
    recorder, made = LayerRecorder(histogram_epochs=[0, 1]), model()
    Engine(made).fit(examples(40, SHAPE), TRAINING, seed=0, callbacks=[recorder])
    arrays, kept = state.take(made, [recorder])
    other = LayerRecorder(histogram_epochs=[0, 1])
    other.set_model(made)
    other.on_train_begin()
    state.put(made, [other], arrays, kept)
    np.testing.assert_array_equal(other.statistics.epochs, recorder.statistics.epochs)
    assert list(other.statistics.histograms) == [0, 1]
    assert int(other._sums.steps) == 3
    other.on_train_end()


def test_what_cannot_be_recorded_is_said():
    with pytest.raises(ValueError, match=r"one, two, three\. Received: \['four'\]"):
        model().fit(
            np.zeros((4, *SHAPE)), np.zeros(4), verbose=0, callbacks=[LayerRecorder(["four"])]
        )
    bare = keras.Sequential([keras.Input((3,)), L.BatchNormalization()])
    bare.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no layer with a trainable kernel"):
        bare.fit(np.zeros((4, 3)), np.zeros((4, 3)), verbose=0, callbacks=[LayerRecorder()])


def test_another_backend_is_refused(run_python):
    pytest.importorskip("jax")
    program = (
        "import keras, numpy as np\n"
        "from kerasdl.training.recorder import LayerRecorder\n"
        "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])\n"
        "model.compile('sgd', 'mse')\n"
        "try:\n    model.fit(np.zeros((4, 3)), np.zeros((4, 3)), callbacks=[LayerRecorder()])\n"
        "except ValueError as error:\n    print(error)"
    )
    done = run_python("-c", program, KERAS_BACKEND="jax")
    assert "needs Keras on TensorFlow. Received: jax" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("layer", "sides"),
    [
        (L.Dense(2, activation="tanh"), (-0.98, 0.98)),
        (L.Activation("sigmoid"), (0.01, 0.99)),
        (L.ReLU(max_value=6.0), (0.0, 6.0)),
        (L.LeakyReLU(), (0.0, np.inf)),
        (L.ELU(alpha=0.5), (-0.48, np.inf)),
        (L.Dense(2), None),
        (L.Dense(2, activation="gelu"), None),
    ],
)
def test_flat_sides(layer, sides):
    assert flat_sides(layer) == (sides if sides is None else pytest.approx(sides))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "selu", "softplus", "softsign"])
def test_at_a_flat_side_the_derivative_is_four_percent_of_its_maximum(name):
    import tensorflow as tf

    x = tf.Variable(np.linspace(-8, 8, 4001, dtype=np.float32))
    with tf.GradientTape() as tape:
        y = keras.activations.get(name)(x)
    slope, y = tape.gradient(y, x).numpy(), y.numpy()
    low, high = flat_sides(L.Activation(name))
    flat = (y <= low) | (y >= high)
    assert flat.any()
    # ELU and SELU jump at 0, where SELU has its largest slope, from the left.
    share = slope / (slope[x.numpy() > 0].max() if name != "selu" else slope.max())
    assert share[flat].max() == pytest.approx(0.04, abs=0.002)
    assert share[~flat].min() >= 0.039
