"""The sections of a search: what they say, their tables, that they can be written."""

import csv

import numpy as np
import pytest
from tuning_fakes import IMAGES, INFO, execution, outcome, trial

from kerasdl import record
from kerasdl.reporting.figures import scales, trial_curves
from kerasdl.reporting.findings import write_findings
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.report import Winner, sections
from kerasdl.tuning.wording import Words

WIDTH = Words(noun="width", plural="widths", key="units", labels={"units": "Hidden width"})
ACCURACY = scales.Objective("validation accuracy")
ENVIRONMENT = record.Environment("0", "3", "2", "2", "3", "tensorflow", "cpu", "none", "float32", 2)


def widths():
    return [
        trial(0, {"units": 60}, [300, 301, 302]),
        trial(1, {"units": 120}, [41, 44, 39]),
        trial(2, {"units": 180}, [40, 42, 38]),
        outcome(3, {"units": 240}, [], message="ValueError: no memory | <b>"),
    ]


def made(folder, outcomes, objective="val_accuracy", **arguments):
    arguments.setdefault("words", WIDTH)
    ranking = Ranking(outcomes, objective=objective, validation=IMAGES)
    return {one.title: one for one in sections(folder, INFO, ranking, **arguments)}


def written(folder, found):
    findings = record.Findings(
        kind="search",
        app="mnist_width",
        study="mnist_width",
        title="Width",
        command="python",
        created="2024-01-01T00:00:00+00:00",
        status="complete",
        environment=ENVIRONMENT,
        dataset=INFO,
        recipe={},
        seconds=1.0,
        sections=found,
    )
    write_findings(folder, findings)


def rows(table):
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


@pytest.fixture
def winner():
    return Winner(
        values={"units": 120},
        why="the smallest width tied with the best",
        seeds=[0, 1, 2],
        test_accuracy=[0.981, 0.982, 0.98],
        epochs=6,
        parameters=1001,
        model="models/best.keras",
    )


def test_sections_of_a_search_of_one_number(tmp_path, winner):
    found = made(tmp_path, widths(), axis="units", winner=winner)
    assert list(found) == [
        "What the search found",
        "The winner on the test set",
        "Failed trials",
        "All trials",
    ]
    first = found["What the search found"]
    assert first.text[0].startswith("Width 180 has the highest validation accuracy, 98.00 ± 0.10 %")
    assert "the smallest of them is 120" in first.text[0]
    assert "1 trial failed" in first.text[0]
    assert "the search saw no test image" in first.text[2]
    best = rows(first.tables[0])
    assert [row["Tied with the best"] for row in best] == ["best", "yes", "no"]
    assert best[0]["p"] is None
    assert [one.file for one in first.figures] == ["figures/value-curve.png"]
    # One hyper-parameter: parallel coordinates would be the value curve again.
    assert [one.file for one in found["All trials"].figures] == ["figures/trial-curves.png"]
    for section in found.values():
        for figure in section.figures:
            assert (tmp_path / figure.file).is_file()
            assert figure.alt
            assert figure.caption


def test_the_winner_is_scored_once_on_the_test_images(tmp_path, winner):
    section = made(tmp_path, widths(), winner=winner)["The winner on the test set"]
    said = " ".join(section.text)
    assert said.startswith(
        "Test accuracy 98.10 ± 0.10 %: width 120, the smallest width tied with the best, trained "
        "again from new weights on the training and the validation images together with 3 seeds."
    )
    assert "scored once, after the search, and only for this setting" in said
    assert "known to ± 0.14 points" in said
    assert "its validation accuracy was 97.93 ± 0.13 %" in said
    assert "by +0.17 points" in said
    assert "models/best.keras" in said
    assert [row["Test accuracy (%)"] for row in rows(section.tables[0])] == pytest.approx(
        [98.1, 98.2, 98.0]
    )


def test_all_trials_are_in_the_csv_file(tmp_path):
    found = made(tmp_path, widths(), axis="units")
    written(tmp_path, list(found.values()))
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["Trial"] for row in table] == ["0002", "0001", "0000", "0003"]
    assert [row["Rank"] for row in table] == ["1.0", "2.0", "3.0", ""]
    assert [row["Hidden width"] for row in table] == ["180", "120", "60", "240"]
    assert float(table[0]["val_accuracy"]) == pytest.approx(0.98, abs=1e-6)
    assert float(table[0]["val_accuracy deviation"]) == pytest.approx(0.001, abs=1e-5)
    assert float(table[0]["loss"]) == pytest.approx(2 * float(table[0]["val_loss"]))
    assert table[0]["Epochs kept"] == "6 6 6"
    assert [row["Seeds"] for row in table] == ["3", "3", "3", "0"]
    assert [row["Parameters"] for row in table] == ["1002", "1001", "1000", "1003"]
    assert float(table[0]["Seconds"]) == 3.5
    assert [row["Status"] for row in table] == ["completed"] * 3 + ["failed"]
    with (tmp_path / "failed-trials.csv").open(encoding="utf-8", newline="") as file:
        assert "no memory | <b>" in next(csv.DictReader(file))["Message"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no memory | <b>" not in page
    assert "Width 180 has the highest" in page
    assert record.read_findings(tmp_path / "results.json").sections == list(found.values())


def test_columns_have_no_commas_and_deviations_no_rounding(tmp_path, winner):
    outcomes = [trial(0, {"units": 60}, [41, 41, 41]), trial(1, {"units": 70}, [40, 42, 44])]
    outcomes[0].executions[1].scores["val_loss"] += 1e-16
    found = made(tmp_path, outcomes, axis="units", winner=winner)
    tables = [table for section in found.values() for table in section.tables]
    assert not [title for table in tables for title in table.columns if "," in title]
    every = {row["Trial"]: row for row in rows(found["All trials"].tables[0])}
    assert every["0000"]["val_loss deviation"] == every["0000"]["val_accuracy deviation"] == 0
    assert every["0001"]["val_loss deviation"] > 0
    assert "share the time equally" in found["All trials"].tables[0].note


def test_trials_trained_together_share_the_order(tmp_path):
    together = "Trials trained together share the order of the images"
    assert together in made(tmp_path, widths())["What the search found"].text[2]
    alone = [trial(0, {"units": 60}, [40]), trial(1, {"units": 70}, [41])]
    assert together not in " ".join(made(tmp_path, alone)["What the search found"].text)


def halving():
    """Three settings of a round, one of which went on."""
    first = {"tuner/epochs": 2, "tuner/initial_epoch": 0, "tuner/round": 0}
    later = {"tuner/epochs": 8, "tuner/initial_epoch": 2, "tuner/round": 1}
    outcomes = [
        trial(0, {"units": 60, **first}, [60, 61, 62]),
        trial(1, {"units": 120, **first}, [50, 51, 52]),
        trial(2, {"units": 180, **first}, [70, 71, 72]),
    ]
    for run in (run for one in outcomes for run in one.executions):
        for values in run.history.values():
            del values[2:]
    return [
        *outcomes,
        trial(3, {"units": 120, **later, "tuner/trial_id": "0001"}, [40, 41, 42]),
    ]


def test_of_a_halving_each_setting_has_its_longest_training(tmp_path, monkeypatch):
    drawn = {}
    draw = trial_curves.draw
    monkeypatch.setattr(
        trial_curves, "draw", lambda path, curves, *rest: drawn.update(curves=curves) or True
    )
    found = made(tmp_path, halving(), axis="units")
    said = found["What the search found"].text[0]
    assert said.startswith("Width 120 has the highest validation accuracy")
    assert "2 other widths" in said
    best = rows(found["What the search found"].tables[0])
    assert [row["Width"] for row in best] == ["width 120", "width 60", "width 180"]
    table = rows(found["All trials"].tables[0])
    assert [row["Trial"] for row in table] == ["0003", "0000", "0002", "0001"]
    assert [row["Rank"] for row in table] == [1, 2, 3, None]
    assert [row["Status"] for row in table] == [*["completed"] * 3, "went on"]
    assert [row["Epochs kept"] for row in table] == ["8 8 8", "6 6 6", "6 6 6", "6 6 6"]
    assert "Failed trials" not in found
    # The curve of a setting is that of all its trainings, one after the other.
    whole, short = drawn["curves"][:2]
    assert (len(whole.values), len(short.values)) == (8, 2)
    assert np.isfinite(whole.values).all()
    assert whole.values[1] < whole.values[-1] == pytest.approx(1 - 41 / IMAGES, abs=1e-6)
    # Without the earlier ones it begins where they had come.
    made(tmp_path, halving()[-1:])
    assert np.isnan(drawn["curves"][0].values).tolist() == [True, True, *[False] * 6]
    assert draw(tmp_path / "curves.png", drawn["curves"], ACCURACY, "Width", INFO)


def test_all_failed(tmp_path):
    bad = execution(0, 5)
    bad.scores.clear()
    bad.history["val_accuracy"][:] = [None] * 6
    outcomes = [
        outcome(0, {"units": 60}, [], message="ValueError"),
        outcome(1, {"units": 120}, [bad]),
    ]
    found = made(tmp_path, outcomes, axis="units")
    assert list(found) == ["What the search found", "Failed trials", "All trials"]
    assert found["What the search found"].text == ["No trial was completed. 2 trials failed."]
    messages = [row["Message"] for row in rows(found["Failed trials"].tables[0])]
    assert messages == ["ValueError", "no finite score"]
    statuses = [row["Status"] for row in rows(found["All trials"].tables[0])]
    assert statuses == ["failed", "not ranked"]
    assert not any(section.figures for section in found.values())
    written(tmp_path, list(found.values()))


def test_no_trials_at_all(tmp_path):
    found = made(tmp_path, [], axis="units")
    assert [one.text for one in found.values()] == [["There was no trial."]]


def test_conditional_hyper_parameters(tmp_path):
    outcomes = [
        trial(0, {"kind": "L2", "l2": 1e-5}, [40, 41, 42]),
        trial(1, {"kind": "L2", "l2": 1e-2}, [50, 51, 52]),
        trial(2, {"kind": "dropout", "dropout": 0.5}, [45, 46, 44]),
        trial(3, {"kind": "none", "flag": True}, [60, 61, 62]),
    ]
    found = made(tmp_path, outcomes, axis=["l2", "dropout"], words=Words())
    table = rows(found["All trials"].tables[0])
    assert [row["l2"] for row in table] == [1e-5, None, 1e-2, None]
    assert [row["flag"] for row in table] == [None, None, None, "yes"]
    assert [one.file for one in found["All trials"].figures] == [
        "figures/trial-curves.png",
        "figures/parallel.png",
    ]
    assert (
        found["What the search found"]
        .figures[0]
        .alt.startswith("Validation accuracy against each hyper-parameter. Best: kind L2, l2 1e-5")
    )
    written(tmp_path, list(found.values()))


def test_loss_with_one_seed(tmp_path):
    outcomes = [trial(i, {"units": 60 * (i + 1)}, [40 + i]) for i in range(3)]
    found = made(tmp_path, outcomes, "val_loss", axis="units")
    first = found["What the search found"]
    assert "lowest validation loss" in first.text[0]
    assert "not tested" in first.text[1]
    assert rows(first.tables[0])[0]["Validation loss"] == "0.0600"


def test_same_outcomes_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        made(tmp_path / name, widths(), axis="units")
    for path in (tmp_path / "a" / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "figures" / path.name).read_bytes()
