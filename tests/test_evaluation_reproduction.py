"""Records against runs of the same recipe, without training anything."""

import msgspec
import pytest
import reporting_fakes as fakes

from kerasdl.evaluation import reproduction
from kerasdl.evaluation.variants import group

OLD = fakes.make(models=("lenet5", "smallnet"))[0]


def changed(runs, **metrics):
    return [
        msgspec.structs.replace(run, metrics=msgspec.structs.replace(run.metrics, **metrics))
        for run in runs
    ]


def histories(runs, epochs):
    return {run.seed: {key: v[:epochs] for key, v in run.history.items()} for run in runs}


def test_the_same_runs_are_bit_identical():
    models = reproduction.compare_runs(OLD, OLD.runs)
    assert [(one.title, one.seeds) for one in models] == [
        ("LeNet-5", [0, 1, 2]),
        ("SmallNet", [0, 1, 2]),
    ]
    assert all(one.bit_identical == one.seeds for one in models)
    assert reproduction.decide(models) == "reproduced"
    names = [figure.name for figure in models[0].figures]
    assert names == [*reproduction.METRICS, "train_seconds"]
    assert models[0].figures[0].level == 0.95
    assert models[0].figures[-1].inside is None  # a time is not judged


def test_a_part_is_compared_with_all_seeds_of_the_record():
    models = reproduction.compare_runs(OLD, [run for run in OLD.runs if run.seed == 1][:1])
    assert [(one.model, one.seeds, one.bit_identical) for one in models] == [("lenet5", [1], [1])]
    assert (models[0].figures[0].record.n, models[0].figures[0].now.n) == (3, 1)


@pytest.mark.parametrize("name", list(reproduction.METRICS))
def test_each_figure_can_break_the_reproduction(name):
    mean = getattr(OLD.runs[0].metrics, name)
    worse = mean + 1.0 if name == "test_loss" else mean / 4 if mean > 0.3 else mean + 0.5
    models = reproduction.compare_runs(OLD, changed(OLD.runs, **{name: worse}))
    outside = {f.name for one in models for f in one.figures if f.inside is False}
    assert outside == {name}
    assert reproduction.decide(models) == "not reproduced"
    assert all(one.bit_identical == [] for one in models)


def test_a_record_of_one_seed_confirms_only_what_is_equal():
    old = fakes.make(models=("lenet5",), seeds=1)[0]
    assert reproduction.decide(reproduction.compare_runs(old, old.runs)) == "reproduced"
    near = changed(old.runs, test_accuracy=old.runs[0].metrics.test_accuracy - 1e-4)
    assert reproduction.decide(reproduction.compare_runs(old, near)) == "not confirmed"


def test_without_validation_images_that_figure_is_left_out():
    runs = changed(OLD.runs, validation_accuracy=None)
    names = {figure.name for figure in reproduction.compare_runs(OLD, runs)[0].figures}
    assert "validation_accuracy" not in names


def test_the_first_epochs_are_compared_at_their_last():
    runs = group(OLD.runs)["lenet5"]
    one = reproduction.compare_histories(OLD, "lenet5", histories(runs[:2], 3))
    assert (one.epochs, one.of_epochs, one.seeds, one.bit_identical) == (3, 12, [0, 1], [0, 1])
    loss = next(figure for figure in one.figures if figure.name == "loss")
    assert loss.record.mean == pytest.approx(sum(run.history["loss"][2] for run in runs) / 3)
    assert loss.now.n == 2
    assert reproduction.decide([one]) == "reproduced"


def test_validation_in_the_first_epochs_is_shown_but_not_judged():
    found = histories(group(OLD.runs)["lenet5"][:1], 3)
    found[0]["val_loss"] = [9.0, 9.0, 9.0]
    one = reproduction.compare_histories(OLD, "lenet5", found)
    figure = next(figure for figure in one.figures if figure.name == "val_loss")
    assert (figure.now.mean, figure.level, figure.inside) == (9.0, None, None)
    assert reproduction.decide([one]) == "reproduced"


def test_other_first_epochs_are_seen():
    found = histories(group(OLD.runs)["lenet5"][:1], 3)
    found[0]["accuracy"] = [0.1, 0.1, 0.1]
    one = reproduction.compare_histories(OLD, "lenet5", found)
    assert [figure.name for figure in one.figures if figure.inside is False] == ["accuracy"]
    assert one.bit_identical == []
    assert reproduction.decide([one]) == "not reproduced"


def test_another_environment_is_listed():
    new = msgspec.structs.replace(OLD.environment, keras="9.9", cores=64)
    lines = reproduction.changes(OLD.environment, new)
    assert lines == [
        f"keras: {OLD.environment.keras} -> 9.9",
        f"cores: {OLD.environment.cores} -> 64",
    ]
    assert reproduction.changes(OLD.environment, OLD.environment) == []
