"""Every optimizer by its name is Keras's own: alone, at rates of its variables, and packed."""

import typing

import keras
import numpy as np
import pytest

from kerasdl.training.checkpoint import CheckpointStore
from kerasdl.training.compiling import OPTIMIZERS, compile_model, make_optimizer
from kerasdl.training.engine import Engine
from kerasdl.training.packed import Packed, packable
from kerasdl.training.packed.rules import ELEMENTWISE
from kerasdl.training.settings import OptimizerName, Training
from kerasdl.tuning.training_jobs import Rows

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
STEPS = 4
# One step an epoch on all examples: their order does not matter.
TRAINING = Training(epochs=STEPS, batch_size=24, schedule="constant")
WHOLE = ("lamb", "adafactor", "muon")
"""Those that look at a weight as a whole."""


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


def rows(dtype="float32"):
    labels = (np.arange(24) % 3).astype(np.int32)
    values = np.random.default_rng(0).normal(size=(24, 6)) + 2.0 * (np.arange(6) == labels[:, None])
    return Rows(values.astype(dtype), labels)


def network(width=5, seed=0):
    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Dense(width, activation="tanh")
    return keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(3)])


def optimizer_of(name, rate, **options):
    """Keras's own, whatever kerasdl makes of the name."""
    (kind,) = [one for one in vars(keras.optimizers) if one.lower() == name and one[0].isupper()]
    return getattr(keras.optimizers, kind)(rate, **options)


def test_there_is_a_class_for_every_name():
    assert tuple(OPTIMIZERS) == typing.get_args(OptimizerName)
    assert all(kind.__name__.lower() == name for name, kind in OPTIMIZERS.items())


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_training_by_name_is_keras_own(name, decay):
    training = Training(
        epochs=STEPS,
        batch_size=24,
        schedule="constant",
        optimizer=name,
        learning_rate=0.02,
        weight_decay=decay,
    )
    ours, theirs = network(), network()
    compile_model(ours, training, 24)
    Engine(ours).fit(rows(), training, seed=0)
    options = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    if name == "muon":
        options["adam_weight_decay"] = decay
    expected = optimizer_of(name, 0.02, weight_decay=decay, **options)
    expected.exclude_from_weight_decay(var_names=["bias"])
    # Built here: inside `fit` Keras 3.15 begins ScheduleFreeAdamW's own weights at 0.
    expected.build(theirs.trainable_variables)
    theirs.compile(expected, LOSS, jit_compile=False)
    theirs.fit(*rows()[:2], batch_size=24, epochs=STEPS, verbose=0)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert not np.allclose(ours.get_weights()[0], network().get_weights()[0], atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_variable_can_have_a_rate_of_its_own(name):
    settings = {"optimizer": name, "schedule": "constant", "weight_decay": 0.1}
    scales, results = (0.5, 0.5, 1.0, 1.0), []
    for rate, own in ((0.1, scales), (0.05, ()), (0.1, ())):
        model = network()
        optimizer = make_optimizer(Training(**settings, learning_rate=rate), 10, own)
        optimizer.build(model.trainable_variables)
        for step in range(3):
            gradients = [
                keras.random.normal(variable.shape, seed=10 * step + number)
                for number, variable in enumerate(model.trainable_variables)
            ]
            optimizer.apply(gradients)
        results.append(model.get_weights())
    mixed, half, whole = results
    for one, other in zip(mixed, [*half[:2], *whole[2:]], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_that_was_killed_ends_with_the_bits_of_a_whole_one(name, tmp_path):
    training = Training(epochs=4, batch_size=8, optimizer=name, weight_decay=0.1, ema=0.9)

    def train(folder, kill=None):
        """Returns the weights, and the epochs that this start has made or begun."""
        begun = []

        def begin(epoch, logs):
            begun.append(epoch)
            if epoch == kill:
                raise KeyboardInterrupt

        model = network()
        compile_model(model, training, 24)
        options = {
            "callbacks": [keras.callbacks.LambdaCallback(on_epoch_begin=begin)],
            "checkpoints": CheckpointStore(folder, {"optimizer": name}, seconds=0),
        }
        Engine(model).fit(rows(), training, seed=0, **options)
        return model.get_weights(), begun

    expected, _ = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", kill=2)
    weights, begun = train(tmp_path / "killed")
    assert begun == [2, 3]
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)


OPTIONS = {
    "sgd": {"momentum": 0.9},
    "rmsprop": {"momentum": 0.8, "centered": True},
    "ftrl": {"l1_regularization_strength": 1e-3, "beta": 0.1},
}


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in WHOLE])
def test_packed_models_take_the_steps_of_keras(name, float64):
    """With rates of their own, a stop after two steps, and other company from then on."""

    # Keras rounds Adam's beta_2 and SGD's momentum to float32 here, the fused operations do not;
    # nine digits of those, against the engine, are in test_training_packed.py.
    digits = 4 if OPTIMIZERS[name] not in ELEMENTWISE else 9
    tolerance = {"rtol": 10.0**-digits, "atol": 10.0 ** -max(digits, 6)}

    def models():
        made = [network(5), network(7, seed=1), network(5, seed=2)]
        for number, model in enumerate(made):
            options = {"weight_decay": 0.2, **OPTIONS.get(name, {})}
            optimizer = optimizer_of(name, 0.01 * (number + 1), **options)
            optimizer.build(model.trainable_variables)
            model.compile(optimizer, LOSS, jit_compile=False)
        return made

    examples = rows("float64")
    expected = models()
    for model in expected:
        model.fit(*examples, batch_size=24, epochs=STEPS, verbose=0)
    first = Packed(models(), [Training(epochs=2, batch_size=24)] * 3)
    first.fit(examples, seed=0)
    # All rates in one pack, but for the optimizer whose state is no factor of its rate.
    assert len(first._packs) == (3 if name == "ftrl" else 1)
    going = first.unpack(optimizers=True)
    assert {int(model.optimizer.iterations.numpy()) for model in going} == {2}
    second = Packed(going[2:0:-1], [TRAINING] * 2)
    second.fit(examples, seed=0, initial_epoch=2)
    for model, other in zip(second.unpack(), expected[2:0:-1], strict=True):
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(one, two, **tolerance)


@pytest.mark.parametrize("name", WHOLE)
def test_what_looks_at_a_whole_weight_has_no_packed_form(name):
    model = network()
    model.compile(optimizer_of(name, 0.01), LOSS)
    reason = packable(model)
    assert "no packed form: expected SGD, Adam, AdamW, RMSprop" in reason
    assert OPTIMIZERS[name].__name__ in reason


def test_the_lists_of_what_can_be_packed_are_complete():
    fused = {"sgd", "adam", "adamw"}
    elementwise = {name for name, kind in OPTIMIZERS.items() if kind in ELEMENTWISE}
    assert fused | elementwise | set(WHOLE) == set(OPTIMIZERS)
