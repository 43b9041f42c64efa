"""The Python face: what a notebook does, with small data; every example in a docstring runs."""

import doctest
import importlib

import numpy as np
import pandas as pd
import pytest

import kerasdl as kd
from kerasdl.face import compare as comparing
from kerasdl.face import load as loading


@pytest.fixture(scope="module")
def arrays():
    """Images whose class is where they are bright: learnt within seconds."""
    generator = np.random.default_rng(0)
    labels = np.repeat(["left", "right"], 60)
    images = generator.integers(0, 90, (120, 12, 12), dtype=np.uint8)
    images[:60, :, :6] += 150
    images[60:, :, 6:] += 150
    return images, labels


def tiny(input_shape, num_classes):
    import keras

    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(num_classes, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def run(arrays, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "x"
    return kd.compare(
        arrays, ["mlp1", tiny], seeds=2, epochs=3, batch_size=16, learning_rate=0.01, out=out
    )


def test_a_comparison_is_frames_and_figures(run):
    assert isinstance(run.table, pd.DataFrame)
    assert set(run.table.index) == {"mlp1", "tiny"}
    assert run.table.test_accuracy.between(0.9, 1.0).all()
    assert (run.table.seeds == 2).all()
    assert list(run.comparisons[["first", "second"]].iloc[0]) == ["mlp1", "tiny"]
    assert len(run.history) == 2 * 2 * 3
    assert run.figures["curves"].is_file()
    assert run.report.is_file()
    assert "tiny" in repr(run)
    assert "<table" in run._repr_html_()


def test_the_second_call_trains_nothing(run, arrays, monkeypatch):
    monkeypatch.setattr("kerasdl.studies.comparing.compare", None)
    again = kd.compare(
        arrays, ["mlp1", tiny], seeds=2, epochs=3, batch_size=16, learning_rate=0.01, out=run.folder
    )
    assert again.record == run.record


def test_another_recipe_in_the_same_folder_is_refused(run, arrays):
    with pytest.raises(ValueError, match="another"):
        kd.compare(arrays, ["mlp1", tiny], epochs=4, out=run.folder)


def test_a_finished_run_is_loaded(run):
    assert kd.load_run(run.folder).table.equals(run.table)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        kd.load_run(run.folder / "none")


def test_the_best_model_predicts_and_is_scored(run, arrays):
    best = run.trained("tiny", 1)
    images, labels = arrays
    found = best.predict(images, top=2)
    assert list(found.columns) == ["image", "class_1", "probability_1", "class_2", "probability_2"]
    assert (found.class_1 == labels).mean() > 0.9
    np.testing.assert_allclose(found.probability_1 + found.probability_2, 1.0, rtol=1e-6)
    scores = best.evaluate(arrays, test=arrays)
    assert scores["accuracy"] == pytest.approx((found.class_1 == labels).mean())
    assert scores["images"] == 120
    with pytest.raises(ValueError, match="run's classes"):
        best.evaluate((images, labels == "left"))
    with pytest.raises(ValueError, match="shape"):
        best.predict(images[:, :5])
    with pytest.raises(ValueError, match="arrays"):
        best.export(run.folder / "saved")


def test_pictures_are_read_from_files_and_folders(run, arrays, tmp_path):
    from PIL import Image

    for number in (0, 100):
        Image.fromarray(arrays[0][number]).save(tmp_path / f"{number:03}.png")
    found = run.best.predict(tmp_path)
    assert list(found.class_1) == ["left", "right"]
    assert run.best.predict(str(tmp_path / "100.png")).class_1[0] == "right"
    with pytest.raises(ValueError, match="there"):
        run.best.predict([tmp_path / "there.png"])


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (["mlp1"], {"epohcs": 3}, "Did you mean 'epochs'"),
        (["mlp1"], {"epochs": "three"}, "Expected `int`"),
        (["lenet"], {}, "Did you mean 'lenet5'"),
        ([3], {}, "models are names"),
        ([print], {}, "wrap it in a function"),
        ([lambda: None], {}, "does not take two arguments"),
    ],
)
def test_mistakes_are_one_clear_error(arrays, tmp_path, models, options, message):
    with pytest.raises(ValueError, match=message):
        kd.compare(arrays, models, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("module", [loading, comparing], ids=lambda module: module.__name__)
def test_examples_run(module, tmp_path, monkeypatch, without_figures):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module.__name__)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_the_package_shows_what_it_has():
    assert set(dir(kd)) >= {"compare", "load", "load_run"}
    with pytest.raises(AttributeError, match="no attribute 'comapre'"):
        kd.comapre  # noqa: B018
