"""The MNIST app: perceptrons as its user asks for them."""

import keras
import pytest

from kerasdl import record
from kerasdl.apps import mnist

TINY = ["--epochs", "1", "--train-size", "60", "--precision", "float32"]


@pytest.fixture(scope="module")
def finished(few_synthetic, tmp_path_factory):
    out = tmp_path_factory.mktemp("mnist") / "run"
    arguments = ["--dataset", "synthetic_gray", "--classes", "0,1,2", *TINY, "--out", str(out)]
    settings = ["--models", "mlp1,mlp", "--width", "9", "--units", "8,7", "--activation", "tanh"]
    settings += ["--initializer", "lecun", "--l1", "1e-4", "--l2", "1e-3", "--dropout", "0.1"]
    assert mnist.main([*arguments, *settings]) == 0
    return out


def test_it_trains_what_was_asked_for(finished):
    result = record.read(finished / "results.json")
    assert result.dataset.class_names == ["0", "1", "2"]
    pixels = result.dataset.image_shape[0] * result.dataset.image_shape[1]
    one, other = result.runs
    assert one.parameters == (pixels + 1) * 9 + 10 * 3
    assert other.parameters == (pixels + 1) * 8 + 9 * 7 + 8 * 3
    assert other.settings["initializer"] == "lecun"


def test_the_saved_models_are_the_ones_asked_for(finished):
    first = keras.saving.load_model(finished / "models" / "mlp1-seed0.keras")
    assert isinstance(first, keras.Sequential)
    second = keras.saving.load_model(finished / "models" / "mlp-seed0.keras")
    assert second.get_layer("activation2").activation is keras.activations.tanh
    assert float(second.get_layer("dense1").kernel_regularizer.l2) == pytest.approx(1e-3)
    assert second.get_layer("drop1").rate == pytest.approx(0.1)


def test_figures_of_other_reports_stand_beside_the_whole_data_set_only(finished):
    assert record.read(finished / "results.json").reported == []


@pytest.mark.usefixtures("few_synthetic")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--classes", "0,0"], "two or more different"),
        (["--classes", "0,11"], "Received: '11'"),
        (["--activation", "rleu"], "elu, gelu, leaky_relu"),
        (["--units", "8,x"], "units"),
    ],
)
def test_an_error_is_one_line(arguments, complaint, tmp_path, capsys):
    out = ["--dataset", "synthetic_gray", "--out", str(tmp_path / "run")]
    try:
        code = mnist.main([*out, *arguments])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr().err
    assert code == 2
    assert complaint in captured
    assert captured.strip().count("\n") == 0
    assert not (tmp_path / "run").exists()
