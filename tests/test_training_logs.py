"""`--log`: what TensorBoard and MLflow read back is what was trained, once."""

import importlib.util
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from reporting_fakes import make
from test_training_engine import make_model

from kerasdl import record
from kerasdl.apps import svhn
from kerasdl.training import logs
from kerasdl.training.engine import Engine
from kerasdl.training.settings import Training

TRAINING = Training(epochs=3, batch_size=16, learning_rate=4e-3)
RECIPE = {
    "app": "svhn",
    "models": ["lenet5", "smallnet"],
    "data": {"dataset": "svhn", "train_size": None},
    "training": {"lenet5": {"epochs": 3, "optimizer": "adamw"}, "smallnet": {"epochs": 9}},
    "settings": {"lenet5": {"widths": [1, 2]}},
}


def open_logs(folder, name="tensorboard"):
    return logs.Logs([name], folder, RECIPE)


def train(examples, callbacks):
    model = make_model(TRAINING, 50)
    held_out = examples(20, seed=1)
    history = Engine(model).fit(
        examples(50), TRAINING, seed=0, validation=held_out, callbacks=callbacks
    )
    return history.history


def continue_at(callbacks, first, last):
    """What an engine calls that goes on from a checkpoint in epoch `first`."""
    model = make_model()
    container = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=last, steps=1)
    container.on_train_begin()
    for epoch in range(first, last):
        container.on_epoch_begin(epoch)
        container.on_epoch_end(epoch, {"loss": 1.0 / (1 + epoch), "val_loss": 2.0})
    container.on_train_end()


def a_run(epochs=3):
    return make(models=("lenet5",), seeds=1, epochs=epochs)[0].runs[0]


def draw(path, value):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((6, 9, 3), value, np.uint8)).save(path)
    return path


# TensorBoard, read by its own reader.


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {tag: events.Tensors(tag) for tag in events.Tags()["tensors"]}


def points(folder):
    from tensorflow import make_ndarray

    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events]
        for tag, events in read(folder).items()
        if tag != "keras" and not tag.startswith("_hparams_")
    }


def test_tensorboard_has_the_scores_of_every_epoch_and_the_graph(examples, tmp_path):
    from tensorboard.plugins.graph import keras_util

    history = train(examples, open_logs(tmp_path).callbacks("lenet5", 0))
    place = tmp_path / "logs" / "lenet5-seed0"
    for part, prefix in (("train", ""), ("validation", "val_")):
        found = points(place / part)
        for name in ("loss", "accuracy"):
            steps, values = zip(*found[f"epoch_{name}"], strict=True)
            assert steps == (0, 1, 2)
            assert values == pytest.approx(history[prefix + name], rel=1e-6)
    rates = [rate for _, rate in points(place / "train")["epoch_learning_rate"]]
    assert rates == sorted(rates, reverse=True)  # the schedule's, which falls
    assert 0 < rates[0] < 4e-3
    (graph,) = read(place / "train")["keras"]
    nodes = keras_util.keras_model_to_graph_def(json.loads(graph.tensor_proto.string_val[0])).node
    assert [node.attr["keras_class"].s for node in nodes] == [
        b"InputLayer", b"Rescaling", b"Flatten", b"Dense", b"Dense",
    ]  # fmt: skip


def test_tensorboard_logs_a_continued_training_without_a_gap_or_repetition(examples, tmp_path):
    train(examples, open_logs(tmp_path).callbacks("lenet5", 0))
    continue_at(open_logs(tmp_path).callbacks("lenet5", 0, continued=True), 1, 5)
    place = tmp_path / "logs" / "lenet5-seed0"
    assert [step for step, _ in points(place / "train")["epoch_loss"]] == [0, 1, 2, 3, 4]
    assert [step for step, _ in points(place / "validation")["epoch_loss"]] == [0, 1, 2, 3, 4]
    assert len(read(place / "train")["keras"]) == 1


def test_tensorboard_heals_what_a_killed_process_cut_off(examples, tmp_path):
    train(examples, open_logs(tmp_path).callbacks("lenet5", 0))
    place = tmp_path / "logs" / "lenet5-seed0"
    for part in ("train", "validation"):
        (file,) = (place / part).iterdir()
        file.write_bytes(file.read_bytes()[:-10])
    assert min(len(found) for found in points(place / "validation").values()) == 2
    continue_at(open_logs(tmp_path).callbacks("lenet5", 0, continued=True), 2, 4)
    open_logs(tmp_path).add_run(a_run(epochs=4))
    for part in ("train", "validation"):
        for name in ("epoch_loss", "epoch_accuracy"):
            assert sorted(step for step, _ in points(place / part)[name]) == [0, 1, 2, 3]


def test_tensorboard_drops_the_attempt_of_a_training_that_begins_anew(examples, tmp_path):
    continue_at(open_logs(tmp_path).callbacks("lenet5", 0), 0, 9)
    other = tmp_path / "logs" / "lenet5-seed1"
    continue_at(open_logs(tmp_path).callbacks("lenet5", 1), 0, 1)
    history = train(examples, open_logs(tmp_path).callbacks("lenet5", 0))
    found = points(tmp_path / "logs" / "lenet5-seed0" / "train")["epoch_loss"]
    assert [value for _, value in found] == pytest.approx(history["loss"], rel=1e-6)
    assert len(points(other / "train")["epoch_loss"]) == 1


def test_tensorboard_gets_test_scores_and_hyperparameters_once(tmp_path):
    run = a_run()
    for _ in range(2):
        open_logs(tmp_path).add_run(run)
    place = tmp_path / "logs" / "lenet5-seed0"
    found = points(place)
    assert found["test_accuracy"] == [(2, pytest.approx(run.metrics.test_accuracy))]
    assert found["ece"] == [(2, pytest.approx(run.metrics.ece))]
    # It was trained without a log: the record has its epochs.
    losses = points(place / "validation")["epoch_loss"]
    assert losses == [(i, pytest.approx(v)) for i, v in enumerate(run.history["val_loss"])]
    assert len(list(place.rglob("events*"))) == 3


def test_tensorboard_shows_the_recipe_as_hyperparameters(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    open_logs(tmp_path).add_run(a_run())
    events = EventAccumulator(str(tmp_path / "logs" / "lenet5-seed0")).Reload()
    tag = "_hparams_/session_start_info"
    content = events.SummaryMetadata(tag).plugin_data.content
    info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert info.group_name == "lenet5-seed0"
    assert info.hparams["epochs"].number_value == 3
    assert info.hparams["optimizer"].string_value == "adamw"
    assert info.hparams["settings.widths"].string_value == "[1, 2]"
    assert info.hparams["data.dataset"].string_value == "svhn"


def test_tensorboard_shows_the_latest_figures_only(tmp_path):
    place = tmp_path / "figures"
    first = [draw(place / "curves.png", 10), draw(place / "gone.png", 20)]
    open_logs(tmp_path).add_figures(first)
    open_logs(tmp_path).add_figures([draw(place / "curves.png", 200)])
    found = read(tmp_path / "logs" / "report")
    assert list(found) == ["curves"]
    (event,) = found["curves"]
    width, height, png = event.tensor_proto.string_val
    assert (width, height) == (b"9", b"6")
    (tmp_path / "seen.png").write_bytes(png)
    assert np.asarray(Image.open(tmp_path / "seen.png")).max() == 200


@pytest.mark.parametrize("what", ["callbacks", "add_run", "add_figures"])
def test_tensorboard_says_where_it_cannot_write(tmp_path, what):
    (tmp_path / "logs").write_text("a file")
    opened = open_logs(tmp_path)
    with pytest.raises(OSError, match=r"the log in .*logs.* cannot be written: .*not a directory"):
        if what == "callbacks":
            continue_at(opened.callbacks("lenet5", 0), 0, 1)
        elif what == "add_run":
            opened.add_run(a_run())
        else:
            opened.add_figures([draw(tmp_path / "figures" / "curves.png", 1)])


# MLflow, read by its own client.


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """MLflow's empty tables, which take seconds to make."""
    pytest.importorskip("mlflow", reason='MLflow is not installed: pip install "kerasdl[mlflow]"')
    folder = tmp_path_factory.mktemp("empty")
    log = logs.Logs(["mlflow"], folder, {**RECIPE, "app": "other"})
    log.add_figures([])
    return folder / "logs" / "mlflow.db"


@pytest.fixture
def store(empty_store, tmp_path):
    """A folder with MLflow's empty tables and a client that reads them."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path / "run 1 %41"
    (folder / "logs").mkdir(parents=True)
    shutil.copy(empty_store, folder / "logs")
    client = MlflowClient(f"sqlite:///{folder / 'logs' / 'mlflow.db'}")

    def runs():
        experiment = client.get_experiment_by_name("svhn")
        found = client.search_runs([experiment.experiment_id])
        return {run.info.run_name: run for run in found}

    def curve(run, key):
        found = client.get_metric_history(run.info.run_id, key)
        return sorted((metric.step, metric.value) for metric in found)

    return folder, runs, curve


def test_mlflow_has_the_scores_of_every_epoch(examples, store):
    folder, runs, curve = store
    history = train(examples, open_logs(folder, "mlflow").callbacks("lenet5", 0))
    (run,) = runs().values()
    assert run.info.status == "RUNNING"
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert curve(run, name) == [(i, pytest.approx(v)) for i, v in enumerate(history[name])]
    assert len(curve(run, "learning_rate")) == 3
    assert run.data.params["optimizer"] == "adamw"
    assert run.data.params["settings.widths"] == "[1, 2]"
    assert run.data.params["seed"] == "0"


def test_mlflow_logs_a_continued_training_without_a_gap_or_repetition(examples, store):
    folder, runs, curve = store
    train(examples, open_logs(folder, "mlflow").callbacks("lenet5", 0))
    opened = open_logs(folder, "mlflow")
    continue_at(opened.callbacks("lenet5", 0, continued=True), 1, 5)
    (run,) = runs().values()
    assert [step for step, _ in curve(run, "loss")] == [0, 1, 2, 3, 4]
    opened.close()
    assert runs()["lenet5-seed0"].info.status == "KILLED"


def test_mlflow_drops_the_attempt_of_a_training_that_begins_anew(examples, store):
    folder, runs, curve = store
    continue_at(open_logs(folder, "mlflow").callbacks("lenet5", 0), 0, 9)
    continue_at(open_logs(folder, "mlflow").callbacks("smallnet", 0), 0, 1)
    continue_at(open_logs(folder, "mlflow").callbacks("lenet5", 0), 0, 2)
    assert len(curve(runs()["lenet5-seed0"], "loss")) == 2
    assert len(curve(runs()["smallnet-seed0"], "loss")) == 1


def test_mlflow_gets_test_scores_and_figures_once(store, tmp_path):
    folder, runs, curve = store
    run = a_run()
    for value in (10, 200):
        opened = open_logs(folder, "mlflow")
        opened.add_run(run)
        opened.add_figures([draw(tmp_path / "figures" / "curves.png", value)])
        opened.close()
    found = runs()
    assert set(found) == {"lenet5-seed0", "report"}
    assert {one.info.status for one in found.values()} == {"FINISHED"}
    assert curve(found["lenet5-seed0"], "test_accuracy") == [(2, run.metrics.test_accuracy)]
    expected = list(enumerate(run.history["val_loss"]))
    assert curve(found["lenet5-seed0"], "val_loss") == expected
    (figure,) = (folder / "logs" / "mlflow").rglob("curves.png")
    assert np.asarray(Image.open(figure)).max() == 200
    assert found["report"].data.params["training.smallnet.epochs"] == "9"


def test_mlflow_in_a_moved_folder_is_refused_with_what_to_do(store, tmp_path):
    folder, _, _ = store
    open_logs(folder, "mlflow").add_run(a_run())
    folder.rename(tmp_path / "moved")
    with pytest.raises(ValueError, match=r"the run folder was moved\. Remove the file"):
        open_logs(tmp_path / "moved", "mlflow").add_run(a_run())


def test_mlflow_says_where_it_cannot_write(empty_store, tmp_path, capfd):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(OSError, match=r"logs cannot be written: .*not a database"):
        open_logs(tmp_path, "mlflow").add_run(a_run())
    assert "Traceback" not in capfd.readouterr().err


def test_mlflow_sends_nothing_over_the_network(empty_store, tmp_path, run_python):
    (tmp_path / "logs").mkdir()
    shutil.copy(empty_store, tmp_path / "logs")
    program = """
import pathlib, socket, sys
def tried(*arguments): print("CONNECTS", arguments)
socket.socket.connect = socket.getaddrinfo = tried
from kerasdl.training.logs import Logs
recipe = {"app": "svhn", "training": {"lenet5": {}}}
log = Logs(["mlflow"], pathlib.Path("."), recipe)
callback, = log.callbacks("lenet5", 0)
log.close()
from mlflow.telemetry.client import get_telemetry_client
print(get_telemetry_client(), sorted(path.name for path in pathlib.Path(".").iterdir()))
"""
    quiet = {"CI": None, "PYTEST_CURRENT_TEST": None, "DO_NOT_TRACK": None}
    done = run_python("-c", program, cwd=tmp_path, **quiet)
    assert done.stdout.strip() == "None ['logs']", done.stderr


# The option.


def test_a_wrong_name_is_one_line(capsys):
    for value in ("wandb", "tensorboard,wandb", ""):
        with pytest.raises(SystemExit) as caught:
            svhn.main(["--log", value])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert f"expected tensorboard, mlflow or both. Received: {value!r}" in error
        assert len(error.splitlines()) == 1
    assert logs.parse(" mlflow,tensorboard,mlflow") == ("mlflow", "tensorboard")


def test_a_missing_package_is_said_before_anything_is_done(tmp_path, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "mlflow" else find(name, *a)
    )
    out = tmp_path / "run"
    assert svhn.main(["--dataset", "synthetic", "--log", "mlflow", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert 'pip install "kerasdl[mlflow]"' in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


def test_an_app_logs_what_it_trains_and_a_new_report_changes_nothing(few_synthetic, tmp_path):
    out = tmp_path / "run"
    arguments = ["--dataset", "synthetic", "--models", "lenet5", "--epochs", "2"]
    arguments += ["--train-size", "200", "--log", "tensorboard", "--out", str(out)]
    assert svhn.main(arguments) == 0
    (run,) = record.read(out / "results.json").runs

    def files():
        return {path: path.read_bytes() for path in (out / "logs" / "lenet5-seed0").rglob("ev*")}

    before = files()
    place = out / "logs" / "lenet5-seed0"
    assert [step for step, _ in points(place / "train")["epoch_learning_rate"]] == [0, 1]
    assert points(place)["test_loss"] == [(1, pytest.approx(run.metrics.test_loss, rel=1e-6))]
    assert svhn.main(arguments) == 0
    assert files() == before
    figures = read(out / "logs" / "report")
    assert {"curves-lenet5", "confusion-lenet5"} <= set(figures)
    assert {len(events) for events in figures.values()} == {1}
    assert svhn.main(arguments[:-4] + arguments[-2:]) == 0  # without --log: the same recipe
    assert files() == before
