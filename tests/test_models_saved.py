"""What is saved is an ordinary Keras model: plain Keras loads it, and it says the same."""

import json
import subprocess
import sys
import zipfile
from functools import partial

import keras
import numpy as np
import pytest
from patience import PATIENCE

from kerasdl.models import bases, registry, saved, transfer
from kerasdl.models.old_files import ClassNames
from kerasdl.models.ordinary import ordinary
from kerasdl.models.whitening import adapt

NETWORKS = [name for name in registry.names() if name != "transfer"]
SMALL = ["lenet5", "smallnet", "mlp", "mlp1", "cnn", "shufflenet_v2"]
OURS = [("mlp", {"grayscale": True, "normalize": "standard", "resize": 12, "batch_norm": True})]

LOADING = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "kerasdl":
            raise ModuleNotFoundError("kerasdl is refused here")

sys.meta_path.insert(0, Refused())
import keras, numpy as np
found = {}
for path in sys.argv[2:]:
    model = keras.models.load_model(path)
    images = np.load(path + ".npy")
    found[os.path.basename(path)] = np.asarray(model(images, training=False))
    if path == sys.argv[2]:  # as people do: saved and loaded once more
        model.save(path + ".again.keras")
        again = keras.models.load_model(path + ".again.keras")
        assert np.allclose(again(images, training=False), found[os.path.basename(path)])
    keras.backend.clear_session()
assert not any(name.partition(".")[0] == "kerasdl" for name in sys.modules)
np.savez(sys.argv[1], **found)
"""


def in_plain_keras(folder, models):
    """Checks what saved models say in a process that cannot import this package, and here.

    Args:
        folder: For the files.
        models: By name what makes a model and images for it: one at a time is in memory.
    """
    expected = {}
    for name, make in models.items():
        model, images = make()
        path = folder / f"{name}.keras"
        names = [f"class {number}" for number in range(model.output_shape[-1])]
        saved.save(model, path, names)
        np.save(f"{path}.npy", images)
        expected[path.name] = keras.ops.convert_to_numpy(model(images, training=False))
        weights = sum(value.nbytes for value in model.get_weights())
        tensors = len(model.weights) + len(model.layers)
        assert path.stat().st_size < weights + 30_000 + 8_000 * tensors, name
        assert saved.class_names(path) == tuple(names)
        assert not json.loads(zipfile.ZipFile(path).read("config.json")).get("compile_config")
        if not expected.keys() - {path.name}:
            here = saved.load(path)
            assert_says(here(images, training=False), expected[path.name], name)
        keras.backend.clear_session()
    paths = [str(folder / name) for name in expected]
    done = subprocess.run(
        [sys.executable, "-c", LOADING, str(folder / "found.npz"), *paths],
        capture_output=True, text=True, timeout=PATIENCE, cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(np.load(folder / "found.npz"))
    assert found.keys() == expected.keys()
    for name, answer in found.items():
        assert_says(answer, expected[name], name)


def assert_says(one, other, name):
    one, other = (keras.ops.convert_to_numpy(each) for each in (one, other))
    scale = max(1.0, float(np.abs(other).max()))
    np.testing.assert_allclose(one / scale, other / scale, atol=2e-5, err_msg=name)


def pixels(shape, n=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def network(name, **settings):
    shape = (32, 32, 3)
    listed = dict(registry.get(name).listed)
    model = registry.build(name, shape, 4, **{**listed, **settings})
    adapt(model, pixels(shape, 40))
    return model, pixels(shape)


def base(name, tmp_path):
    """A frozen base with weights from a file, as from keras.applications, cut in the middle."""
    known = bases.get(name)
    from kerasdl.models.base_model import base_model

    side = known.minimum
    path = tmp_path / f"{name}.weights.h5"
    base_model(known, (side, side, 3)).save_weights(path)
    model = transfer.transfer((side, side, 3), 3, base=name, weights=str(path))
    path.unlink()
    return model, pixels((side, side, 3), 2)


def test_plain_keras_loads_the_small_networks(tmp_path):
    models = {name: partial(network, name) for name in SMALL if name in NETWORKS}
    models |= {f"{name} changed": partial(network, name, **settings) for name, settings in OURS}
    models["base"] = partial(base, "mobilenet_0.25", tmp_path)
    in_plain_keras(tmp_path, models)


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_plain_keras_loads_every_network_and_base(half, tmp_path):
    models = {name: partial(network, name) for name in NETWORKS if name not in SMALL}
    models |= {f"base {name}": partial(base, name, tmp_path) for name in bases.names()}
    in_plain_keras(tmp_path, dict(list(models.items())[half::2]))


def test_what_was_trained_goes_on_as_it_was(tmp_path):
    model, images = network("smallnet")
    before = keras.ops.convert_to_numpy(model(images))
    made = ordinary(model)
    assert [layer.name for layer in made.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(images)), before)
    trainable = {weight.path.rpartition("/")[2]: weight.shape for weight in model.trainable_weights}
    assert trainable == {w.path.rpartition("/")[2]: w.shape for w in made.trainable_weights}


def test_a_person_s_own_layers_stay(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Twice(keras.layers.Layer):
        def call(self, inputs):
            return 2.0 * inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    model = keras.Sequential([keras.Input((4, 4, 1)), Twice(), keras.layers.Flatten()])
    assert ordinary(model) is model
    saved.save(model, tmp_path / "m.keras", [str(number) for number in range(16)])
    assert type(saved.load(tmp_path / "m.keras").layers[0]) is Twice


def test_files_of_earlier_versions_still_load(tmp_path):
    model, images = network("smallnet")
    named = keras.Model(model.inputs[0], ClassNames(list("abcd"), name="class_names")(model.output))
    named.save(tmp_path / "old.keras")
    again = saved.load(tmp_path / "old.keras")
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(one(images)) for one in (model, again))
    )
    assert saved.class_names(tmp_path / "old.keras") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"class_names": [1]}', '{"class_names": "ab"}', ""])
def test_names_that_are_none_are_refused(text, tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr(saved.OURS, text)
    with pytest.raises(ValueError, match=r"kerasdl\.json"):
        saved.class_names(tmp_path / "m.keras")
