"""`python -m kerasdl reproduce` as its user types it, on tiny data."""

import importlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from kerasdl import cli, recipe, record
from kerasdl.apps import reproduce, svhn
from kerasdl.evaluation.agreement_tables import compare
from kerasdl.evaluation.reproduction import Reproduction
from kerasdl.studies import experiment_command, reproduce_study


def run(app, *arguments):
    return app.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two networks and two seeds on a person's own images."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 10)):
        for label, name in enumerate(("apple", "pear", "quince")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 90, (32, 32, 3), dtype=np.uint8)
                pixels[:, 10 * label : 10 * label + 10] += 150
                Image.fromarray(pixels).save(folder / f"{i}.png")
    out = tmp_path_factory.mktemp("run") / "first"
    arguments = ["--dataset", root, "--models", "lenet5,smallnet", "--seeds", 2, "--out", out]
    arguments += ["--set", "settings.smallnet.widths=[8, 8, 16]"]
    with pytest.MonkeyPatch.context() as patch:  # nothing here looks at its pictures
        patch.setattr("kerasdl.reporting.report.illustrate", lambda *arguments: [])
        assert run(svhn, *arguments, "--epochs", 12, "--batch-size", 32) == 0
    return out


@pytest.fixture
def altered(finished, tmp_path):
    """Copies the record with changes of its results.json."""

    def change(**fields):
        copy = tmp_path / "copy"
        shutil.copytree(finished, copy)
        result = record.read(copy / "results.json")
        record.write(msgspec.structs.replace(result, **fields), copy / "results.json")
        return copy

    return change


def comparison(folder):
    content = (folder / "reproduction.json").read_bytes()
    return msgspec.json.decode(content, type=Reproduction)


@pytest.mark.usefixtures("without_figures")
def test_a_record_is_reproduced_to_the_bit(finished, tmp_path, capsys):
    out = tmp_path / "again"
    assert run(reproduce, finished, "--out", out) == 0
    said = capsys.readouterr().out
    assert said.rstrip().endswith(
        "Reproduced: every figure of every epoch is bit-identical to the record's."
    )
    assert "Machine and versions are the record's." in said
    found = comparison(out)
    assert (found.kind, found.verdict, found.changed) == ("whole", "reproduced", [])
    assert [(one.model, one.bit_identical) for one in found.models] == [
        ("lenet5", [0, 1]),
        ("smallnet", [0, 1]),
    ]
    assert len(record.read(out / "results.json").runs) == 4


@pytest.mark.usefixtures("without_figures")
def test_a_part_is_a_recipe_of_its_own(finished, tmp_path, capsys):
    out = tmp_path / "again"
    assert run(reproduce, finished, "--models", "lenet5", "--seeds", 1, "--out", out) == 0
    said = capsys.readouterr().out
    assert "Left out: smallnet" in said
    assert "Reproduced as far as it was run" in said
    found = comparison(out)
    assert (found.kind, found.left_out) == ("part", ["smallnet"])
    assert [(one.model, one.seeds, one.bit_identical) for one in found.models] == [
        ("lenet5", [0], [0])
    ]
    assert found.models[0].figures[0].record.n == 2
    plan = recipe.read_toml(out / "recipe.toml")
    assert (plan["models"], plan["seeds"]) == (["lenet5"], 1)


def test_a_first_look_trains_the_first_epochs_and_leaves_no_record(finished, tmp_path, capsys):
    out = tmp_path / "again"
    assert cli.main(["reproduce", str(finished), "--quick", "--out", str(out)]) == 0
    assert "A first look agrees: every figure" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["reproduction.json"]
    found = comparison(out)
    assert found.kind == "quick"
    # The learning rate follows the whole schedule: else these would not be the record's bits.
    assert [(one.epochs, one.of_epochs, one.bit_identical) for one in found.models] == [
        (2, 12, [0]),
        (2, 12, [0]),
    ]


def test_a_first_look_sees_another_training(altered, finished, tmp_path, capsys):
    runs = [
        msgspec.structs.replace(one, history={**one.history, "loss": [9.0 + one.seed / 100] * 12})
        for one in record.read(finished / "results.json").runs
    ]
    copy = altered(runs=runs)
    arguments = [copy, "--quick", "--models", "lenet5", "--out", tmp_path / "again"]
    assert run(reproduce, *arguments) == 1
    assert "A first look DISAGREES" in capsys.readouterr().out
    assert comparison(tmp_path / "again").verdict == "not reproduced"


@pytest.mark.usefixtures("without_figures")
def test_a_figure_outside_its_interval_exits_with_1(altered, finished, tmp_path, capsys):
    runs = [
        msgspec.structs.replace(
            one, metrics=msgspec.structs.replace(one.metrics, test_loss=9.0 + one.seed / 1000)
        )
        for one in record.read(finished / "results.json").runs
    ]
    arguments = ["--models", "lenet5", "--seeds", 1, "--out", tmp_path / "again"]
    assert run(reproduce, altered(runs=runs), *arguments) == 1
    assert (
        "NOT reproduced: outside the prediction interval of the record: test loss of LeNet-5"
        in (capsys.readouterr().out)
    )


@pytest.mark.usefixtures("without_figures")
def test_another_machine_and_an_older_recipe_are_said(altered, finished, tmp_path, capsys):
    result = record.read(finished / "results.json")
    environment = msgspec.structs.replace(result.environment, keras="3.0.0", cores=64)
    older = msgspec.to_builtins(result.recipe)
    for training in older["training"].values():
        del training["flip"]
    copy = altered(environment=environment, recipe=older)
    arguments = ["--quick", "--models", "lenet5", "--out", tmp_path / "again"]
    assert run(reproduce, copy, *arguments) == 0
    said = capsys.readouterr().out
    assert f"Not as in the record: keras: 3.0.0 -> {result.environment.keras}" in said
    found = comparison(tmp_path / "again")
    assert found.changed[1].startswith("cores: 64 -> ")
    assert found.recipe_changed == ["training.lenet5.flip: (none) -> False"]


def test_nothing_is_trained_on_other_images(altered, finished, tmp_path, capsys):
    dataset = record.read(finished / "results.json").dataset
    copy = altered(dataset=msgspec.structs.replace(dataset, sha256="0" * 64))
    for arguments in ([], ["--quick"]):
        assert run(reproduce, copy, *arguments, "--out", tmp_path / "again") == 2
        assert "nothing was trained" in capsys.readouterr().err
        assert not (tmp_path / "again").exists()


def test_ctrl_c_in_a_first_look_leaves_nothing(finished, tmp_path, monkeypatch, capsys):
    from kerasdl.studies.networks import Study

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "fit", interrupted)
    assert run(reproduce, finished, "--quick", "--out", tmp_path / "again") == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def test_without_a_name_each_repetition_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(reproduce._out(None, "svhn", False, tmp_path)) == "runs/reproduce-svhn"
    (tmp_path / "runs" / "reproduce-svhn").mkdir(parents=True)
    assert str(reproduce._out(None, "svhn", True, tmp_path)) == "runs/reproduce-svhn-2"


def test_it_wants_a_record(tmp_path, capsys):
    assert run(reproduce, tmp_path) == 2
    assert "expected a folder with a results.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "arguments", "message"),
    [
        ({}, ["--models", "vgg16"], "--models takes some of lenet5, smallnet"),
        ({}, ["--models", ","], "--models takes some of lenet5, smallnet"),
        ({}, ["--seeds", "3"], "the record has seeds: 2"),
        ({"status": "interrupted"}, [], "must be of a finished run"),
        ({"app": "theory9"}, [], "must be of an app"),
        ({"app": "reproduce"}, [], "must be of an app"),
        ({"app": "../x"}, [], "must be of an app"),
    ],
)
def test_a_users_error_is_one_line(altered, tmp_path, capsys, fields, arguments, message):
    assert run(reproduce, altered(**fields), *arguments, "--out", tmp_path / "again") == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "again").exists()


def test_a_recipe_that_is_not_the_records_is_refused(altered, tmp_path, capsys):
    copy = altered()
    text = (copy / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(text.replace("epochs = 12", "epochs = 13", 1))
    assert run(reproduce, copy, "--out", tmp_path / "again") == 2
    assert "training.lenet5.epochs: 12 -> 13" in capsys.readouterr().err


@pytest.mark.usefixtures("without_figures")
def test_a_record_of_several_workers_is_reproduced_in_one_process(
    altered, finished, tmp_path, capsys, monkeypatch
):
    old = record.read(finished / "results.json").recipe
    copy = altered(recipe={**old, "strategy": "multiworker"})
    text = (copy / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(text.replace('strategy = "auto"', 'strategy = "multiworker"'))
    out = tmp_path / "again"
    arguments = [copy, "--models", "lenet5", "--seeds", 1, "--out", out]
    cluster = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", cluster)
    assert run(reproduce, *arguments) == 2
    assert "unset TF_CONFIG. Received: one of 2 workers" in capsys.readouterr().err
    assert not out.exists()
    monkeypatch.delenv("TF_CONFIG")
    assert run(reproduce, *arguments) == 0
    assert comparison(out).recipe_changed == ["strategy: multiworker -> auto"]


def test_a_first_look_never_writes_into_another_folder(finished, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("")
    for folder, message in (tmp_path, "new or empty folder"), (finished, "another folder than"):
        assert run(reproduce, finished, "--quick", "--out", folder) == 2
        assert message in capsys.readouterr().err
    assert run(reproduce, finished, "--out", finished) == 2
    assert "another folder than the record's" in capsys.readouterr().err


def test_help_and_errors_import_no_keras(run_python, tmp_path):
    for arguments, code in (["--help"], 0), ([tmp_path], 2):
        done = run_python("-X", "importtime", "-m", "kerasdl", "reproduce", *arguments)
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
        assert "kerasdl.studies.options" in imported
        assert not imported & {"keras", "tensorflow", "scipy", "matplotlib"}
        assert done.returncode == code


def test_seeds_are_counted_from_one(finished, capsys):
    for number in ("0", "-1", "x"):
        with pytest.raises(SystemExit) as caught:
            run(reproduce, finished, "--seeds", number)
        assert caught.value.code == 2
        assert "--seeds: expected a number of 1 or more. Received" in capsys.readouterr().err


APPS = Path(__file__).parents[1] / "apps"
RECORDS = {
    path.parent.relative_to(APPS).as_posix(): path for path in sorted(APPS.rglob("results.json"))
}
FINDINGS = {name for name, path in RECORDS.items() if record.is_findings(path)}


@pytest.mark.parametrize("name", sorted(RECORDS.keys() - FINDINGS))
def test_the_committed_records_can_be_reproduced(name):
    """Their recipes are still those of the code, but for keys that recipes have gained."""
    options = reproduce.make_parser().parse_args([str(RECORDS[name].parent), "--quick"])
    task = reproduce._prepare(options)
    assert (task.kind, task.plan.seeds) == ("quick", 1)
    assert all("(none) -> " in line for line in task.gained)


ROOT = APPS.parent
STUDIES = [
    path.parent.relative_to(ROOT).as_posix()
    for room in ("apps", "tuning")
    for path in sorted((ROOT / room).rglob("results.json"))
    if record.is_findings(path)
]


@pytest.mark.parametrize("name", STUDIES)
def test_the_committed_experiments_and_searches_can_be_reproduced(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    task = reproduce_study.prepare(Path(name), Path(name) / "results.json")
    command = importlib.import_module(task.main.__module__)
    experiment = getattr(command, "EXPERIMENT", None)
    if experiment is None:
        (experiment,) = (one for one in command.APP.experiments if one.name == task.arguments[1])
    parser = experiment_command.make_parser(task.old.app, experiment)
    options = vars(parser.parse_args([*task.arguments, "--out", "x", "--data", "y"]))
    plan = experiment_command.make_recipe(task.old.app, experiment, options)
    now = {"app": task.old.app, "experiment": experiment.name, **recipe.to_dict(plan)}
    assert recipe.differences(task.old.recipe, now) == task.gained
    found = compare(task.old.sections, task.old.sections, reproduce_study._seeds(task.old.recipe))
    assert (found.judged, found.differing) == ([], [])
    assert found.equal > 0


def test_a_study_that_this_version_does_not_have_is_answered_with_what_it_was(tmp_path, capsys):
    old = record.read_findings(ROOT / "tuning" / "mnist_width" / "results.json")
    gone = msgspec.structs.replace(old, app="gone", study="gone", command="python gone.py")
    record.write(gone, tmp_path / "results.json")
    assert run(reproduce, tmp_path) == 2
    said = capsys.readouterr().err
    assert "Received: 'gone', whose command was: python gone.py" in said


def test_a_damaged_record_is_said(tmp_path, capsys):
    (tmp_path / "results.json").write_text('{"kind": "experiment"}')
    assert run(reproduce, tmp_path) == 2
    assert "not a kerasdl results.json" in capsys.readouterr().err
