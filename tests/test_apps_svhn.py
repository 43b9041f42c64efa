"""The app as its user types it, on tiny data."""

import json
import signal
import subprocess
import sys

import jsonschema
import numpy as np
import pytest
from patience import PATIENCE, hear_ctrl_c, wait_until
from PIL import Image

from kerasdl import recipe, record
from kerasdl.apps import cifar10, svhn
from kerasdl.evaluation.predictions import Predictions
from kerasdl.studies.options import make_parser, make_recipe

TINY = ["--epochs", "1", "--train-size", "200", "--validation-fraction", "0.2"]


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory):
    """A person's own images: three classes with names of their own, odd sizes and modes."""
    root = tmp_path_factory.mktemp("my images")
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 10)):
        for label, name in enumerate(("apple", "<b>pear", "Zwetschge 3")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 90, (36, 34, 3), dtype=np.uint8)
                pixels[:, 10 * label : 10 * label + 10] += 150
                suffix = ("png", "jpg", "bmp", "tiff")[i % 4]
                Image.fromarray(pixels).save(folder / f"{i}.{suffix}")
    return root


def run(app, *arguments):
    return app.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(folder_of_images, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "first"
    arguments = ["--dataset", folder_of_images, "--models", "lenet5,smallnet", "--seeds", 2]
    arguments += ["--epochs", 4, "--batch-size", 16, "--out", out]
    assert run(svhn, *arguments) == 0
    return out, arguments


def test_a_run_leaves_everything_a_report_needs(finished):
    out, _ = finished
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"results.json", "recipe.toml", "history.csv", "predictions.npz", "README.md"} <= names
    assert {"report.html", "figures/curves.png", "models/lenet5-seed1.keras"} <= names
    assert not any(name.split("/")[-1].startswith(".") for name in names)
    content = json.loads((out / "results.json").read_text())
    jsonschema.validate(content, record.json_schema())
    result = record.read(out / "results.json")
    assert result.status == "complete"
    assert [(r.model, r.seed) for r in result.runs] == [
        ("lenet5", 0), ("smallnet", 0), ("lenet5", 1), ("smallnet", 1),
    ]  # fmt: skip
    assert result.reported == []  # these are not SVHN's images
    assert set(result.dataset.class_names) == {"apple", "<b>pear", "Zwetschge 3"}
    stored = Predictions.load(out / "predictions.npz")
    for one in result.runs:
        scores = stored.get(one.model, one.seed, one.settings)
        accuracy = (scores.argmax(axis=1) == stored.labels).mean()
        assert one.metrics.test_accuracy == pytest.approx(accuracy)
        assert len(one.history["loss"]) == one.epochs == 4
    assert "<b>pear" not in (out / "report.html").read_text()


def test_it_learns_the_persons_own_classes_and_keeps_their_names(finished):
    import keras

    from kerasdl.models.saved import class_names

    out, _ = finished
    result = record.read(out / "results.json")
    assert max(s.test_accuracy.mean for s in result.summary) > 0.8
    path = out / "models" / "smallnet-seed0.keras"
    assert list(class_names(path)) == result.dataset.class_names
    model = keras.saving.load_model(path)
    assert model.input_shape[1:] == tuple(result.dataset.image_shape)


def test_the_report_shows_where_the_best_network_looks(finished, capsys):
    out, arguments = finished
    result = record.read(out / "results.json")
    (section,) = (one for one in result.sections if one.title == "Where the network looks")
    (figure,) = section.figures
    best = max(result.summary, key=lambda one: one.test_accuracy.mean).model
    assert figure.file == f"figures/svhn-gradcam-{best}.png"
    assert (out / figure.file).stat().st_size > 0
    assert f"]({figure.file})" in (out / "README.md").read_text()
    assert section.title in (out / "report.html").read_text()
    # The same answers give the same pictures, also to whoever starts again.
    before = (out / figure.file).read_bytes()
    assert run(svhn, *arguments) == 0
    assert record.read(out / "results.json").sections == result.sections
    assert (out / figure.file).read_bytes() == before


def test_without_its_models_a_finished_run_is_still_reported(finished, tmp_path, capsys):
    import shutil

    out, arguments = finished
    copy = tmp_path / "copy"
    shutil.copytree(out, copy, ignore=shutil.ignore_patterns("models"))
    assert run(svhn, *arguments[:-1], copy) == 0
    assert record.read(copy / "results.json").sections == []


@pytest.mark.usefixtures("without_figures")
def test_the_same_recipe_gives_the_same_numbers(finished, tmp_path):
    out, arguments = finished
    # One seed: test_apps_reproduce.py repeats a whole record.
    again = [*arguments[:-1], tmp_path / "again", "--seeds", 1]
    assert run(svhn, *again) == 0
    one, other = (record.read(o / "results.json").runs for o in (out, tmp_path / "again"))
    assert [r.metrics for r in one[:2]] == [r.metrics for r in other]
    assert [r.history for r in one[:2]] == [r.history for r in other]
    left, right = (Predictions.load(o / "predictions.npz") for o in (out, tmp_path / "again"))
    np.testing.assert_array_equal(left.get("smallnet", 0, {}), right.get("smallnet", 0, {}))


@pytest.mark.usefixtures("without_figures")
def test_starting_again_keeps_what_is_finished(finished, capsys, monkeypatch):
    from kerasdl.training.engine import Engine

    out, arguments = finished
    before = (out / "results.json").read_bytes()
    monkeypatch.setattr(Engine, "fit", lambda *a, **k: pytest.fail("trained again"))
    assert run(svhn, *arguments) == 0
    assert "kept 4 finished runs" in capsys.readouterr().out
    after = record.read(out / "results.json")
    assert after.runs == json_record(before).runs


def json_record(content):
    import msgspec

    return msgspec.json.decode(content, type=record.Record)


@pytest.mark.usefixtures("without_figures")
def test_a_run_of_an_older_version_is_the_same_recipe_without_its_new_settings(
    finished, tmp_path, capsys
):
    import shutil

    out, arguments = finished
    old = tmp_path / "old"
    shutil.copytree(out, old)
    content = json.loads((old / "results.json").read_text())
    for training in content["recipe"]["training"].values():
        del training["ema"]
    (old / "results.json").write_text(json.dumps(content))
    assert run(svhn, *arguments[:-1], old) == 0
    assert "kept 4 finished runs" in capsys.readouterr().out


def test_another_recipe_in_the_same_folder_is_refused_with_the_difference(finished, capsys):
    out, arguments = finished
    before = (out / "results.json").read_bytes()
    assert run(svhn, *arguments, "--learning-rate", "0.5") == 2
    error = capsys.readouterr().err
    assert "training.lenet5.learning_rate: 0.004 -> 0.5" in error
    assert (out / "results.json").read_bytes() == before
    assert "learning_rate = 0.5" not in (out / "recipe.toml").read_text()


@pytest.mark.usefixtures("without_figures")
def test_a_finished_run_keeps_the_machine_that_trained_it(finished, tmp_path, monkeypatch, capsys):
    import shutil

    import msgspec

    out = tmp_path / "copy"
    shutil.copytree(finished[0], out)
    result = record.read(out / "results.json")
    elsewhere = msgspec.structs.replace(result.environment, device="another machine")
    whole = msgspec.structs.replace(result, environment=elsewhere)
    record.write(whole, out / "results.json")
    arguments = [*finished[1][:-1], out]
    assert run(svhn, *arguments) == 0
    assert record.read(out / "results.json").environment.device == "another machine"
    part = msgspec.structs.replace(whole, runs=whole.runs[:3], status="interrupted")
    record.write(part, out / "results.json")
    assert run(svhn, *arguments) == 2
    assert "device: another machine -> " in capsys.readouterr().err
    assert record.read(out / "results.json") == part


def test_a_folder_with_a_persons_own_files_is_left_alone(tmp_path, capsys, monkeypatch):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "README.md").write_text("mine")
    assert run(svhn, "--dataset", "synthetic", *TINY, "--out", out) == 2
    assert "which has README.md and no results.json" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["README.md"]
    assert run(svhn, "--dataset", "synthetic", *TINY, "--out", "") == 2


def test_without_out_a_run_takes_a_folder_that_is_free_or_its_own(tmp_path, monkeypatch):
    from kerasdl.studies.folder import choose

    monkeypatch.chdir(tmp_path)
    assert str(choose(None, "svhn", {}, "0")) == "runs/svhn"
    (tmp_path / "runs" / "svhn").mkdir(parents=True)
    assert str(choose(None, "svhn", {}, "0")) == "runs/svhn"
    (tmp_path / "runs" / "svhn" / "results.json").write_text("{}")
    assert str(choose(None, "svhn", {}, "0")) == "runs/svhn-2"


def test_other_images_of_the_same_name_take_another_folder(finished, tmp_path, monkeypatch):
    import shutil

    from kerasdl.studies.folder import choose

    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished[0], tmp_path / "runs" / "svhn")
    old = record.read(finished[0] / "results.json")
    assert str(choose(None, "svhn", old.recipe, old.dataset.sha256)) == "runs/svhn"
    assert str(choose(None, "svhn", old.recipe, "0" * 64)) == "runs/svhn-2"
    assert str(choose(None, "svhn", {**old.recipe, "seed": 9}, old.dataset.sha256)) != "runs/svhn"


def test_two_processes_do_not_share_a_folder(tmp_path):
    from kerasdl.studies.folder import locked

    refused = pytest.raises(ValueError, match="another process works in")
    with locked(tmp_path), refused, locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_figures")
def test_a_persons_folder_with_a_sets_name_has_no_reported_figures(
    folder_of_images, tmp_path, monkeypatch
):
    (tmp_path / "svhn").symlink_to(folder_of_images)
    out = tmp_path / "run"
    arguments = ["--dataset", f"{tmp_path / 'svhn'}", "--models", "lenet5", "--epochs", "1"]
    assert run(svhn, *arguments, "--out", out) == 0
    result = record.read(out / "results.json")
    assert result.dataset.source == "folder"
    assert result.reported == []


@pytest.mark.usefixtures("few_synthetic", "without_figures")
def test_without_data_and_network_the_run_is_synthetic_and_says_so(tmp_path, monkeypatch, capsys):
    from kerasdl.datasets import tfds

    monkeypatch.setattr(tfds, "is_reachable", lambda *a, **k: False)
    monkeypatch.setattr(tfds, "is_prepared", lambda *a, **k: False)
    out = tmp_path / "run"
    assert run(svhn, "--models", "lenet5", *TINY, "--out", out) == 0
    assert "SYNTHETIC" in capsys.readouterr().out
    result = record.read(out / "results.json")
    assert (result.dataset.name, result.dataset.source) == ("svhn", "synthetic")
    assert result.reported == []
    assert "SYNTHETIC" in (out / "README.md").read_text()


@pytest.mark.usefixtures("few_synthetic", "without_figures")
def test_a_portion_is_said_beside_the_figures(finished, tmp_path):
    out = tmp_path / "run"
    assert run(svhn, "--dataset", "synthetic", "--models", "lenet5", *TINY, "--out", out) == 0
    assert "trained on 200 of 400" in (out / "README.md").read_text()


@pytest.mark.usefixtures("few_synthetic", "without_figures")
def test_synthetic_data_is_said_everywhere(tmp_path, capsys):
    out = tmp_path / "run"
    assert run(svhn, "--dataset", "synthetic", "--models", "lenet5", *TINY, "--out", out) == 0
    result = record.read(out / "results.json")
    assert result.dataset.source == "synthetic"
    assert result.reported == []
    assert "synthetic data" in capsys.readouterr().out
    assert "SYNTHETIC" in (out / "README.md").read_text()
    assert "SYNTHETIC" in (out / "report.html").read_text()


@pytest.mark.usefixtures("few_synthetic", "without_figures")
def test_interruption_keeps_and_reports_what_is_finished(tmp_path, monkeypatch, capsys):
    from kerasdl.training.engine import Engine

    fit, calls = Engine.fit, []

    def interrupted(self, *arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments, **keywords)

    out = tmp_path / "run"
    arguments = ["--dataset", "synthetic", "--models", "lenet5,smallnet", *TINY, "--out", out]
    monkeypatch.setattr(Engine, "fit", interrupted)
    assert run(svhn, *arguments) == 130
    result = record.read(out / "results.json")
    assert result.status == "interrupted"
    assert [r.model for r in result.runs] == ["lenet5"]
    assert (out / "report.html").exists()
    monkeypatch.setattr(Engine, "fit", fit)
    assert run(svhn, *arguments) == 0
    assert [r.model for r in record.read(out / "results.json").runs] == ["lenet5", "smallnet"]
    assert "kept 1 finished run" in capsys.readouterr().out


@pytest.mark.usefixtures("few_synthetic", "without_figures")
def test_a_diverging_network_ends_the_run_with_a_clear_error(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--dataset", "synthetic", "--models", "lenet5,smallnet", *TINY, "--out", out]
    arguments += ["--set", "training.smallnet.learning_rate=1e38", "--precision", "float32"]
    assert run(svhn, *arguments) == 1
    error = capsys.readouterr().err
    assert "the loss of smallnet became" in error
    assert "--learning-rate" in error
    assert len(error.strip().splitlines()) == 1
    assert [r.model for r in record.read(out / "results.json").runs] == ["lenet5"]
    assert "INTERRUPTED" in (out / "README.md").read_text()


@pytest.mark.usefixtures("few_synthetic", "without_figures")
def test_a_full_disk_ends_with_one_line_and_keeps_what_is_finished(tmp_path, capsys, monkeypatch):
    import keras

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    out = tmp_path / "run"
    assert run(svhn, "--dataset", "synthetic", "--models", "lenet5", *TINY, "--out", out) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert len(error.strip().splitlines()) == 1
    assert record.read(out / "results.json").status == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_real_ctrl_c_in_the_middle_of_a_training(folder_of_images, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "kerasdl.apps.svhn", "--dataset", folder_of_images]
    command += ["--models", "lenet5,smallnet", "--epochs", "1", "--out", out]
    command += ["--set", "training.smallnet.epochs=5000", "--checkpoint-seconds", "0"]
    with subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    ) as child:
        try:
            saved = out / "checkpoints" / "smallnet-seed0"
            wait_until(lambda: list(saved.glob("*.ckpt")), child)  # in the second model
            child.send_signal(signal.SIGINT)
            _, error = child.communicate(timeout=PATIENCE)
        finally:
            child.kill()
    assert child.returncode == 130, error
    assert "Traceback" not in error
    result = record.read(out / "results.json")
    assert result.status == "interrupted"
    assert [r.model for r in result.runs] == ["lenet5"]
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "lenet"], "Did you mean 'lenet5'?"),
        (["--models", "lenet5,lenet5"], "each model once"),
        (["--set", "training.lenet5.epoch=3"], "did you mean 'epochs'?"),
        (["--set", "training.lenet5.epochs=0"], "Expected `int` >= 1"),
        (["--set", "training.lenet.epochs=3"], "Did you mean 'lenet5'?"),
        (["--set", "settings.lenet.foo=3"], "Did you mean 'lenet5'?"),
        (["--set", "settings.smallnet.wdths=[1]"], "Received: 'wdths'"),
        (["--set", "settings.smallnet.widths=[1, 2]", "--dataset", "synthetic"], "three positive"),
        (["--set", "training.lenet5=3"], "expected a table"),
        (["--set", "training=3"], "expected one table"),
        (["--set", "app=foo"], "'foo'"),
        (["--recipe", "/no/such.toml"], "/no/such.toml"),
        (["--dataset", "svnh"], "svnh"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--dataset", "synthetic", "--train-size", "99999999"], "99999999"),
        (["--dataset", "synthetic", "--strategy", "mirrored", *TINY], "needs at least one GPU"),
    ],
)
@pytest.mark.usefixtures("few_synthetic")
def test_a_users_error_is_one_line_and_nothing_is_written(tmp_path, capsys, arguments, message):
    out = tmp_path / "run"
    assert run(svhn, *arguments, "--out", out) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_an_option_that_does_not_exist_exits_with_2(capsys):
    for arguments in (
        ["--epoch", "3"],
        ["--models", ","],
        ["--preset", "huge"],
        ["--train-size", "0"],
        ["--train-fraction", "1.5"],
        ["--seed", "99999999999"],
        ["--learning-rate", "inf"],
        ["--learning-rate", "nan"],
    ):
        with pytest.raises(SystemExit) as caught:
            run(svhn, *arguments)
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert arguments[0] in error
        assert len(error.strip().splitlines()) == 1


def test_options_change_only_what_they_say():
    def plan(*arguments):
        return make_recipe(svhn.APP, vars(make_parser(svhn.APP).parse_args(arguments)))

    base = plan()
    assert base.models == ("lenet5", "smallnet")
    assert plan("--epochs", "3").training["lenet5"].num_epochs(10) == 3
    assert plan("--set", "training.lenet5.epochs=3").training["lenet5"].num_epochs(10) == 3
    assert plan("--epochs", "3", "--set", 'models=["vgg16"]').training["vgg16"].epochs == 3
    changed = plan("--models", "vgg16", "--batch-size", "64", "--set", "training.vgg16.shift=1")
    assert changed.training["vgg16"].batch_size == 64
    assert changed.training["vgg16"].shift == 1
    assert changed.training["vgg16"].epochs == svhn.TRAINING["vgg16"].epochs
    assert list(changed.training) == ["vgg16"]
    assert len(plan("--preset", "full").models) == 8


def test_a_recipe_file_states_only_its_difference(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('models = ["resnet20"]\n[training.resnet20]\nepochs = 7\n')
    options = vars(make_parser(svhn.APP).parse_args(["--recipe", str(path), "--seeds", "2"]))
    plan = make_recipe(svhn.APP, options)
    assert plan.training["resnet20"].epochs == 7
    assert plan.training["resnet20"].optimizer == "sgd"
    assert plan.seeds == 2
    whole = tmp_path / "whole.toml"
    whole.write_text(recipe.to_toml(plan))
    options = vars(make_parser(svhn.APP).parse_args(["--recipe", str(whole)]))
    assert make_recipe(svhn.APP, options) == plan
    with pytest.raises(ValueError, match="a recipe of the app 'svhn'"):
        make_recipe(cifar10.APP, options)


@pytest.mark.usefixtures("without_figures")
def test_the_real_part_of_svhn_is_labelled_partial(real_data, tmp_path):
    out = tmp_path / "run"
    assert run(svhn, "--data", real_data, "--models", "lenet5", *TINY, "--out", out) == 0
    result = record.read(out / "results.json")
    assert result.dataset.name == "svhn"
    if result.dataset.partial:
        assert result.dataset.partial.endswith("of 73257")
        assert result.dataset.partial in (out / "README.md").read_text()
    assert result.reported


@pytest.mark.usefixtures("without_figures")
def test_the_networks_run_on_cifar10(real_data, tmp_path):
    out = tmp_path / "run"
    arguments = ["--study", "networks", "--data", real_data, "--models", "lenet5"]
    assert run(cifar10, *arguments, *TINY, "--out", out) == 0
    result = record.read(out / "results.json")
    assert result.dataset.name == "cifar10"
    assert result.dataset.verified
    assert result.dataset.test == 10_000
