"""The run folder after a kill at a bad moment."""

import contextlib
from pathlib import Path

import msgspec
import pytest

from kerasdl import files, recipe, record
from kerasdl.apps import svhn, theory
from kerasdl.reporting.render import toml
from kerasdl.studies import experiment_command
from kerasdl.studies.folder import check_usable, choose, locked
from kerasdl.studies.options import make_recipe
from kerasdl.studies.plan import Recipe
from kerasdl.tuning import mnist_width


def leave_half(path):
    """Leaves what a process leaves that is killed while it writes `path`."""
    with contextlib.suppress(RuntimeError), files.atomic_path(path) as temporary:
        copy = temporary.read_bytes()
        raise RuntimeError
    temporary.write_bytes(copy)  # an exception, unlike a kill, has removed it
    return temporary


@pytest.mark.parametrize("name", ["recipe.toml", "results.json"])
def test_a_run_killed_in_its_first_write_goes_on_in_its_folder(tmp_path, name):
    out = tmp_path / "run"
    left = leave_half(out / name)
    assert left.exists()
    assert choose(str(out), "svhn", {}, "") == out
    with locked(out):
        assert not left.exists()


def test_half_files_are_removed_and_nothing_else(tmp_path):
    mine = [tmp_path / ".vscode.settings.json", tmp_path / ".results.json", tmp_path / "models"]
    mine[2].mkdir()
    for path in mine[:2]:
        path.write_text("mine")
    half = [
        leave_half(tmp_path / name)
        for name in ("predictions.npz", "README.md", "models/a-seed0.keras", "figures/a.png")
    ]
    with locked(tmp_path):
        assert not any(path.exists() for path in half)
    assert all(path.exists() for path in mine)
    with pytest.raises(ValueError, match="new or empty folder"):
        choose(str(tmp_path), "svhn", {}, "")


def test_a_run_of_an_older_version_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    committed = Path(__file__).parents[1] / "apps" / "svhn" / "results.json"
    old = record.read(committed)
    training = {
        name: {key: value for key, value in settings.items() if key not in ("ema", "class_weight")}
        for name, settings in old.recipe["training"].items()
    }
    before = msgspec.structs.replace(old, recipe={**old.recipe, "training": training})
    record.write(before, tmp_path / "runs" / "svhn" / "results.json")
    now = recipe.to_dict(recipe.from_dict(before.recipe, Recipe, where=""))
    assert now != before.recipe
    assert str(choose(None, "svhn", now, old.dataset.sha256)) == "runs/svhn"


def test_a_folder_is_usable_and_nothing_is_left_of_the_look(tmp_path):
    check_usable(tmp_path / "new" / "run")
    check_usable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_folder_is_not_usable(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="another process works in"):
        check_usable(tmp_path)
    check_usable(tmp_path)


def test_a_folder_that_cannot_be_written_is_not_usable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"can be written.*file: Not a directory"):
        check_usable(tmp_path / "file" / "run")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    # Root, whose tests these may be, is refused nothing by modes.
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    with pytest.raises(ValueError, match=r"can be written.*Permission denied"):
        check_usable(tmp_path / "run")


@pytest.mark.parametrize("command", [svhn, theory, mnist_width], ids=lambda one: one.__name__)
@pytest.mark.parametrize("named", [True, False])
def test_a_folder_is_looked_at_before_the_data(tmp_path, monkeypatch, capsys, command, named):
    def load(*arguments):
        pytest.fail("the data were loaded")

    monkeypatch.setattr("kerasdl.studies.data.load_whole", load)
    monkeypatch.chdir(tmp_path)
    if not named:
        (tmp_path / "runs").write_text("a file")
        assert command.main([]) == 2
        assert "choose one with --out" in capsys.readouterr().err
        return
    out = tmp_path / "run"
    with locked(out):
        assert command.main(["--out", str(out)]) == 2
    assert "another process works in" in capsys.readouterr().err


@pytest.mark.parametrize("command", [svhn, mnist_width], ids=lambda one: one.__name__)
def test_the_same_run_in_a_default_folder_is_found_before_the_data(
    tmp_path, monkeypatch, capsys, command
):
    def load(*arguments):
        pytest.fail("the data were loaded")

    monkeypatch.setattr("kerasdl.studies.data.load_whole", load)
    monkeypatch.chdir(tmp_path)
    name = command.__name__.rpartition(".")[2]
    with locked(tmp_path / "runs" / name):
        if command is svhn:
            plan = recipe.to_dict(make_recipe(svhn.APP, {"preset": "default"}))
        else:
            made = experiment_command.make_recipe(name, command.EXPERIMENT, {"preset": "default"})
            plan = {"app": name, "experiment": name, **recipe.to_dict(made)}
        (tmp_path / "runs" / name / "recipe.toml").write_text(toml(plan))
        assert command.main([]) == 2
        assert f"another process works in runs/{name}" in capsys.readouterr().err
        # Another run goes to another folder.
        (tmp_path / "runs" / name / "recipe.toml").write_text(toml({**plan, "seed": 7}))
        assert choose(None, name, plan, "") == Path("runs") / f"{name}-2"
