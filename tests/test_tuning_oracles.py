"""The oracles hand out the same groups of trials, however many processes ask, in any order."""

import random

import keras_tuner
import pytest

from kerasdl.tuning.oracles import explore, make_oracle


def space(hp):
    """Sixteen combinations, one branch."""
    hp.Int("width", 1, 4)
    if hp.Choice("kind", ["plain", "dropped", "wide"]) == "dropped":
        with hp.conditional_scope("kind", ["dropped"]):
            hp.Choice("dropout", [0.1, 0.5])


def few(hp):
    """Fewer settings than the first round of Hyperband wants."""
    hp.Int("width", 60, 600, step=60)


def narrow(hp):
    hp.Float("rate", 1e-4, 1e-1, sampling="log")


SEARCHES = {
    "grid": (space, {}, 3),
    "random": (space, {"max_trials": 8}, 3),
    # KerasTuner's Gaussian process needs seconds a trial.
    "bayesian": (narrow, {"max_trials": 5}, 2),
    "hyperband": (space, {"max_epochs": 9}, 4),
    "hyperband of few": (few, {"max_epochs": 10}, 4),
}


def oracle(folder, name):
    build, options, size = SEARCHES[name]
    made = make_oracle(name.split()[0], seed=3, **options)
    made.verbose, made.group_size, made.wave_size = 0, size, size
    made._set_project_dir(str(folder), "search")
    hp = made.get_space()
    build(hp)
    for value in ("dropped",):
        if "kind" in hp.values:
            hp.values["kind"] = value
            build(hp)
    made.update_space(hp)
    return made


def score(trial):
    """Some score that the values decide."""
    values = sorted(map(str, trial.hyperparameters.values.items()))
    return random.Random(repr(values)).random()


def ask(made, worker):
    """A worker's next group, as PackedTuner asks for it, and the status that ended it."""
    group = []
    while len(group) < made.group_size:
        trial = made.create_trial(f"{worker}#{len(group)}")
        if trial.status != "RUNNING":
            return group, trial.status
        group.append(trial)
    return group, "RUNNING"


def end(made, trial, status="COMPLETED"):
    if status == "COMPLETED":
        made.update_trial(trial.trial_id, {"val_accuracy": score(trial)})
    trial.status = status
    made.end_trial(trial)


def search(made, workers=1, chance=None):
    """Runs a search of several workers, who take turns by chance; returns the groups."""
    chance = chance or random.Random(0)
    hands = {f"worker{number}": [] for number in range(workers)}
    going, groups = set(hands), []
    while going:
        worker = chance.choice(sorted(going))
        if hands[worker]:
            end(made, hands[worker].pop(0))
            continue
        group, status = ask(made, worker)
        hands[worker] = group
        if group:
            groups.append([(trial.trial_id, dict(trial.hyperparameters.values)) for trial in group])
        elif status == "STOPPED":
            going.discard(worker)
    assert not made.ongoing_trials
    assert not made.tuner_ids
    return sorted(groups)


@pytest.mark.parametrize("name", SEARCHES)
def test_groups_do_not_depend_on_who_asks_and_who_is_faster(name, tmp_path):
    alone = search(oracle(tmp_path / "alone", name))
    assert len(alone) > 1
    for seed in range(1 if name == "bayesian" else 4):
        made = oracle(tmp_path / f"{seed}", name)
        assert search(made, 3, random.Random(seed)) == alone


def test_a_grid_is_all_combinations_once_in_groups(tmp_path):
    made = oracle(tmp_path, "grid")
    groups = search(made)
    assert [len(group) for group in groups] == [3] * 5 + [1]
    found = [tuple(sorted(values.items())) for group in groups for _, values in group]
    assert len(found) == len(set(found)) == 16
    assert groups[0][0][1] == {"width": 1, "kind": "plain"}


def test_halving_takes_the_best_of_a_round_on(tmp_path):
    made = oracle(tmp_path, "hyperband")
    groups = search(made)
    trials = {name: values for group in groups for name, values in group}
    before = {name: values.get("tuner/trial_id") for name, values in trials.items()}
    # The first bracket: 9, 3 and 1 trials of 1, 3 and 9 epochs.
    second = [name for name, first in before.items() if first in sorted(trials)[:9]]
    assert [trials[name]["tuner/epochs"] for name in second] == [3] * 3
    best = sorted(sorted(trials)[:9], key=lambda name: -score(made.trials[name]))[:3]
    assert {before[name] for name in second} == set(best)
    (third,) = [name for name, first in before.items() if first in second]
    assert trials[third]["tuner/epochs"] == 9
    assert before[third] == max(second, key=lambda name: score(made.trials[name]))


def test_halving_goes_on_where_settings_are_fewer_than_its_first_round_wants(tmp_path):
    made = oracle(tmp_path, "hyperband of few")
    trials = [values for group in search(made) for _, values in group]
    by_epochs = {}
    for values in trials:
        by_epochs.setdefault(values["tuner/epochs"], []).append(values["width"])
    # 12, 4 and 2 wanted; later brackets would have no new setting.
    assert {epochs: len(widths) for epochs, widths in by_epochs.items()} == {2: 10, 4: 4, 10: 2}
    assert sorted(by_epochs[2]) == list(range(60, 601, 60))
    assert set(by_epochs[10]) < set(by_epochs[4])


@pytest.mark.parametrize("settings", [1, 2, 5])
def test_halving_of_very_few_settings_ends_with_a_whole_training(settings, tmp_path):
    made = make_oracle("hyperband", seed=1, max_epochs=9)
    made.verbose, made.group_size = 0, 4
    made._set_project_dir(str(tmp_path), "search")
    hp = made.get_space()
    hp.Int("width", 1, settings)
    made.update_space(hp)
    epochs = [values["tuner/epochs"] for group in search(made) for _, values in group]
    assert (epochs.count(1), epochs.count(9)) == (settings, 1)


@pytest.mark.parametrize("failures", [1, 5, 9, 10])
def test_halving_goes_on_without_those_that_failed(failures, tmp_path):
    made = oracle(tmp_path, "hyperband of few")
    completed = {}
    while group := ask(made, "worker0")[0]:
        for trial in group:
            values = trial.hyperparameters.values
            bad = values["tuner/round"] == 0 and values["width"] <= 60 * failures
            end(made, trial, "FAILED" if bad else "COMPLETED")
            if not bad:
                completed[values["tuner/epochs"]] = completed.get(values["tuner/epochs"], 0) + 1
    first = 10 - failures
    expected = {2: first, 4: min(4, first), 10: min(2, first)}
    assert completed == {epochs: count for epochs, count in expected.items() if count}


def test_a_worker_that_learns_waits_while_another_trains(tmp_path):
    made = oracle(tmp_path, "bayesian")
    group, _ = ask(made, "worker0")
    assert ask(made, "worker1") == ([], "IDLE")
    end(made, group[0])
    assert ask(made, "worker1") == ([], "IDLE")
    end(made, group[1])
    assert len(ask(made, "worker1")[0]) == 2


def test_the_last_group_may_be_smaller(tmp_path):
    groups = search(oracle(tmp_path, "random"))
    assert [len(group) for group in groups] == [3, 3, 2]


@pytest.mark.parametrize("name", ["grid", "random", "hyperband"])
def test_who_comes_again_gets_the_rest_of_the_group_first(name, tmp_path):
    made = oracle(tmp_path, name)
    group, _ = ask(made, "worker0")
    other, _ = ask(made, "worker1")
    again, _ = ask(made, "worker0")
    assert again == group  # died while it trained
    end(made, group[0])
    rest, status = ask(made, "worker0")  # died while it told the results
    assert (rest, status) == (group[1:], "IDLE")
    for trial in rest:
        end(made, trial)
    fresh, _ = ask(made, "worker0")
    assert not {one.trial_id for one in fresh} & {one.trial_id for one in [*group, *other]}


def test_failures_do_not_end_a_search(tmp_path):
    made = oracle(tmp_path, "grid")
    while group := ask(made, "worker0")[0]:
        for trial in group:
            end(made, trial, "FAILED")
    assert [trial.status for trial in made.trials.values()] == ["FAILED"] * 16


@pytest.mark.parametrize("algorithm", ["grid", "random", "hyperband"])
def test_an_empty_space_ends(algorithm, tmp_path):
    options = {"max_epochs": 3} if algorithm == "hyperband" else {}
    made = make_oracle(algorithm, seed=1, **options)
    made.verbose, made.group_size = 0, 4
    made._set_project_dir(str(tmp_path), "search")
    groups = search(made)
    assert groups == ([] if algorithm == "hyperband" else [[(groups[0][0][0], {})]])


def test_hyperparameters_of_a_branch_are_explored():
    made = make_oracle("grid", seed=1)

    def build(hp):
        if hp.Choice("kind", ["a", "b", "c"]) == "c" and hp.Boolean("deep"):
            hp.Int("depth", 2, 3)
        if hp.get("kind") == "b":
            raise RuntimeError("not built")

    hp = made.get_space()
    build(hp)
    made.update_space(hp)
    assert [one.name for one in made.get_space().space] == ["kind"]
    explore(made, build)
    assert [one.name for one in made.get_space().space] == ["kind", "deep", "depth"]


@pytest.mark.parametrize("name", SEARCHES)
def test_each_kind_is_its_keras_tuner_oracle(name, tmp_path):
    kinds = {
        "grid": keras_tuner.oracles.GridSearchOracle,
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        "hyperband": keras_tuner.oracles.HyperbandOracle,
    }
    name = name.split()[0]
    assert isinstance(make_oracle(name, seed=1), kinds[name])
    assert make_oracle(name, seed=1, objective="val_loss").objective.direction == "min"
