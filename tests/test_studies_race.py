"""`--seeds auto`: further seeds go to the models that are still tied with the best."""

import msgspec
import numpy as np
import pytest
from datasets_fakes import write_bands
from test_studies_stacking import SHORT, images, make_plan, make_study  # noqa: F401

from kerasdl import record
from kerasdl.apps import gurmukhi, reproduce
from kerasdl.evaluation.reproduction import Reproduction
from kerasdl.studies import stacking
from kerasdl.studies.minutes import Limit

RACE = ["--models", "baseline,l1,dropout", "--seeds", "auto", "--max-seeds", "6"]
LEARNING = ["--epochs", "12", "--learning-rate", "0.01", "--units", "32"]
CHANCE = ["--set", "settings.l1.l1=100.0"]
"""So much of a penalty that nothing is learnt."""


def race_plan(*arguments):
    return make_plan(*RACE, *LEARNING, *CHANCE, *arguments)


@pytest.fixture
def run(images, tmp_path):  # noqa: F811
    study = make_study(images, tmp_path / "run", plan=race_plan())
    study.run()
    return study


def seeds_of(found):
    seeds = {}
    for one in found.runs:
        seeds.setdefault(one.model, []).append(one.seed)
    return seeds


def test_a_loser_gets_three_seeds_and_those_that_are_tied_all(run, images, tmp_path):  # noqa: F811
    found = run.add_sections([])
    assert found.status == "complete"
    assert seeds_of(found) == {"baseline": [*range(6)], "l1": [*range(3)], "dropout": [*range(6)]}
    assert [one.stacked for one in found.runs if one.seed < 3] == [3] * 9
    assert [one.stacked for one in found.runs if one.seed >= 3] == [2] * 6
    (section,) = found.sections
    assert "have all 6 seeds, and are still tied" in section.text[0]
    told = dict(section.tables[0].rows)
    assert told["baseline"] == "6 seeds: all that were allowed, still tied with dropout"
    assert told["l1"].startswith("3 seeds: ")
    assert "leads it by" in told["l1"]
    # Again, nothing is trained; and the record is one that reads.
    again = make_study(images, tmp_path / "run", plan=race_plan())
    assert again.executor._divided is None
    assert again.run().runs == found.runs
    assert again.executor._divided is None
    assert record.read(tmp_path / "run" / "results.json").recipe["seeds"] == "auto"


def test_who_beats_whom_is_what_the_race_and_the_test_images_say(run):
    verdicts = {frozenset(one.models): one for one in run.record.comparisons}
    assert verdicts[frozenset(("baseline", "l1"))].better == "baseline"
    assert verdicts[frozenset(("baseline", "l1"))].seeds == [0, 1, 2]
    tied = verdicts[frozenset(("baseline", "dropout"))]
    assert tied.better is None
    assert "tied within noise" in tied.verdict
    assert tied.seeds == [*range(6)]


def test_killed_between_two_looks_it_is_the_same_race(run, images, tmp_path, monkeypatch):  # noqa: F811
    from kerasdl.studies.executor import Executor

    train, left = Executor.train, [4]

    def interrupted(self, group, place):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return train(self, group, place)

    monkeypatch.setattr(Executor, "train", interrupted)
    folder = tmp_path / "killed"
    assert make_study(images, folder, plan=race_plan()).run().status == "interrupted"
    left[0] = 100
    found = make_study(images, folder, plan=race_plan()).run()
    assert found.status == "complete"
    assert left[0] == 98
    for one, other in zip(found.runs, run.record.runs, strict=True):
        assert (one.model, one.seed, one.history) == (other.model, other.seed, other.history)
        np.testing.assert_array_equal(one.metrics.test_loss, other.metrics.test_loss)


def test_it_ends_at_a_look_when_the_time_is_over(images, tmp_path):  # noqa: F811
    study = make_study(images, tmp_path / "run", plan=race_plan(), limit=Limit(0.0, 0.0))
    found = study.run()
    assert found.status == "complete"
    assert seeds_of(found) == {name: [0, 1, 2] for name in ("baseline", "l1", "dropout")}
    section = study.add_sections([]).sections[0]
    assert "The time was over while baseline, dropout were still tied" in section.text[0]
    # The same command finds a finished run, not time for more.
    again = make_study(images, tmp_path / "run", plan=race_plan(), limit=Limit(60.0, 1e9))
    assert len(again.run().runs) == 9


def test_minutes_are_planned_for_the_first_look(images):  # noqa: F811
    from kerasdl.studies.networks_timing import FirstLook, NetworksTiming
    from kerasdl.studies.timing import Sizes
    from kerasdl.training.strategy import make_strategy

    dataset, splits = images
    parts = race_plan(), dataset, splits, make_strategy("none"), {}
    sizes = Sizes.of(splits, 3)
    assert len(FirstLook(*parts).works(parts[0], sizes)) == 3 * 3
    assert len(NetworksTiming(*parts).works(parts[0], sizes)) == 3 * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "3", "--max-seeds", "6"], "--max-seeds is of --seeds auto. Received: --seeds"),
        (["--seeds", "auto", "--validation-fraction", "0"], "goes by the validation images"),
    ],
)
def test_what_does_not_go_together_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_plan(*arguments)


@pytest.mark.parametrize("words", [["--seeds", "some"], ["--seeds", "auto", "--max-seeds", "2"]])
def test_what_is_no_number_of_seeds_ends_with_exit_code_2(words, tmp_path, capsys):
    out = tmp_path / "run"
    with pytest.raises(SystemExit, match="2"):
        gurmukhi.main([*SHORT, *words, "--out", str(out)])
    assert words[-2] in capsys.readouterr().err
    assert not out.exists()


def test_a_command_races_and_says_so(tmp_path, capsys):
    folder = write_bands(tmp_path / "images", {"train": 60, "test": 20}, 12)
    words = ["--dataset", str(folder), *SHORT, *RACE, "--epochs", "1"]
    arguments = [*words, "--out", str(tmp_path / "run")]
    assert gurmukhi.main(arguments) == 0
    said = capsys.readouterr().out
    assert "of at most 18)" in said
    page = (tmp_path / "run" / "README.md").read_text()
    assert "Who got how many seeds, and why" in page
    assert "Dropout, L2 or L1?" not in page
    assert gurmukhi.main(arguments) == 0
    assert "kept" in capsys.readouterr().out
    assert stacking.Group(("a",), 0).name == "a-seed0"


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    """The folder of a race on a person's own images, and the arguments with them."""
    root = tmp_path_factory.mktemp("digits")
    write_bands(root, {"train": 40, "test": 10}, 12)
    out = tmp_path_factory.mktemp("race") / "run"
    data = ["--dataset", str(root), "--validation-fraction", "0.3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasdl.reporting.report.illustrate", lambda *arguments: [])
        race = ["--models", "baseline,l1,dropout", "--seeds", "auto", "--max-seeds", "4"]
        assert gurmukhi.main([*SHORT, *LEARNING, *CHANCE, *race, *data, "--out", str(out)]) == 0
    return out


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize(
    ("arguments", "seeds", "kind"),
    [
        ([], None, "whole"),
        (["--seeds", "2"], [0, 1], "part"),
        (["--quick"], [0], "quick"),
        (["--quick", "--seeds", "2"], [0, 1], "quick"),
    ],
)
def test_a_race_is_reproduced_as_one_or_with_a_number_of_seeds(
    raced, tmp_path, arguments, seeds, kind, monkeypatch
):
    old = record.read(raced / "results.json")
    assert old.recipe["seeds"] == "auto"
    assert all(run.stacked for run in old.runs)
    fitted = []
    fit = stacking.Stack.fit

    def counted(self, group, *parts):
        fitted.append(group.models)
        return fit(self, group, *parts)

    monkeypatch.setattr(stacking.Stack, "fit", counted)
    out = tmp_path / "again"
    assert reproduce.main([str(raced), *arguments, "--out", str(out)]) == 0
    assert fitted[0] == ("baseline", "l1", "dropout")
    found = msgspec.json.decode((out / "reproduction.json").read_bytes(), type=Reproduction)
    assert (found.kind, found.verdict) == (kind, "reproduced")
    for one in found.models:
        recorded = [run.seed for run in old.runs if run.model == one.model]
        assert one.seeds == one.bit_identical == (seeds or recorded)
        assert (one.epochs, one.of_epochs) == ((2 if kind == "quick" else 12), 12)


def test_a_race_has_no_more_seeds_than_it_took(raced, tmp_path, capsys):
    assert reproduce.main([str(raced), "--seeds", "5", "--out", str(tmp_path / "again")]) == 2
    assert "the record has seeds: " in capsys.readouterr().err
