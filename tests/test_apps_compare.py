"""`kerasdl compare`: a person's own images and own model, from the command line to the export."""

import sys

import pytest
from datasets_fakes import write_bands

from kerasdl import cli, record
from kerasdl.export import runs
from kerasdl.models import saved

SOURCE = """
import keras

def build(input_shape, num_classes):
    model = keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(num_classes, activation="softmax"),
    ])
    model.compile(keras.optimizers.RMSprop(1e-3), "categorical_crossentropy")
    return model
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, without_figures):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_compared.py").write_text(SOURCE)
    write_bands(tmp_path / "photos", {"train": 30, "test": 10}, 12)
    yield tmp_path
    sys.modules.pop("mine_compared", None)


def run(*more):
    arguments = ["compare", "--dataset", "photos", "--models", "mine_compared.py:build,mlp1"]
    return cli.main([*arguments, "--epochs", "2", "--batch-size", "16", "--out", "out", *more])


def test_own_images_and_an_own_model_from_the_command_line(folder, capsys):
    assert run() == 0
    said = capsys.readouterr().out
    assert "keeps the optimizer" in said
    result = record.read("out/results.json")
    assert [one.model for one in result.runs] == ["build", "mlp1"]
    place = result.recipe["networks"]["build"]
    assert place.startswith("mine_compared.py:build#")
    own = result.runs[0]
    assert own.precision == "float32"
    assert own.multiply_accumulates == 12 * 12 * len(result.dataset.class_names)
    model = saved.load(runs.find(folder / "out", "build").file)
    assert model.output_shape == (None, len(result.dataset.class_names))
    # The same command finds everything there.
    assert run() == 0
    assert record.read("out/results.json").runs == result.runs
    # Changed, it is another model.
    sys.modules.pop("mine_compared")
    (folder / "mine_compared.py").write_text(SOURCE.replace("1e-3", "1e-2"))
    assert run() == 2
    assert "networks.build" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("mine_compared.py:biuld", "It has: build"),
        ("nobody.py:build", "no such file"),
        ("mine_compared.py:", "expected a function"),
    ],
)
def test_what_is_not_there_is_one_line(folder, capsys, models, message):
    assert cli.main(["compare", "--dataset", "photos", "--models", models, "--out", "new"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (folder / "new").exists()
