"""The engine through `Model.fit`: on TensorFlow beside the other one, on JAX in an app."""

import contextlib
import signal
import textwrap

import keras
import msgspec
import numpy as np
import pytest
from datasets_fakes import write_bands

from kerasdl import record
from kerasdl.datasets.dataset import Examples
from kerasdl.training import augment
from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import Engine
from kerasdl.training.fit_engine import FitEngine, make_engine
from kerasdl.training.interrupt import DeferredInterrupt
from kerasdl.training.settings import Training

# All that both engines share, and nothing random besides the order of the images.
SETTINGS = Training(
    epochs=3,
    batch_size=16,
    optimizer="sgd",
    learning_rate=0.02,
    weight_decay=0.01,
    label_smoothing=0.1,
    class_weight="balanced",
    ema=0.9,
)
AUGMENTED = Training(epochs=2, batch_size=16, shift=2, rotation=10.0, cutout=4, flip=True)


def make_model(training, num_examples, dropout=0.0):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((12, 12, 3)), keras.layers.Rescaling(1 / 255)]
    layers += [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()]
    layers += [keras.layers.Flatten(), keras.layers.Dropout(dropout), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    compile_model(model, training, num_examples)
    return model


def trained(examples, training, kind=FitEngine, seed=0, dropout=0.0, **arguments):
    model = make_model(training, len(examples), dropout)
    history = kind(model).fit(examples, training, seed=seed, **arguments)
    return model.get_weights(), history


def uneven(examples, n=50):
    """Examples with one class rarer than the others; the last batch of 16 is partial."""
    whole = examples(n + 10)
    kept = np.flatnonzero((whole.labels != 2) | (np.arange(n + 10) >= 30))[:n]
    return Examples(whole.images[kept], whole.labels[kept])


def test_weights_and_history_are_those_of_the_other_engine(examples):
    train, held_out = uneven(examples), examples(20, seed=1)
    fitted, history = trained(train, SETTINGS, validation=held_out)
    expected, reference = trained(train, SETTINGS, Engine, validation=held_out)
    for one, other in zip(fitted, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert sorted(history.history) == sorted(reference.history)
    for name, values in reference.history.items():
        assert history.history[name] == pytest.approx(values, rel=1e-4), name


def test_augmentation_is_a_function_of_the_seed(examples):
    train = examples(50)
    one, history = trained(train, AUGMENTED, dropout=0.5)
    again, repeated = trained(train, AUGMENTED, dropout=0.5)
    for left, right in zip(one, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert history.history == repeated.history
    other, _ = trained(train, AUGMENTED, dropout=0.5, seed=1)
    assert not np.array_equal(one[0], other[0])
    plain, _ = trained(train, Training(epochs=2, batch_size=16), dropout=0.5)
    assert not np.array_equal(one[0], plain[0])


def test_every_step_of_every_epoch_sees_images_of_its_own(examples):
    from kerasdl.training.fit_engine import _Batches

    train = examples(50)
    batches = _Batches(train, AUGMENTED, seed=0)
    first = [np.asarray(batches[index][0]) for index in range(len(batches))]
    assert [len(part) for part in first] == [16, 16, 16, 2]
    batches.start(1)
    assert not np.array_equal(np.asarray(batches[0][0]), first[0])
    batches.start(0)
    for index in (3, 0):  # in any order, as often as one likes
        np.testing.assert_array_equal(np.asarray(batches[index][0]), first[index])


def test_early_stopping_keeps_the_best_weights(examples):
    training = Training(
        epochs=9,
        batch_size=16,
        patience=1,
        optimizer="sgd",
        learning_rate=0.1,
        schedule="constant",
    )
    held_out = examples(20, seed=1)
    model = make_model(training, 50)
    engine = FitEngine(model)
    history = engine.fit(examples(50), training, seed=0, validation=held_out)
    losses = history.history["val_loss"]
    assert len(losses) < 9
    assert min(losses) < losses[-1]
    assert engine.evaluate(held_out)["loss"] == pytest.approx(min(losses), rel=1e-5)
    with pytest.raises(ValueError, match=r"patience 1 needs validation images"):
        engine.fit(examples(50), training, seed=0)


def test_a_callback_stops_in_the_middle_of_an_epoch(examples):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)
            self.model.stop_training = batch == 1

    steps = []
    _, history = trained(examples(50), Training(epochs=4, batch_size=16), callbacks=[Stop()])
    assert steps == [0, 1]
    assert history.epoch == [0]


def test_ctrl_c_is_not_lost_where_keras_catches_everything(examples):
    class Lose(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            steps.append(batch)
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    steps = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            trained(examples(50), Training(epochs=2, batch_size=16), callbacks=[Lose()])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert steps == [0]


def test_a_second_ctrl_c_interrupts_at_once():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with DeferredInterrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                interrupt.check()
            raise ZeroDivisionError  # what ends the block is not hidden
    except ZeroDivisionError:
        pass
    finally:
        signal.signal(signal.SIGINT, before)


def test_divergence_ends_with_a_clear_error(examples):
    training = Training(
        epochs=5, batch_size=16, optimizer="sgd", learning_rate=3e38, schedule="constant"
    )
    with pytest.raises(FloatingPointError, match=r"became (nan|inf) in epoch \d.*--learning-rate"):
        trained(examples(50), training)


def test_predictions_are_the_models_and_time_is_taken(examples):
    train = examples(50)
    model = make_model(AUGMENTED, 50)
    engine = FitEngine(model)
    engine.fit(train, AUGMENTED, seed=0, validation=train)
    assert engine.train_seconds > 0
    logits = engine.predict(train.images, batch_size=7)
    expected = keras.ops.convert_to_numpy(model(train.images, training=False))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    assert engine.predict(train.images[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match="Received: 0"):
        engine.fit(examples(0), AUGMENTED, seed=0)


def test_tensorflow_has_the_compiled_engine(examples):
    assert type(make_engine(make_model(SETTINGS, 50), None)) is Engine


MOVED = Training(shift=2, cutout=4, flip=True)

ON_JAX = """
    import sys
    import keras, msgspec, numpy as np
    from kerasdl.datasets.dataset import Examples
    from kerasdl.training import augment
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.fit_engine import FitEngine, make_engine
    from kerasdl.training.settings import Training
    from kerasdl.training.strategy import describe, make_strategy

    data = np.load("data.npz")
    train = Examples(data["images"], data["labels"])
    plain, moved, turned = (msgspec.json.decode(text, type=Training) for text in sys.argv[1:])

    def fitted(training):
        keras.utils.set_random_seed(0)
        model = keras.saving.load_model("initial.keras", compile=False)
        compile_model(model, training, len(train))
        engine = make_engine(model, None)
        assert type(engine) is FitEngine
        history = engine.fit(train, training, seed=0, validation=train)
        return {f"weight{i}": one for i, one in enumerate(model.get_weights())}, history.history

    one, again = fitted(turned)[0], fitted(turned)[0]
    assert all(np.array_equal(one[name], again[name]) for name in one)
    weights, history = fitted(plain)
    random = data["uniform"], data["mirrored"]
    np.savez(
        "found.npz",
        **weights,
        **history,
        moved=augment.augment(train.images, *random, moved),
        turned=augment.augment(train.images, *random, turned),
    )
    print(keras.backend.backend(), describe(make_strategy("auto")), "tensorflow" in sys.modules)
    make_strategy("mirrored")
"""


def test_jax_gives_the_weights_and_images_of_tensorflow(
    examples, run_python, without_module, tmp_path
):
    pytest.importorskip("jax")
    train = uneven(examples)
    generator = np.random.default_rng(0)
    uniform = generator.random((50, augment.NUM_RANDOM), np.float32)
    mirrored = generator.random(50) < 0.5
    np.savez(
        tmp_path / "data.npz",
        images=train.images, labels=train.labels, uniform=uniform, mirrored=mirrored,
    )  # fmt: skip
    make_model(SETTINGS, 50).save(tmp_path / "initial.keras", include_optimizer=False)
    done = run_python(
        "-c",
        textwrap.dedent(ON_JAX),
        *(msgspec.json.encode(each).decode() for each in (SETTINGS, MOVED, AUGMENTED)),
        cwd=tmp_path,
        KERAS_BACKEND="jax",
        PYTHONPATH=without_module("tensorflow"),
    )
    assert done.stdout == "jax none False\n", done.stderr
    # Several devices are TensorFlow's.
    assert "ValueError: --strategy mirrored needs Keras on TensorFlow" in done.stderr
    found = np.load(tmp_path / "found.npz")
    expected, history = trained(train, SETTINGS, Engine, validation=train)
    for i, weight in enumerate(expected):
        np.testing.assert_allclose(found[f"weight{i}"], weight, rtol=1e-3, atol=1e-4)
    for name, values in history.history.items():
        assert found[name] == pytest.approx(values, rel=1e-3), name
    moved, turned = (
        np.asarray(augment.augment(train.images, uniform, mirrored, training))
        for training in (MOVED, AUGMENTED)
    )
    np.testing.assert_array_equal(found["moved"], moved)
    # Rounding may fall to either side of a half.
    assert np.abs(found["turned"].astype(int) - turned).max() <= 1


def test_an_app_runs_on_jax_without_tensorflow(run_python, without_module, tmp_path):
    pytest.importorskip("jax")
    from kerasdl.datasets.load import load
    from kerasdl.evaluation.predictions import Predictions
    from kerasdl.models.saved import class_names

    out, images = tmp_path / "run", tmp_path / "images"
    write_bands(images, {"train": 40, "test": 10}, 32)
    arguments = ["-m", "kerasdl.apps.svhn", "--models", "lenet5", "--dataset", images]
    arguments += ["--epochs", "2", "--validation-fraction", "0.2"]
    hidden = without_module("tensorflow")
    done = run_python(*arguments, "--out", out, KERAS_BACKEND="jax", PYTHONPATH=hidden)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A training killed on this backend starts anew" in done.stdout
    result = record.read(out / "results.json")
    assert result.status == "complete"
    assert (result.environment.backend, result.environment.tensorflow) == ("jax", None)
    assert result.environment.jax
    assert sorted(result.runs[0].history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert f"| JAX | {result.environment.jax} |" in (out / "README.md").read_text()
    assert (out / "report.html").exists()
    # The file is Keras's: here, on TensorFlow, it says what it said there.
    path = out / "models" / "lenet5-seed0.keras"
    model = keras.saving.load_model(path)
    assert list(class_names(path)) == result.dataset.class_names
    stored = Predictions.load(out / "predictions.npz").get("lenet5", 0, {})
    scores = keras.ops.log_softmax(model.predict(load(str(images)).test.images, verbose=0))
    np.testing.assert_allclose(scores, stored, atol=1e-4)
