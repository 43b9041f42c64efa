"""A person's own models: found, named, told apart, and made trainable without another answer."""

import sys

import keras
import numpy as np
import pytest

from kerasdl.models import own, registry
from kerasdl.models.adopted import adopt, rescales

SHAPE = (8, 8, 1)
SOURCE = """
import keras

def build(input_shape, num_classes, width=4):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(),
                             keras.layers.Dense(width), keras.layers.Dense(num_classes)])

def lenet5(input_shape, num_classes):
    return build(input_shape, num_classes)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_of_tests.py").write_text(SOURCE)
    yield "mine_of_tests.py"
    sys.modules.pop("mine_of_tests", None)


def test_a_function_in_a_file_is_a_network_of_the_registry(mine):
    network = registry.get(f"{mine}:build")
    assert network.setting_names() == ("width",)
    model = registry.build(network.name, SHAPE, 3, width=7)
    assert model.output_shape == (None, 3)
    assert model.layers[1].units == 7
    with pytest.raises(ValueError, match="setting of"):
        registry.build(network.name, SHAPE, 3, depth=2)


def test_a_changed_file_is_another_model(mine, tmp_path):
    name = registry.get(f"{mine}:build").name
    assert registry.get(name).name == name
    sys.modules.pop("mine_of_tests")
    (tmp_path / mine).write_text(SOURCE.replace("width=4", "width=5"))
    with pytest.raises(ValueError, match="was changed"):
        registry.get(name)


def test_names_are_the_functions_and_never_those_of_ours(mine):
    given = [f"{mine}:build", "mlp1", f"{mine}:lenet5"]
    names, networks = own.with_names(given, {}, registry.names())
    assert names == ["build", "mlp1", "own_lenet5"]
    assert networks["build"].startswith(f"{mine}:build#")
    closures = [own.give(lambda shape, classes, width=width: None) for width in (1, 2)]
    assert len(set(closures)) == 2
    assert own.with_names(closures, {}, ())[0] == ["model", "model-2"]


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("none.py:build", FileNotFoundError, "no such file"),
        ("no_such_module:build", ValueError, "can be imported"),
        ("mine_of_tests.py:biuld", ValueError, "It has: build, lenet5"),
        ("mine_of_tests.py:keras", ValueError, "a function"),
    ],
)
def test_what_is_not_there_is_said(mine, place, error, message):
    with pytest.raises(error, match=message):
        registry.get(place)


def test_a_file_that_fails_is_said(mine, tmp_path):
    (tmp_path / "broken_of_tests.py").write_text("import no_such_thing_at_all")
    with pytest.raises(ValueError, match="cannot be imported: ModuleNotFoundError"):
        registry.get("broken_of_tests.py:build")
    assert "broken_of_tests" not in sys.modules


def images():
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype(np.float32)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def functional(*end):
    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    for layer in end:
        x = layer(x)
    return keras.Model(inputs, x)


class Unregistered(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(3)

    def call(self, inputs):
        return keras.ops.softmax(self.dense(self.flatten(inputs)) / 255)


def sequential(*end, shape=SHAPE):
    first = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential([*([keras.Input(shape)] if shape else []), *first, *end])


@keras.saving.register_keras_serializable("tests")
class Subclassed(Unregistered):
    pass


DENSE = keras.layers.Dense
SOFTMAX = {
    "activation": lambda: functional(DENSE(3, activation="softmax")),
    "layer": lambda: functional(DENSE(3), keras.layers.Softmax()),
    "activation layer": lambda: functional(DENSE(3), keras.layers.Activation("softmax")),
    "sequential": lambda: sequential(DENSE(3, activation="softmax")),
    "sequential, layer": lambda: sequential(DENSE(3), keras.layers.Softmax()),
    "no Input": lambda: sequential(DENSE(3, activation="softmax"), shape=None),
    "no Input, layer": lambda: sequential(DENSE(3), keras.layers.Softmax(), shape=None),
    "open sizes": lambda: keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            DENSE(3, activation="softmax"),
        ]
    ),
}


@pytest.mark.parametrize("kind", SOFTMAX)
def test_a_softmax_is_taken_off_and_no_answer_changes(kind):
    keras.utils.set_random_seed(0)
    model = SOFTMAX[kind]()
    before = np.asarray(model(images()))
    found = adopt(model, SHAPE, 3, "mine.py:build")
    assert found.probabilities == "softmax"
    logits = np.asarray(found.model(images()))
    assert not np.allclose(logits.sum(axis=1), 1.0)
    np.testing.assert_allclose(softmax(logits), before, rtol=1e-5)


def test_logits_stay_as_they_are():
    model = functional(DENSE(3))
    found = adopt(model, SHAPE, 3, "mine.py:build")
    assert found.model is model
    assert not found.probabilities


@pytest.mark.parametrize("build", [functional, sequential])
def test_one_sigmoid_is_two_classes(build):
    model = build(DENSE(1, activation="sigmoid"))
    of_second = np.asarray(model(images()))[:, 0]
    found = adopt(model, SHAPE, 2, "mine.py:build")
    assert found.model.output_shape == (None, 2)
    np.testing.assert_allclose(softmax(np.asarray(found.model(images())))[:, 1], of_second, 1e-5)


def test_what_it_was_compiled_with_is_kept():
    model = functional(DENSE(3, activation="softmax"))
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    model.compile(keras.optimizers.Lion(3e-4), loss)
    found = adopt(model, SHAPE, 3, "mine.py:build")
    assert found.optimizer is model.optimizer
    assert found.smoothing == pytest.approx(0.2)


def compiled(loss):
    model = functional(DENSE(3, activation="softmax"))
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: 3, "must return a keras.Model"),
        (lambda: functional(DENSE(4)), "must give 3 scores"),
        (lambda: sequential(DENSE(3), shape=(9, 9, 1)), "must take images"),
        (lambda: keras.Sequential([keras.Input((64,)), DENSE(3)]), "must take images"),
        (lambda: functional(DENSE(3, activation="sigmoid")), "exclude each other"),
        (lambda: compiled("mse"), "cross-entropy"),
        (lambda: sequential(DENSE(3), keras.layers.Conv2D(2, 3), shape=None), "cannot be computed"),
    ],
)
def test_what_cannot_be_trained_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        adopt(model(), SHAPE, 3, "mine.py:build")


def test_a_model_that_is_a_class_is_wrapped_and_its_probabilities_noticed():
    model = Subclassed()
    before = np.asarray(model(images()))
    found = adopt(model, SHAPE, 3, "mine.py:build")
    assert found.model.output_shape == (None, 3)
    assert found.probabilities == "softmax"
    np.testing.assert_allclose(softmax(np.asarray(found.model(images()))), before, rtol=1e-5)
    with pytest.raises(ValueError, match="register_keras_serializable"):
        adopt(Unregistered(), SHAPE, 3, "mine.py:build")


def test_missing_scaling_is_noticed():
    assert rescales(functional(DENSE(3)))
    assert not rescales(keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), DENSE(3)]))
