import keras
import numpy as np
import pytest

from kerasdl.training.compiling import SmoothedCrossentropy, compile_model, make_optimizer
from kerasdl.training.schedules import WarmupDecay
from kerasdl.training.settings import Training


def rates(schedule, steps):
    return np.array([float(schedule(step)) for step in range(steps)])


@pytest.mark.parametrize("decay", ["cosine", "triangular"])
def test_the_rate_rises_to_the_peak_and_falls_to_zero(decay):
    values = rates(WarmupDecay(0.5, 100, 0.2, decay), 100)
    assert values.argmax() in (19, 20)
    assert values.max() == pytest.approx(0.5, rel=0.05)
    assert (np.diff(values[:19]) > 0).all()
    assert (np.diff(values[20:]) < 0).all()
    assert 0 < values[-1] < 0.01
    assert values[0] == pytest.approx(0.5 * 0.005 / 0.2)


def test_the_shapes_are_a_line_and_a_cosine():
    line, cosine = (rates(WarmupDecay(1.0, 1000, 0.0, d), 1000) for d in ("triangular", "cosine"))
    np.testing.assert_allclose(line[[249, 499]], [0.75, 0.5], atol=1e-3)
    np.testing.assert_allclose(cosine[[249, 499]], [(1 + 0.5**0.5) / 2, 0.5], atol=2e-3)


def test_after_the_last_step_the_rate_stays_zero():
    assert float(WarmupDecay(1.0, 10, 0.0, "cosine")(50)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "arguments", [(0, 10, 0.1, "cosine"), (1, 0, 0.1, "cosine"), (1, 10, 1.0, "cosine")]
)
def test_impossible_schedules_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        WarmupDecay(*arguments)


def test_a_schedule_survives_saving():
    schedule = WarmupDecay(0.5, 100, 0.2, "cosine")
    saved = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(saved)
    assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_smoothing_is_that_of_keras_on_one_hot_labels(smoothing):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(8, 5)).astype("float32")
    labels = generator.integers(0, 5, 8)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)(
        keras.ops.one_hot(labels, 5), logits
    )
    loss = SmoothedCrossentropy(smoothing)
    assert float(loss(labels, logits)) == pytest.approx(float(expected), rel=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.smoothing == smoothing


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_weight_decay_shrinks_kernels_only(name):
    training = Training(optimizer=name, weight_decay=0.5, learning_rate=0.1, schedule="constant")
    optimizer = make_optimizer(training, steps=10)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()]
    )
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    optimizer.build(model.trainable_variables)
    zeros = [keras.ops.zeros_like(variable) for variable in model.trainable_variables]
    optimizer.apply(zeros)
    for variable in model.trainable_variables:
        expected = 0.95 if "kernel" in variable.path else 1.0
        np.testing.assert_allclose(variable, expected, rtol=1e-5)


def test_no_weight_decay_is_none_also_for_adamw():
    assert not make_optimizer(Training(optimizer="adamw", weight_decay=0.0), 10).weight_decay


def test_the_schedule_ends_with_the_last_step():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    compile_model(model, Training(epochs=3, batch_size=16, schedule="cosine"), num_examples=50)
    assert model.optimizer._learning_rate.steps == 3 * 4
