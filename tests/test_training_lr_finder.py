"""The learning-rate range test: curves with a known answer, then a real small model."""

from pathlib import Path

import keras
import numpy as np
import pytest
from test_training_engine import make_model

from kerasdl.datasets.dataset import Examples
from kerasdl.training import lr_finder
from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import Engine
from kerasdl.training.lr_finder import Curve, ExponentialRamp, range_test, smooth, suggest
from kerasdl.training.order import epoch_order
from kerasdl.training.settings import Training

RATES = np.geomspace(1e-6, 100.0, 200)


def valley(steepest=1e-3, rise=0.3, noise=0.0, seed=0):
    """A loss that falls as a logistic function of log10(rate), fastest at `steepest`."""
    decades = np.log10(RATES)
    losses = 2.3 - 1.5 / (1.0 + np.exp(-(decades - np.log10(steepest)) / 0.4))
    losses += 5.0 * np.maximum(0.0, decades - np.log10(rise)) ** 2
    return Curve(RATES, losses + noise * np.random.default_rng(seed).normal(size=len(RATES)))


def test_the_ramp_multiplies_by_the_same_factor_and_ends_at_the_highest_rate():
    ramp = ExponentialRamp(1e-4, 1.0, 5)
    rates = [float(ramp(step)) for step in range(7)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1.0, 1.0, 1.0], rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ramp))
    assert again.get_config() == ramp.get_config()


@pytest.mark.parametrize("wrong", [(0.0, 1.0, 5), (1.0, 0.1, 5), (0.1, 1.0, 1)])
def test_a_ramp_that_does_not_rise_is_refused(wrong):
    with pytest.raises(ValueError, match="lowest < highest"):
        ExponentialRamp(*wrong)


def test_smoothing_shifts_nothing_sideways():
    line = np.linspace(3.0, 1.0, 60)
    np.testing.assert_allclose(smooth(line)[15:-15], line[15:-15], atol=1e-4)
    peak = np.zeros(61)
    peak[30] = 1.0
    assert smooth(peak).argmax() == 30
    np.testing.assert_allclose(smooth(peak)[:30], smooth(peak)[:30:-1])


@pytest.mark.parametrize("steepest", [1e-4, 1e-2])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_it_finds_the_steepest_descent_and_the_minimum(steepest, noise):
    found = suggest(valley(steepest, noise=noise))
    assert abs(np.log10(found.steepest / steepest)) < (0.3 if noise else 0.04)
    assert found.bounded
    assert found.tenth == found.minimum / 10
    # The valley's floor is flat on one side, and smoothing moves its lowest point there.
    lowest = RATES[valley(steepest).losses.argmin()]
    assert 0.3 * lowest < found.minimum < 1.1 * lowest


def test_a_loss_that_never_rises_has_no_bound():
    assert not suggest(valley(1.0, rise=1e9)).bounded


def test_a_loss_that_does_not_fall_gives_no_suggestion():
    noise = np.random.default_rng(0).normal(2.3, 0.1, 200)
    assert suggest(Curve(RATES, noise)) is None
    assert suggest(Curve(RATES, np.linspace(1.0, 4.0, 200))) is None


class Untouched(keras.callbacks.Callback):
    """Records what the engine itself says of each step."""

    def __init__(self):
        super().__init__()
        self.steps, self.rates = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.steps.append(batch)
        self.rates.append(float(self.model.optimizer.learning_rate))


def test_each_step_has_its_own_rate_and_loss(examples, monkeypatch):
    monkeypatch.setattr(lr_finder, "STEPS", 30)
    monkeypatch.setattr(lr_finder.RangeTest.__init__, "__defaults__", (30, 1e-9, 1e-8))
    train, training = examples(50), Training(epochs=1, batch_size=16, minimum_images=9999)
    spy, model = Untouched(), make_model(training, 50)
    weights = model.get_weights()
    curve = range_test(model, None, train, training, seed=0, callbacks=[spy])
    # 16 + 16 + 16 + 2 images an epoch, a call for every step.
    assert spy.steps == [0, 1, 2, 3] * 7 + [0, 1]
    np.testing.assert_allclose(spy.rates, curve.rates, rtol=1e-5)
    # At these rates nothing is learnt: the losses are those of the initial weights.
    model.set_weights(weights)
    batch = epoch_order(50, 0, 1)[16:32]
    logits = model(train.images[batch])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(train.labels[batch], logits)
    assert curve.losses[5] == pytest.approx(float(loss), rel=1e-4)


@pytest.fixture
def hard(examples):
    """Examples of which no model learns more than six in ten by rule: wrong labels among them."""
    train, generator = examples(640), np.random.default_rng(0)
    wrong = generator.random(640) < 0.4
    labels = np.where(wrong, generator.integers(0, 3, 640), train.labels).astype(np.int32)
    return Examples(train.images, labels)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "triangular"])
def test_a_real_model_learns_best_near_the_suggestion(hard, optimizer, schedule):
    training = Training(epochs=4, batch_size=32, optimizer=optimizer, schedule=schedule)
    curve = range_test(make_model(training, 640), None, hard, training, seed=0)
    found = suggest(curve)
    assert found.bounded
    assert curve.smoothed[-1] > curve.smoothed.min()

    def loss_after_training(rate):
        model = make_model()
        compile_model(model, Training(optimizer=optimizer, learning_rate=rate), 640)
        try:
            plain = Training(epochs=2, batch_size=32)
            return Engine(model).fit(hard, plain, seed=1).history["loss"][-1]
        except FloatingPointError:
            return np.inf

    good = loss_after_training(found.steepest)
    assert good < loss_after_training(found.steepest / 100)
    assert good < loss_after_training(found.minimum * 30)


def test_the_test_stops_when_the_loss_runs_away(hard):
    training = Training(epochs=1, batch_size=32, optimizer="sgd")
    curve = range_test(make_model(training, 640), None, hard, training, seed=0)
    assert 20 < len(curve.losses) < lr_finder.STEPS
    assert np.isfinite(curve.losses).all()
    smoothed = smooth(curve.losses)
    assert smoothed[-2] < lr_finder.DIVERGED * smoothed.min()


def test_a_loss_that_is_never_finite_is_an_error(examples):
    training = Training(epochs=1, batch_size=16)
    model = make_model(training, 50)
    model.layers[-1].kernel.assign(model.layers[-1].kernel * np.nan)
    with pytest.raises(FloatingPointError, match="the loss of"):
        range_test(model, None, examples(50), training, seed=0)


def test_on_jax_each_step_has_its_own_loss_too(run_python, tmp_path):
    pytest.importorskip("jax", reason="JAX is not installed")
    program = """
from test_training_engine import make_model
import numpy as np
from kerasdl.datasets.dataset import Examples
from kerasdl.training import lr_finder
from kerasdl.training.lr_finder import range_test
from kerasdl.training.settings import Training
lr_finder.RangeTest.__init__.__defaults__ = (9, 1e-9, 1e-8)
images = np.random.default_rng(0).integers(0, 255, (64, 12, 12, 3), dtype=np.uint8)
train = Examples(images, (np.arange(64) % 3).astype(np.int32))
model = make_model(Training(batch_size=16), 64)
print(*range_test(model, None, train, Training(batch_size=16), seed=0).losses)
print(float(model.optimizer.learning_rate))
"""
    done = run_python("-c", program, KERAS_BACKEND="jax", PYTHONPATH=Path(__file__).parent)
    losses, rate = done.stdout.splitlines()[-2:]
    losses = np.array(losses.split(), float)
    # Two epochs of four steps and a ninth step, at rates that change nothing: the mean over
    # an epoch is the mean over the images, whatever their order.
    assert len(losses) == 9
    assert losses[:4].mean() == pytest.approx(losses[4:8].mean(), rel=1e-4)
    assert losses[:4].std() > 1e-3
    assert float(rate) == pytest.approx(1e-8, rel=0.3)
