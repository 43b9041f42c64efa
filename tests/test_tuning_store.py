"""A search survives: killed at any write it ends with the trials of one that was not."""

import contextlib
import json
import os

import keras_tuner
import numpy as np
import pytest
import tuner_fakes as fakes

from kerasdl.tuning.store import Store

SEARCHES = {
    "grid": {"algorithm": "grid"},
    "random": {"algorithm": "random", "max_trials": 5, "build": fakes.two},
    "hyperband": {"algorithm": "hyperband", "max_epochs": 3, "build": fakes.two},
    # Four settings, where the first round wants five.
    "hyperband of few": {"algorithm": "hyperband", "max_epochs": 4},
}


class Killed(BaseException):
    """What a test ends a search with."""


@contextlib.contextmanager
def killed_at_write(number, before):
    """Ends what runs inside when its `number`-th file (from 0) is renamed, before it or after."""
    replace, count = os.replace, 0

    def counted(source, target):
        nonlocal count
        count += 1
        if count == number + 1 and before:
            # As SIGKILL would leave it.
            with open(os.path.join(os.path.dirname(target), ".half.abcdefgh.json"), "w") as file:
                file.write("{")
            raise Killed
        replace(source, target)
        if count == number + 1:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", counted)
        yield


def keras_tuners_view(folder):
    """What KerasTuner's files say of each trial."""
    paths = sorted((folder / "search").glob("trial_*/trial.json"))
    trials = [json.loads(path.read_text()) for path in paths]
    return [
        (one["trial_id"], one["status"], one["score"], one["hyperparameters"]["values"])
        for one in trials
    ]


@pytest.mark.parametrize("name", SEARCHES)
def test_killed_at_every_write_it_ends_with_the_same_trials(name, tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    options = {"group_size": 2, "seeds": 2, **SEARCHES[name]}
    whole = fakes.table(fakes.run(fakes.tuner(tmp_path / "whole", **options)))
    expected = keras_tuners_view(tmp_path / "whole")
    assert {status for _, status, *_ in expected} == {"COMPLETED"}
    stored, put = [], Store.put

    def counted(self, asked, outcomes, spaces=None):
        put(self, asked, outcomes, spaces)
        stored.append(tuple(trial for trial, _ in asked))

    monkeypatch.setattr(Store, "put", counted)
    kills = 0
    while True:
        # Each start comes a little further than the one before.
        made = None
        try:
            with killed_at_write(3 * kills + kills % 3, before=bool(kills % 2)):
                made = fakes.tuner(tmp_path / "killed", **options)
                outcomes = fakes.run(made)
            break
        except Killed:
            kills += 1
    assert kills >= 10
    assert fakes.table(outcomes) == whole
    assert keras_tuners_view(tmp_path / "killed") == expected
    assert len(stored) == len(set(stored))  # no group was finished twice
    search = tmp_path / "killed" / "search"
    assert not [path for path in search.rglob(".*") if path.is_file()]
    assert not (search / "states").exists()


def test_halving_goes_on_from_the_state_and_removes_it(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    found = []

    def callbacks(title, batch_size):
        states = tmp_path / "search" / "states"
        found.append(sorted(path.name for path in states.glob("*")) if states.exists() else [])
        return []

    options = {**SEARCHES["hyperband"], "seeds": 2, "group_size": 8, "callbacks": callbacks}
    outcomes = {one.trial_id: one for one in fakes.run(fakes.tuner(tmp_path, **options))}
    last = next(one for one in outcomes.values() if one.values["tuner/round"] == 1)
    assert last.values["tuner/initial_epoch"] == 1
    first = outcomes[last.values["tuner/trial_id"]]
    for one, other in zip(first.executions, last.executions, strict=True):
        assert len(one.history["loss"]) == 1
        assert len(other.history["loss"]) == 2
        # Two epochs on from where the first had come, not from first weights.
        moved = (other.history["loss"][0] - one.history["loss"][0]) % 1
        assert moved > 0
    assert found[0] == []
    assert f"{first.trial_id}-0.npz" in found[-1]
    assert f"{first.trial_id}-1.npz" in found[-1]
    assert not (tmp_path / "search" / "states").exists()


def test_another_search_is_refused_with_the_difference(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    fakes.run(fakes.tuner(tmp_path))

    def wider(hp):
        return fakes.perceptron(hp.Int("width", 2, 7))

    refused = {
        r"space\.width\.conditions|space\.width\.max_value: 5 -> 7": (
            lambda: fakes.run(fakes.tuner(tmp_path, wider))
        ),
        "training.epochs: 2 -> 3": lambda: fakes.run(fakes.tuner(tmp_path), epochs=3),
        r"seeds: \[0\] -> \[0, 1\]": lambda: fakes.run(fakes.tuner(tmp_path, seeds=2)),
        "oracle.seed: 1 -> 2": lambda: fakes.run(fakes.tuner(tmp_path, seed=2)),
        "keep: last -> best": lambda: fakes.run(fakes.tuner(tmp_path, keep="best")),
        "oracle.objective: val_accuracy -> val_loss": (
            lambda: fakes.run(fakes.tuner(tmp_path, objective="val_loss"))
        ),
        "oracle.kind: GroupingGrid -> ": (
            lambda: fakes.run(fakes.tuner(tmp_path, algorithm="random"))
        ),
        "default model: ": (
            lambda: fakes.run(
                fakes.tuner(tmp_path, lambda hp: fakes.perceptron(hp.Int("width", 2, 5), l2=0.1))
            )
        ),
    }
    before = sorted(path.name for path in (tmp_path / "search").rglob("*"))
    for message, start in refused.items():
        with pytest.raises(ValueError, match=f"has another search: .*({message})"):
            start()
    x, y = fakes.data()
    with pytest.raises(ValueError, match="examples: "):
        fakes.tuner(tmp_path).search(
            x + 1, y, epochs=2, batch_size=16, validation_data=fakes.data(30, 1)
        )
    assert sorted(path.name for path in (tmp_path / "search").rglob("*")) == before
    assert len(fakes.run(fakes.tuner(tmp_path, wider, overwrite=True))) == 6


def test_a_search_of_keras_tuners_is_not_overwritten(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    other = fakes.stock(tmp_path, keras_tuner.RandomSearch, max_trials=2)
    other.save()
    with pytest.raises(ValueError, match="a search of KerasTuner's, not of kerasdl's"):
        fakes.run(fakes.tuner(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'"text"'])
def test_a_search_file_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "search.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"search\.json is not a search of kerasdl's"):
        Store(tmp_path, {"seeds": [0]})


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"asked": [], "outcomes": []}', None])
def test_a_damaged_group_is_trained_anew(content, tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    whole = fakes.table(fakes.run(fakes.tuner(tmp_path, group_size=2)))
    path = sorted((tmp_path / "search" / "groups").iterdir())[1]
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    fitted = fakes.Fitted()
    again = fakes.run(fakes.tuner(tmp_path, group_size=2, callbacks=fitted))
    assert fakes.table(again) == whole
    assert fitted.titles == ["trial 0002 and 1 more"]
    assert fakes.run(fakes.tuner(tmp_path, group_size=2, callbacks=fitted))
    assert len(fitted.titles) == 1


def test_a_state_that_is_gone_is_said_and_no_trial_fails_for_it(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    options = {**SEARCHES["hyperband"], "group_size": 8}
    outcomes = fakes.run(fakes.tuner(tmp_path, **options))
    last = next(one for one in outcomes if one.values["tuner/round"] == 1)
    (group,) = (tmp_path / "search" / "groups").glob(f"{last.trial_id}-*.json")
    group.unlink()
    with pytest.raises(FileNotFoundError, match="A finished search has removed it"):
        fakes.run(fakes.tuner(tmp_path, **options))


def test_a_full_disk_ends_the_search_and_what_was_finished_is_kept(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    whole = fakes.table(fakes.run(fakes.tuner(tmp_path / "whole", group_size=2)))
    put, room = Store.put, [1]

    def full(self, asked, outcomes, spaces=None):
        if not room:
            raise OSError(28, "No space left on device")
        room.pop()
        put(self, asked, outcomes, spaces)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", full)
        with pytest.raises(OSError, match="No space left"):
            fakes.run(fakes.tuner(tmp_path / "full", group_size=2))
    fitted = fakes.Fitted()
    again = fakes.run(fakes.tuner(tmp_path / "full", group_size=2, callbacks=fitted))
    assert fakes.table(again) == whole
    assert fitted.titles == ["trial 0002 and 1 more"]


def test_a_folder_that_is_deleted_meanwhile_is_no_silent_loss(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    folder = tmp_path / "search"
    made = fakes.tuner(tmp_path, group_size=2)
    whole = fakes.table(fakes.run(fakes.tuner(tmp_path / "whole", group_size=2)))

    def callbacks(title, batch_size):
        if "0002" in title:
            folder.rename(tmp_path / "gone")
        return []

    made = fakes.tuner(tmp_path, group_size=2, callbacks=callbacks)
    assert fakes.table(fakes.run(made)) == whole  # of this process
    # Afterwards: what is there is complete, what is not is trained.
    fitted = fakes.Fitted()
    again = fakes.tuner(tmp_path, group_size=2, callbacks=fitted, overwrite=True)
    assert fakes.table(fakes.run(again)) == whole
    assert len(fitted.titles) == 2


@pytest.mark.parametrize("damage", ["COMPLETED without a training", "another trial", "one less"])
def test_a_group_that_is_not_what_was_asked_is_trained_anew(damage, tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    whole = fakes.table(fakes.run(fakes.tuner(tmp_path, group_size=2)))
    path = sorted((tmp_path / "search" / "groups").iterdir())[1]
    group = json.loads(path.read_text())
    if damage == "another trial":
        group["outcomes"][1]["trial_id"] = "0001"
    elif damage == "one less":
        del group["outcomes"][1]
    else:
        group["outcomes"][1]["executions"] = []
    path.write_text(json.dumps(group))
    fitted = fakes.Fitted()
    again = fakes.run(fakes.tuner(tmp_path, group_size=2, callbacks=fitted))
    assert fakes.table(again) == whole
    assert fitted.titles == ["trial 0002 and 1 more"]


def test_only_its_own_leftovers_are_removed(tmp_path):
    store = Store(tmp_path, {})
    (tmp_path / "groups").mkdir()
    (tmp_path / "trial_0000").mkdir()
    own = [".search.a1_b2c3d.json", "groups/.0000-ab.abcdefgh.json"]
    own += ["trial_0000/.checkpoint.abcdefgh.weights.h5"]
    others = [".gitignore", "groups/.nfs0001", ".notes.txt", ".half.abcdefgh.txt"]
    for name in [*own, *others]:
        (tmp_path / name).write_text("")
    (tmp_path / ".folder.abcdefgh.json").mkdir()
    store.tidy()
    assert not any((tmp_path / name).exists() for name in own)
    assert all((tmp_path / name).exists() for name in [*others, ".folder.abcdefgh.json"])


@pytest.mark.parametrize("damage", ["empty", "text", "half", "a bit"])
def test_a_damaged_state_is_said(damage, tmp_path):
    store = Store(tmp_path, {})
    store.put_state("0001", 5, [np.arange(300, dtype=np.int64)])
    path = tmp_path / "states" / "0001-5.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "empty": b"",
        "text": b"no state",
        "half": content[:middle],
        "a bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match=r"0001-5\.npz, from which a trial goes on, is damaged"):
        store.get_state("0001", 5)


def test_states_come_back_as_they_were(tmp_path):
    store = Store(tmp_path, {})
    state = [np.arange(3, dtype=np.int64), np.ones((2, 2), np.float32), np.array(7)]
    state += [np.full(1, place) for place in range(12)]
    store.put_state("0001", 5, state)
    found = store.get_state("0001", 5)
    assert all(np.array_equal(one, other) for one, other in zip(state, found, strict=True))
    assert [one.dtype for one in found] == [one.dtype for one in state]
    store.drop_states("0001")
    with pytest.raises(FileNotFoundError, match=r"0001-5\.npz"):
        store.get_state("0001", 5)
