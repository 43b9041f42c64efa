"""A model with a person's own classes: its file is imported, where that is needed and safe."""

import keras
import pytest

from kerasdl.models import costs, own
from kerasdl.studies import own_classes

SOURCE = """
import keras


@keras.saving.register_keras_serializable("their_own")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def build(input_shape, num_classes):
    return keras.Sequential(
        [keras.Input(input_shape), Twice(), keras.layers.Flatten(), keras.layers.Dense(num_classes)]
    )
"""


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A run folder with such a model, in a process that does not know its classes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)
    builder = own.look_up("mine.py:build")
    file = tmp_path / "run" / "models" / "build-seed0.keras"
    file.parent.mkdir(parents=True)
    model = builder((4, 4, 1), 3)
    assert costs.known_multiply_accumulates(model) is not None
    model.save(file)
    known = keras.saving.get_custom_objects()
    before = dict(known)
    for name in [name for name in known if name.startswith("their_own>")]:
        del known[name]
    own._FILES.clear()
    yield file
    known.clear()
    known.update(before)


def plan(place):
    return {"networks": {"build": f"{place}#0123456789ab"}}


def test_the_file_is_imported_for_its_classes(saved):
    said = []
    model = own_classes.load(saved, plan("mine.py:build"), "build", said.append)
    assert type(model.layers[0]).__name__ == "Twice"
    assert said == ["mine.py was imported for the classes of build"]
    assert own_classes.load(saved, {"build": "mine.py:build"}, "winner", said.append) is not None
    assert len(said) == 1  # known by then


def test_what_is_not_there_is_said_with_why_the_model_cannot_be_read(saved):
    with pytest.raises(
        ValueError, match=r"no Keras model that can be read.*gone\.py, no such file"
    ):
        own_classes.load(saved, plan("gone.py:build"), "build", print)
    with pytest.raises(ValueError, match="no Keras model that can be read"):
        own_classes.load(saved, {"networks": {}}, "build", print)
    with pytest.raises(ValueError, match="defined in a notebook"):
        own_classes.load(saved, plan("__main__:build"), "build", print)


def test_code_inside_a_run_folder_is_not_run(saved):
    (saved.parent.parent / "theirs.py").write_text("raise SystemExit('was run')\n")
    with pytest.raises(ValueError, match="inside the run folder"):
        own_classes.load(saved, plan("run/theirs.py:build"), "build", print)
