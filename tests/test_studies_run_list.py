"""`kerasdl runs`: runs of every kind in a folder."""

import json
from pathlib import Path

import pytest

from kerasdl import cli, record
from kerasdl.studies import run_list

ROOT = Path(__file__).resolve().parent.parent


def test_committed_records_are_listed_as_they_are():
    found = {Path(run.folder).relative_to(ROOT).as_posix(): run for run in run_list.find(ROOT)}
    records = [
        path
        for path in ROOT.rglob("results.json")
        if path.relative_to(ROOT).parts[0] in ("apps", "tuning")
    ]
    assert {path.parent.relative_to(ROOT).as_posix() for path in records} <= set(found)
    for path in records:
        run = found[path.parent.relative_to(ROOT).as_posix()]
        findings = record.is_findings(path)
        full = record.read_findings(path) if findings else record.read(path)
        assert (run.when, run.status) == (full.created, full.status)
        assert run.dataset == (full.dataset and full.dataset.label)
        assert (run.kind == "comparison") == (not findings)
        if not findings:
            best = max(full.summary, key=lambda one: one.test_accuracy.mean)
            assert (run.best, run.score) == (best.model, best.test_accuracy)
            assert run.models == [one.model for one in full.summary]
    width = found["tuning/mnist_width"]
    assert (width.kind, width.app, width.best) == ("search", "mnist_width", "winner")
    assert width.score.n == 5
    assert 0.98 < width.score.mean < 0.99
    assert found["apps/cifar10/depth"].kind == "experiment"
    assert found["apps/cifar10/depth"].app == "cifar10 depth"


def test_the_newest_comes_first():
    times = [run.when for run in run_list.find(ROOT / "apps")]
    assert times == sorted(times, reverse=True)


def test_damaged_and_begun_runs_are_listed_and_a_runs_insides_are_not(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "results.json").write_text('{"app": 3}')
    begun = tmp_path / "begun"
    (begun / "parts").mkdir(parents=True)
    (begun / "recipe.toml").write_text(
        'app = "mnist_width"\nexperiment = "mnist_width"\n[data]\ndataset = "mnist"\n'
    )
    (begun / "keras_tuner").mkdir()
    (begun / "keras_tuner" / "results.json").write_text("{}")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "recipe.toml").write_text("app = 'svhn'\n")
    found = {Path(run.folder).name: run for run in run_list.find(tmp_path)}
    assert set(found) == {"bad", "begun"}
    assert found["bad"].status == "unreadable"
    assert "app" in found["bad"].problem
    one = found["begun"]
    assert (one.status, one.kind, one.dataset) == ("unfinished", "search", "mnist")


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["runs", str(ROOT / "tuning" / "mnist_width")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "search" in said
    assert "98.32 ± 0.05" in said
    assert cli.main(["runs", str(ROOT / "apps"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in rows} == {"comparison", "experiment"}
    assert cli.main(["runs", str(ROOT / "tuning"), "-q"]) == 0
    assert str(ROOT / "tuning" / "mnist_width") in capsys.readouterr().out.splitlines()
    assert cli.main(["runs", str(tmp_path)]) == 0
    assert "No runs in" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_folder_that_is_none_is_refused(tmp_path, capsys, name):
    (tmp_path / "file").write_text("")
    assert cli.main(["runs", str(tmp_path / name)]) == 2
    assert "expected a folder of runs" in capsys.readouterr().err
