"""The Python face beyond comparisons: studies, searches, lists of runs, functions of a model."""

import doctest
import importlib
import json
from pathlib import Path

import keras_tuner
import numpy as np
import pytest

import kerasdl as kd
from kerasdl import cli

ROOT = Path(__file__).resolve().parent.parent
WITH_EXAMPLES = ("results", "study", "search", "run_list", "functions")


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module, tmp_path, monkeypatch, few_synthetic, without_figures):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"kerasdl.face.{module}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert found.failed == 0


@pytest.fixture(scope="module")
def data():
    """Images whose class is where they are bright."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 90, (120, 12, 12), dtype=np.uint8)
    images[:60, :, :6] += 150
    images[60:, :, 6:] += 150
    return kd.load(images, np.repeat(["left", "right"], 60), name="sides")


def build(hp):
    import keras

    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(hp.Choice("width", [2, 8]), activation="relu"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    rate = hp.Choice("rate", [1e-5, 0.02])
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


SEARCHED = {"oracle": "grid", "epochs": 5, "batch_size": 16, "validation_fraction": 0.3}


@pytest.fixture(scope="module")
def searched(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "search"
    return kd.search(data, build, seeds=2, out=out, **SEARCHED)


def test_a_search_of_ones_own_space(searched, data):
    assert list(searched.table["rank"]) == [1, 2, 3, 4]
    assert set(searched.table.width) == {2, 8}
    assert set(searched.table["status"]) == {"completed"}
    assert set(searched.table.seeds) == {2}
    # 60 steps of 1e-5 learn nothing.
    assert searched.best_hyperparameters["rate"] == 0.02
    assert type(searched.best_hyperparameters["width"]) is int
    assert searched.best.evaluate(data)["accuracy"] > 0.9
    assert searched.record.recipe["build"].startswith("test_face_runs:build#")
    assert searched.record.command.startswith(
        "kerasdl.search('sides', build, oracle='grid', seeds=2, epochs=5"
    )
    assert "kerasdl.search(" in (searched.folder / "README.md").read_text()
    assert "<table" in searched._repr_html_()
    assert "SearchResult" in repr(searched)


def test_the_second_search_trains_nothing(searched, data, monkeypatch):
    monkeypatch.setattr("kerasdl.studies.experiment_run.perform", None)
    again = kd.search(data, build, seeds=2, out=searched.folder, **SEARCHED)
    assert again.record == searched.record
    assert kd.load_run(searched.folder).table.equals(searched.table)


def test_a_hypermodel_with_values_of_its_own_is_told_from_another():
    from kerasdl.tuning import own_space

    class Wide(keras_tuner.HyperModel):
        def __init__(self, width):
            super().__init__()
            self.width = width

        def build(self, hp):
            return build(hp)

    names = [own_space.give(Wide(width)) for width in (3, 3, 4)]
    assert names[0] == names[1] != names[2]
    with pytest.raises(ValueError, match="give an instance"):
        own_space.give(Wide)

    class Own(Wide):
        def fit(self, hp, model, *arguments, **options):
            return model.fit(*arguments, **options)

    with pytest.raises(ValueError, match="PackedTuner"):
        own_space.give(Own(3))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mnist_widht",), {}, "no space"),
        ((None, "mnist_widht"), {}, "Did you mean 'mnist_width'"),
        ((build,), {}, "no space"),
        (("synthetic_gray", print), {}, "expected a function build"),
        (("synthetic_gray", build), {"algorithm": "grid"}, "expected oracle="),
        (("synthetic_gray", build), {"epohcs": 3}, "Did you mean 'epochs'"),
        (("synthetic_gray", build), {"oracle": "gird"}, "grid"),
        (("synthetic_gray", "nowhere.py:build"), {}, "no such file"),
    ],
)
def test_mistakes_in_a_search_are_one_clear_error(tmp_path, arguments, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        kd.search(*arguments, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("dpeth",), {}, "Did you mean 'depth'"),
        (("depth",), {"epohcs": 3}, "Did you mean 'epochs'"),
        (("theory",), {"minutes": 3}, "no epochs"),
    ],
)
def test_mistakes_in_a_study_are_one_clear_error(tmp_path, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        kd.study(*arguments, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_study_belongs_to_the_app_of_its_data_set():
    from kerasdl.face.study import _study_of

    assert _study_of("depth", None)[0] == "cifar10"
    assert _study_of("depth", "mnist")[0] == "cifar10"
    app, experiment = _study_of("cuts", "svhn")
    assert app == "svhn"
    assert experiment.presets["default"]["data"]["dataset"] == "svhn"
    assert _study_of("theory", None)[0] == "theory"


def test_committed_records_of_every_kind_are_read():
    records = [path.parent for path in sorted(ROOT.glob("[at]*/**/results.json"))]
    kinds = set()
    for folder in records:
        run = kd.load_run(folder)
        kinds.add(type(run).__name__)
        assert len(run.table)
        assert run.report == folder / "report.html"
        assert run._repr_html_().startswith("<p><strong>")
        assert repr(run).startswith(f"<kerasdl.{type(run).__name__} ")
    assert kinds == {"Comparison", "StudyResult", "SearchResult"}
    width = kd.load_run(ROOT / "tuning" / "mnist_width")
    assert width.best_hyperparameters == {"Hidden width": 540}
    with pytest.raises(ValueError, match=r"a search; kerasdl\.load_run"):
        kd.Comparison(ROOT / "tuning" / "mnist_width")


def test_a_list_of_runs(tmp_path):
    found = kd.runs(ROOT / "apps")
    assert len(found) == len(found.table) == len(list(found))
    assert found.table["when"].is_monotonic_decreasing
    assert found.leaderboard.loc["CIFAR-10"].iloc[0].model == "smallnet"
    for _, group in found.leaderboard.groupby(level=0):
        assert group.test_accuracy.is_monotonic_decreasing
    assert isinstance(found[0], kd.Comparison | kd.StudyResult | kd.SearchResult)
    assert "<table" in found._repr_html_()
    assert f"{len(found)} runs" in repr(found)
    assert len(kd.runs(tmp_path).leaderboard) == 0
    with pytest.raises(FileNotFoundError, match="no such folder"):
        kd.runs(tmp_path / "none")


def test_functions_take_a_run_its_folder_or_a_model(searched, data):
    images = data.test.images
    frames = [kd.predict(one, images) for one in (searched, searched.folder, searched.best)]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert kd.evaluate(str(searched.folder), data) == searched.best.evaluate(data)
    with pytest.raises(ValueError, match="expected a run with a trained model"):
        kd.predict(3, images)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        kd.export("runs/nowhere", "models")


def test_the_package_export_is_the_function_too():
    import kerasdl.export

    with pytest.raises(FileNotFoundError, match="no such folder"):
        kerasdl.export("runs/nowhere", "models")


def test_chosen_runs_are_compared_on_one_page(tmp_path, capsys):
    page = tmp_path / "page.html"
    chosen = [str(ROOT / "apps" / name) for name in ("cifar10/resnet20", "svhn")]
    assert cli.main(["runs", *chosen, "--out", str(page)]) == 0
    assert "Page:" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png") == 1  # one of them had no validation images
    assert "91.82" in text
    assert "data.dataset" in text
    assert "http" not in text.replace("http-equiv", "")
    frame = kd.runs(*chosen, chosen[0]).leaderboard
    assert frame.index.nunique() == frame.images.nunique() == 2
    assert frame.folder.value_counts()[chosen[0]] == 1
    assert cli.main(["runs", str(tmp_path), "--out", str(tmp_path / "none.html")]) == 2
    assert "expected runs to compare" in capsys.readouterr().err
    assert not (tmp_path / "none.html").exists()


def test_a_model_is_scored_at_the_command_line(searched, data, tmp_path, capsys):
    from PIL import Image

    for part, examples in (("train", data.train), ("test", data.test)):
        for place, (image, label) in enumerate(zip(examples.images, examples.labels, strict=True)):
            folder = tmp_path / part / data.class_names[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(folder / f"{place}.png")
    run = str(searched.folder)
    assert cli.main(["evaluate", str(tmp_path), "--run", run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accuracy"] == searched.best.evaluate(data)["accuracy"]
    assert told["images"] == len(data.test)
    assert cli.main(["evaluate", str(tmp_path), "--run", run]) == 0
    assert f"accuracy {100 * told['accuracy']:.2f} %" in capsys.readouterr().out
    assert cli.main(["evaluate", str(tmp_path), "--run", run, "--model", "other"]) == 2
    assert "its model is 'winner'" in capsys.readouterr().err


def test_the_second_study_computes_nothing(data, tmp_path, monkeypatch):
    small = {"depths": [1, 2], "activations": ["relu"], "initializers": ["he"], "cures": []}
    asked = {**small, "epochs": 1, "seeds": 1, "batch_size": 16, "out": tmp_path / "study"}
    found = kd.study("depth", data, **asked)
    assert found.record.dataset.name == "sides"
    assert found.table.equals(next(iter(found.tables.values())))
    assert found.figures
    assert found.report.is_file()
    monkeypatch.setattr("kerasdl.studies.experiment_run.perform", None)
    assert kd.study("depth", data, **asked).record == found.record
    with pytest.raises(ValueError, match="another recipe"):
        kd.study("depth", data, **{**asked, "epochs": 2})


def test_a_space_in_a_file_is_searched_at_the_command_line(
    tmp_path, monkeypatch, capsys, few_synthetic, without_figures
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import keras\nimport keras_tuner\n\n\n"
        "class Mine(keras_tuner.HyperModel):\n"
        "    def build(self, hp):\n"
        "        return keras.Sequential([\n"
        "            keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),\n"
        "            keras.layers.Dense(hp.Choice('width', [2, 4])), keras.layers.Dense(10)])\n"
    )
    arguments = ["search", "--build", "mine.py:Mine", "--dataset", "synthetic_gray"]
    arguments += ["--algorithm", "grid", "--epochs", "1", "--train-size", "100", "--out", "run"]
    assert cli.main(arguments) == 0
    found = kd.load_run("run")
    assert set(found.table.width) == {2, 4}
    assert found.record.recipe["build"].startswith("mine.py:Mine#")
    source = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace("[2, 4]", "[2, 8]"))
    assert cli.main(arguments) == 2
    assert "build: mine.py:Mine#" in capsys.readouterr().err
