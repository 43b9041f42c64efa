"""`python -m kerasdl reproduce` of an experiment and of a search, and how tables are compared."""

import json
import shutil

import jsonschema
import msgspec
import pytest
from datasets_fakes import write_bands

from kerasdl import record
from kerasdl.apps import reproduce, theory
from kerasdl.evaluation import reproduction
from kerasdl.evaluation.agreement_tables import compare
from kerasdl.sections import Claim, Section, Table
from kerasdl.tuning import mnist_width


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """The folder of a search of three widths on small images."""
    root = tmp_path_factory.mktemp("digits")
    write_bands(root, {"train": 30, "test": 10}, 12)
    out = tmp_path_factory.mktemp("width") / "run"
    widths = ["--smallest", "2", "--largest", "4", "--step", "1", "--seeds", "2", "--epochs", "2"]
    data = ["--dataset", str(root), "--validation-fraction", "0.3", "--batch-size", "16"]
    assert mnist_width.main([*widths, *data, "--out", str(out)]) == 0
    return out


def run(*arguments):
    return reproduce.main([str(argument) for argument in arguments])


def comparison(folder):
    content = (folder / "reproduction.json").read_bytes()
    return msgspec.json.decode(content, type=reproduction.StudyReproduction)


def test_a_search_is_reproduced_in_a_folder_of_its_own(search, tmp_path, capsys):
    before = (search / "results.json").read_bytes()
    content = json.loads(before)
    jsonschema.validate(content, record.json_schema())
    assert (content["kind"], content["study"]) == ("search", "mnist_width")
    assert run(search, "--out", tmp_path / "again") == 0
    said = capsys.readouterr().out
    found = comparison(tmp_path / "again")
    assert said.rstrip().endswith(found.sentence)
    assert "cells are equal." in found.sentence
    assert (found.verdict, found.changed, found.recipe_changed) == ("reproduced", [], [])
    assert found.tables.equal > 20
    assert (search / "results.json").read_bytes() == before


def test_a_search_whose_winner_was_better_is_not_reproduced(search, tmp_path, capsys):
    old = record.read_findings(search / "results.json")
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(search / "recipe.toml", copy)
    plain = msgspec.to_builtins(old)
    (winner,) = (t for s in plain["sections"] for t in s["tables"] if t["name"] == "winner")
    place = winner["columns"].index("Test accuracy (%)")
    for seed, row in enumerate(winner["rows"]):
        row[place] = 900.0 + seed / 1000
    record.write(msgspec.convert(plain, record.Findings), copy / "results.json")
    assert run(copy, "--out", tmp_path / "again") == 1
    assert (
        "NOT reproduced: outside the prediction interval of the record: winner: Test accuracy"
        in (capsys.readouterr().out)
    )


def test_an_experiment_without_images_is_reproduced(tmp_path, capsys):
    arguments = ["--parts", "divergence", "--out", str(tmp_path / "first")]
    assert theory.main(arguments) == 0
    assert record.read_findings(tmp_path / "first" / "results.json").kind == "experiment"
    assert run(tmp_path / "first", "--out", tmp_path / "again") == 0
    found = comparison(tmp_path / "again")
    assert found.verdict == "reproduced"
    assert found.tables.differing == []
    assert "Machine and versions are the record's." in capsys.readouterr().out


def test_users_errors_train_nothing(search, tmp_path, capsys):
    out = ["--out", tmp_path / "again"]
    for option in (["--quick"], ["--models", "mlp"], ["--seeds", "1"]):
        assert run(search, *option, *out) == 2
        assert f"{option[0]} is of comparisons of networks" in capsys.readouterr().err
    assert run(search, "--out", search) == 2
    assert "another folder than the record's" in capsys.readouterr().err
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(search / "recipe.toml", copy)
    old = record.read_findings(search / "results.json")
    other = msgspec.structs.replace(old.dataset, sha256="0" * 64)
    record.write(msgspec.structs.replace(old, dataset=other), copy / "results.json")
    assert run(copy, *out) == 2
    assert "nothing was trained" in capsys.readouterr().err
    record.write(msgspec.structs.replace(old, status="interrupted"), copy / "results.json")
    assert run(copy, *out) == 2
    assert "must be of a finished run" in capsys.readouterr().err
    record.write(old, copy / "results.json")
    text = (copy / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(text.replace("largest = 4", "largest = 5"))
    assert run(copy, *out) == 2
    assert "largest: 4 -> 5" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def section(*tables, verdict="right"):
    claim = Claim(report="D", claim="It is so.", measured="It is.", verdict=verdict)
    return [Section(title="A", claims=[claim], tables=list(tables))]


def table(rows, columns=("Model", "Accuracy", "Seconds"), name="t"):
    return Table(name=name, title="T", columns=list(columns), rows=rows)


def test_numbers_are_judged_by_the_spread_of_the_record():
    old = section(table([["a", "90.00 ± 1.00", 3.0], ["b", "−4.00 ± 0.50", 3.0]]))
    near = section(table([["a", "90.50 ± 0.20", 9.0], ["b", "−4.00 ± 0.50", 3.0]]))
    found = compare(old, near, 5)
    assert (found.equal, found.differing) == (2, [])  # the claim and b; times are left out
    (figure,) = found.judged
    assert (figure.name, figure.inside, figure.level) == ("t: a: Accuracy", True, 0.95)
    # t(0.975, 4) = 2.776; 1.005 = the deviation with what rounding hides of it.
    assert figure.interval == pytest.approx((90 - 2.776445 * 1.005 * (2 / 5) ** 0.5, 91.764), 1e-4)
    assert reproduction.decide_tables(found) == "reproduced"
    far = section(table([["a", "97.00 ± 0.20", 9.0], ["b", "+4.00 ± 0.50", 3.0]]))
    found = compare(old, far, 5)
    assert [(one.inside, one.level) for one in found.judged] == [(False, 0.975)] * 2
    assert reproduction.decide_tables(found) == "not reproduced"


def test_deviations_beside_a_number_and_rows_of_seeds_are_spreads():
    columns = ("Trial", "loss", "loss deviation")
    old, new = (section(table([["1", loss, 0.1]], columns)) for loss in (1.0, 1.05))
    (figure,) = compare(old, new, 3).judged
    assert (figure.name, figure.inside, figure.record.std) == ("t: 1: loss", True, 0.1)
    old, new = (
        section(table([["0", 98.1 + more], ["1", 98.3 + more]], ("Seed", "Test"), "winner"))
        for more in (0.0, 40.0)
    )
    (figure,) = compare(old, new, 2).judged
    assert (figure.name, figure.inside, figure.now.n) == ("winner: Test", False, 2)


def test_what_has_no_spread_is_listed_and_not_confirmed():
    old = section(table([["a", 1.0, 2.0], ["a", "90.00 ± 0.00", 2.0]]))
    new = section(
        table([["a", 1.5, 2.0], ["a", "89.00 ± 0.10", 2.0], ["c", 1, 2]]), verdict="wrong"
    )
    for seeds in (1, 3):
        found = compare(old, new, seeds)
        assert found.judged == []
        assert [(one.table, one.row, one.record, one.now) for one in found.differing] == [
            ("claims", "D: It is so.", "right", "wrong"),
            ("t", "a", 1.0, 1.5),
            ("t", "a (2)", "90.00 ± 0.00", "89.00 ± 0.10"),
            ("t", "c", None, 1),
        ]
        assert reproduction.decide_tables(found) == "not confirmed"
    assert compare(old, old, 3).equal == 3
    assert reproduction.decide_tables(compare(old, old, 3)) == "reproduced"
