"""The search commands on tiny images: what they write, refuse and go on with."""

import csv

import keras
import keras_tuner
import numpy as np
import pytest
import tuner_fakes as fakes
from datasets_fakes import write_bands

from kerasdl import record
from kerasdl.tuning import identity, mnist_width, regularization, search, study, trainings
from kerasdl.tuning.training_jobs import Trained

WIDTHS = ["--smallest", "2", "--largest", "5", "--step", "1", "--seeds", "2", "--epochs", "2"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Arguments that name three classes of small gray images."""
    root = tmp_path_factory.mktemp("digits")
    write_bands(root, {"train": 30, "test": 10}, 12)
    return ["--dataset", str(root), "--validation-fraction", "0.3", "--batch-size", "16"]


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("width") / "run"
    arguments = [*WIDTHS, *images, "--out", str(out)]
    assert mnist_width.main(arguments) == 0
    return out, arguments


@pytest.fixture
def training(monkeypatch):
    """Pretends to train groups of two trials; counts them, and ends one as Ctrl-C does."""
    fakes.pretend(monkeypatch)

    class Progress(keras.callbacks.Callback):
        titles: list[str] = []  # noqa: RUF012 - of the class made for one test
        error_at: int | None = None

        def __init__(self, console, title, num_examples, batch_size, forecast=None):
            super().__init__()
            self.titles.append(title)
            if len(self.titles) - 1 == self.error_at:
                raise KeyboardInterrupt

    monkeypatch.setattr(study, "RichProgress", Progress)
    monkeypatch.setattr(identity, "GROUP_MODELS", 4)
    monkeypatch.setattr(study, "retrain", lambda *arguments: None)
    return Progress


def texts(folder):
    return {path.name: path.read_text() for path in folder.glob("*.csv")}


def test_a_search_leaves_a_report_its_trials_and_the_winner(finished):
    out, _ = finished
    names = {path.name for path in out.iterdir()}
    assert {"results.json", "README.md", "report.html", "recipe.toml"} <= names
    assert {"figures", "hparams", "keras_tuner", "models", "trials.csv"} <= names
    assert not (out / ".lock").exists()
    findings = record.read_findings(out / "results.json")
    assert (findings.app, findings.status) == ("mnist_width", "complete")
    assert "width" in (out / "README.md").read_text()
    assert list((out / "figures").glob("*.png"))
    rows = (out / "trials.csv").read_text().splitlines()
    assert len(rows) == 1 + 4


def test_the_winner_takes_raw_images(finished, images):
    out, _ = finished
    model = keras.models.load_model(out / "models" / "winner.keras")
    assert model.predict(np.zeros((2, 12, 12, 1), np.uint8), verbose=0).shape == (2, 3)


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_winner_is_trained_for_as_long_as_what_won(images, tmp_path):
    """Trials that ended early were scored there, and the winner has nothing to stop by."""
    out = tmp_path / "patient"
    arguments = ["--smallest", "2", "--largest", "3", "--step", "1", "--seeds", "1", *images]
    arguments += ["--epochs", "12", "--learning-rate", "0.5", "--patience", "1", "--out", str(out)]
    assert mnist_width.main(arguments) == 0
    (epochs,) = {int(row["Epochs"]) for row in rows_of(out / "winner.csv")}
    (best,) = [row for row in rows_of(out / "trials.csv") if float(row["Rank"]) == 1]
    assert epochs == int(best["Epochs kept"]) < 12


def test_a_winner_that_diverges_does_not_cost_the_report(images, tmp_path, monkeypatch):
    def diverge(*arguments):
        raise FloatingPointError("the loss of mlp1 became nan")

    monkeypatch.setattr(study, "retrain", diverge)
    out = tmp_path / "diverged"
    arguments = ["--smallest", "2", "--largest", "3", "--step", "1", "--seeds", "1", *images]
    assert mnist_width.main([*arguments, "--epochs", "1", "--out", str(out)]) == 0
    assert "Training it failed: the loss of mlp1" in (out / "README.md").read_text()


def test_keras_tuner_reads_a_searchs_folder(finished):
    out, _ = finished
    options = {"objective": "val_accuracy", "max_trials": 4}
    oracle = keras_tuner.oracles.RandomSearchOracle(**options)
    read = keras_tuner.Tuner(
        oracle, lambda hp: hp.Int("width", 2, 5), directory=str(out), project_name="keras_tuner"
    )
    widths = sorted(one.values["width"] for one in read.get_best_hyperparameters(4))
    assert widths == [2, 3, 4, 5]


def test_started_again_it_trains_nothing_and_says_the_same(finished, monkeypatch):
    from kerasdl.training.engine import Engine
    from kerasdl.training.packed import Packed

    out, arguments = finished
    before, tables = record.read_findings(out / "results.json").sections, texts(out)
    for one in (Packed, Engine):
        monkeypatch.setattr(one, "fit", lambda *a, **k: pytest.fail("trained again"))
    assert mnist_width.main(arguments) == 0
    assert record.read_findings(out / "results.json").sections == before
    assert texts(out) == tables


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (["--largest", "6"], "largest: 5 -> 6"),
        (["--epochs", "3"], "training.epochs: 2 -> 3"),
        (["--algorithm", "random"], "algorithm: grid -> random"),
    ],
)
def test_another_recipe_is_refused_with_the_difference(finished, change, difference, capsys):
    out, arguments = finished
    before = sorted(path.name for path in out.rglob("*"))
    assert mnist_width.main([*arguments, *change]) == 2
    error = capsys.readouterr().err
    assert difference in error
    assert len(error.splitlines()) == 1
    assert sorted(path.name for path in out.rglob("*")) == before


def test_another_version_is_refused_by_the_search_itself(finished, monkeypatch, capsys):
    _, arguments = finished
    monkeypatch.setattr(identity, "__version__", "99")
    assert mnist_width.main(arguments) == 2
    error = capsys.readouterr().err
    assert "has another search: kerasdl: " in error
    assert "-> 99" in error


def test_interrupted_it_goes_on_with_the_rest(images, training, tmp_path, capsys):
    undisturbed = tmp_path / "undisturbed"
    assert mnist_width.main([*WIDTHS, *images, "--out", str(undisturbed)]) == 0
    training.titles.clear()
    arguments = [*WIDTHS, *images, "--out", str(tmp_path / "run")]
    training.error_at = 1
    assert mnist_width.main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    training.error_at = None
    assert mnist_width.main(arguments) == 0
    assert training.titles == [
        "trial 0000 and 3 more",
        "trial 0002 and 3 more",
        "trial 0002 and 3 more",
    ]
    assert texts(tmp_path / "run") == texts(undisturbed)


def test_a_full_disk_is_said_and_the_search_goes_on_later(images, training, tmp_path, capsys):
    from kerasdl.tuning.store import Store

    arguments = [*WIDTHS, *images, "--epochs", "1", "--out", str(tmp_path / "run")]
    put = Store.put

    def full(self, asked, outcomes, spaces=None):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "put", full)
        assert mnist_width.main(arguments) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "the same command goes on from there" in error
    assert Store.put is put
    assert mnist_width.main(arguments) == 0


def test_without_a_trial_that_succeeds_there_is_a_report(images, training, tmp_path, monkeypatch):
    def fail(jobs, *examples, **options):
        return [Trained({}, 0, np.zeros(27, bool), "out of luck", 0.1, 1) for _ in jobs]

    monkeypatch.setattr(trainings, "train", fail)
    assert mnist_width.main([*WIDTHS, *images, "--out", str(tmp_path / "run")]) == 0
    text = (tmp_path / "run" / "README.md").read_text()
    assert "seed 0: out of luck" in text


def test_regularisers_are_searched(images, tmp_path):
    out = tmp_path / "run"
    arguments = ["--units", "6,6", "--l1", "1e-4,1e-3", "--l2", "", "--dropout", "0.2"]
    arguments += ["--epochs", "2", "--seeds", "2", *images, "--out", str(out)]
    assert regularization.main(arguments) == 0
    text = (out / "trials.csv").read_text()
    assert len(text.splitlines()) == 1 + 1 + 2 + 1
    readme = (out / "README.md").read_text()
    for name in ("L1 penalty", "dropout", "no regulariser"):
        assert name in readme.replace("Dropout", "dropout").replace("No reg", "no reg")
    assert (out / "models" / "winner.keras").is_file()


def test_fields_of_a_recipe_are_searched_by_halving(images, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "retrain", lambda *arguments: None)
    text = "[training.learning_rate]\nmin = 1e-3\nmax = 1e-1\nsampling = 'log'\n"
    (tmp_path / "space.toml").write_text(text)
    arguments = ["--app", "mnist", "--model", "mlp", "--space", str(tmp_path / "space.toml")]
    arguments += [*images, "--algorithm", "hyperband", "--epochs", "3", "--out"]
    assert search.main([*arguments, str(tmp_path / "run")]) == 0
    rows = (tmp_path / "run" / "trials.csv").read_text().splitlines()
    assert len(rows) == 1 + 6
    assert not (tmp_path / "run" / "keras_tuner" / "states").exists()


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (mnist_width, ["--smallest", "9", "--largest", "3"], "smallest <= largest"),
        (mnist_width, ["--step", "0"], ">= 1"),
        (mnist_width, ["--validation-fraction", "0"], "judges by validation images"),
        (regularization, ["--l1", "", "--l2", "", "--dropout", ""], "at least one of l1, l2"),
        (regularization, ["--l2", "1e-3,1e-3"], "l2 must differ"),
        (regularization, ["--dropout", "1.0"], "< 1.0"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(command, arguments, message, capsys):
    try:
        code = command.main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
