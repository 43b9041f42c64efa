"""The engine against Keras's own train_step and fit, and the promises of its docstrings."""

import json
import textwrap

import keras
import numpy as np
import pytest

from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import Engine
from kerasdl.training.order import epoch_order
from kerasdl.training.settings import Training

SETTINGS = Training(epochs=2, batch_size=16, optimizer="adam", learning_rate=3e-3)


def make_model(training=SETTINGS, num_examples=50, norm=False, dropout=0.0, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((12, 12, 3)), keras.layers.Rescaling(1 / 255)]
    if norm:
        layers += [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(8, activation="tanh")]
    if dropout:
        layers.append(keras.layers.Dropout(dropout))
    model = keras.Sequential([*layers, keras.layers.Dense(3)])
    compile_model(model, training, num_examples)
    return model


def trained(examples, training=SETTINGS, seed=0, callbacks=(), validation=None, **model):
    network = make_model(training, len(examples), **model)
    engine = Engine(network)
    history = engine.fit(examples, training, seed=seed, callbacks=callbacks, validation=validation)
    return network, engine, history


def assert_same(one, other, **tolerance):
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, **tolerance)


def test_the_weights_are_those_of_fit_on_the_same_order(examples):
    train = examples(50)  # 16 + 16 + 16 + 2: the last batch is a partial one
    network, _, history = trained(train)
    reference = make_model()
    logs = []
    for epoch in range(2):
        order = epoch_order(50, 0, epoch)
        fitted = reference.fit(
            train.images[order], train.labels[order], batch_size=16, shuffle=False, verbose=0
        )
        logs.append(fitted.history)
    assert_same(network, reference, rtol=1e-5, atol=1e-6)
    assert history.history["loss"] == pytest.approx([log["loss"][0] for log in logs], rel=1e-5)
    assert history.history["accuracy"] == pytest.approx([log["accuracy"][0] for log in logs])


def test_the_same_recipe_gives_the_same_bits_and_another_seed_others(examples):
    training = Training(epochs=2, batch_size=16, shift=2, rotation=10.0, cutout=4)
    one, _, history = trained(examples(50), training, dropout=0.5, norm=True)
    again, _, repeated = trained(examples(50), training, dropout=0.5, norm=True)
    assert_same(one, again, rtol=0, atol=0)
    assert history.history == repeated.history
    other, _, _ = trained(examples(50), training, dropout=0.5, norm=True, seed=1)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_it_learns(examples):
    training = Training(epochs=15, batch_size=16, learning_rate=1e-2, schedule="triangular")
    _, engine, history = trained(examples(90), training, norm=True)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert engine.evaluate(examples(60, seed=1))["accuracy"] > 0.9


def test_callbacks_and_history_are_those_of_fit(examples):
    class Spy(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def on_train_batch_end(self, batch, logs=None):
            self.calls.append((batch, sorted(logs)))

        def on_epoch_end(self, epoch, logs=None):
            self.calls.append((f"epoch {epoch}", sorted(logs)))

    spy = Spy()
    _, _, history = trained(examples(50), callbacks=[spy], validation=examples(20, seed=1))
    names = ["accuracy", "loss"]
    assert (3, names) in spy.calls  # the last step of an epoch, whatever the stretches
    assert ("epoch 1", [*names, "val_accuracy", "val_loss"]) in spy.calls
    assert sorted(history.history) == [*names, "val_accuracy", "val_loss"]
    assert history.epoch == [0, 1]


def test_many_trainings_warn_of_no_retracing(examples, monkeypatch):
    from tensorflow.python.eager.polymorphic_function import polymorphic_function

    told = []
    monkeypatch.setattr(polymorphic_function.logging, "warning", lambda *a: told.append(a))
    data, once = examples(8), Training(epochs=1, batch_size=8)
    for seed in range(6):  # of five, TensorFlow says nothing yet
        trained(data, once, seed, validation=data)
    assert told == []


class Lazy(keras.metrics.Metric):
    """Makes its variable when it first sees numbers, as F1Score does."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not self.variables:
            self.seen = self.add_weight(name="seen", initializer="zeros")
        self.seen.assign_add(keras.ops.cast(keras.ops.shape(y_pred)[0], "float32"))

    def result(self):
        return self.seen + 0.0


class Doubled(keras.Sequential):
    """Computes its loss in a way of its own."""

    def compute_loss(self, *args, **kwargs):
        return 2.0 * super().compute_loss(*args, **kwargs)


def test_metrics_that_make_their_variables_late_and_losses_of_ones_own_are_built(examples):
    network = make_model()
    network.compile("sgd", network.loss, metrics=["accuracy", Lazy(name="lazy")])
    history = Engine(network).fit(examples(50), SETTINGS, seed=0)
    assert history.history["lazy"] == [50.0, 50.0]
    doubled = Doubled(make_model().layers)
    compile_model(doubled, SETTINGS, 50)
    plain = Engine(make_model()).fit(examples(50), SETTINGS, seed=0)
    history = Engine(doubled).fit(examples(50), SETTINGS, seed=0)
    assert history.history["loss"][0] == pytest.approx(2 * plain.history["loss"][0], rel=0.05)


def test_early_stopping_stops(examples):
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=1e9)
    _, _, history = trained(examples(32), Training(epochs=10, batch_size=16), callbacks=[stop])
    assert len(history.epoch) == 2


def test_validation_is_the_cross_entropy_without_smoothing(examples):
    training = Training(epochs=1, batch_size=16, label_smoothing=0.3)
    held_out = examples(20, seed=1)
    network, _, history = trained(examples(50), training, validation=held_out)
    logits = network.predict(held_out.images, verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(held_out.labels, logits)
    assert history.history["val_loss"][0] == pytest.approx(float(loss), rel=1e-5)


def test_predict_does_not_depend_on_the_batch_size(examples):
    network, engine, _ = trained(examples(50), norm=True)
    images = examples(33).images
    whole = engine.predict(images)
    assert whole.shape == (33, 3)
    np.testing.assert_allclose(engine.predict(images, batch_size=7), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.predict(images, verbose=0), whole, rtol=1e-5, atol=1e-6)
    assert engine.predict(images[:0]).shape == (0, 3)


def test_a_diverging_loss_stops_with_a_clear_error(examples):
    training = Training(
        epochs=5, batch_size=16, optimizer="sgd", learning_rate=3e38, schedule="constant"
    )
    with pytest.raises(FloatingPointError, match=r"became (nan|inf) in epoch \d.*--learning-rate"):
        trained(examples(50), training)


def test_weights_that_diverge_in_the_last_step_are_seen(examples):
    class LastStep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                self.model.trainable_variables[0].assign_add(
                    np.full(self.model.trainable_variables[0].shape, np.inf)
                )

    with pytest.raises(FloatingPointError, match=r"weights of .* became nan or infinite in epoch"):
        trained(examples(50), callbacks=[LastStep()], validation=examples(20))


def test_no_examples_are_refused(examples):
    with pytest.raises(ValueError, match="Received: 0"):
        Engine(make_model()).fit(examples(0), SETTINGS, seed=0)


def test_a_batch_larger_than_the_set_is_the_whole_set(examples):
    large, _, _ = trained(examples(20), Training(epochs=2, batch_size=1000))
    whole, _, _ = trained(examples(20), Training(epochs=2, batch_size=20))
    assert_same(large, whole, rtol=0, atol=0)


def test_minimum_images_raises_the_epochs_of_a_small_set_only():
    training = Training(epochs=3, minimum_images=1000)
    assert training.num_epochs(100) == 10
    assert training.num_epochs(150) == 7
    assert training.num_epochs(900) == 3


MIRRORED = """
    import json
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import keras
    from kerasdl.datasets.dataset import Examples
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.settings import Training
    from kerasdl.training.strategy import describe, make_strategy

    # 37 = 16 + 16 + 5: the last batch is partial and does not divide by two.
    # 33 = 16 + 16 + 1: one replica has nothing of it.
    cases = {"sgd": 37, "adamw": 33}

    def run(strategy, optimizer):
        n = cases[optimizer]
        training = Training(
            epochs=3, batch_size=16, optimizer=optimizer, learning_rate=0.01, weight_decay=0.1,
            label_smoothing=0.1, shift=2, rotation=5.0, cutout=3,
        )
        generator = np.random.default_rng(0)
        images = generator.integers(0, 255, (37, 12, 12, 3), dtype=np.uint8)
        train = Examples(images[:n], (np.arange(n) % 3).astype(np.int32))
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = keras.Sequential([
                keras.Input((12, 12, 3)), keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.Flatten(), keras.layers.Dense(3),
            ])
            compile_model(model, training, len(train))
        history = Engine(model, strategy).fit(train, training, seed=0)
        return model.get_weights(), history.history["loss"]

    mirrored = make_strategy("mirrored", devices=["CPU:0", "CPU:1"])
    for optimizer in cases:
        one, two = run(make_strategy("none"), optimizer), run(mirrored, optimizer)
        print(json.dumps({
            "name": describe(mirrored),
            "difference": max(float(np.abs(a - b).max()) for a, b in zip(one[0], two[0])),
            "losses": [one[1], two[1]],
        }))
"""


@pytest.fixture(scope="module")
def mirrored(run_python):
    """What one process with two devices computed: a result for each optimizer."""
    done = run_python("-c", textwrap.dedent(MIRRORED))
    assert done.returncode == 0, done.stderr
    return dict(zip(("sgd", "adamw"), map(json.loads, done.stdout.splitlines()[-2:]), strict=True))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_two_mirrored_devices_give_the_weights_of_one(mirrored, optimizer):
    result = mirrored[optimizer]
    assert result["name"] == "mirrored x 2"
    assert result["difference"] < 1e-5
    assert result["losses"][0] == pytest.approx(result["losses"][1], rel=1e-5)


def test_mirrored_without_a_gpu_says_what_to_do():
    from kerasdl.training.strategy import make_strategy

    with pytest.raises(ValueError, match=r"needs at least one GPU.*--strategy none"):
        make_strategy("mirrored")
