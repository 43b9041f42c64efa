"""What a search says of its size is what it turns out to be."""

import keras_tuner
import pytest
import tuner_fakes as fakes

from kerasdl.tuning.announcement import announcement


def nested(hp):
    """A branch in a branch, a range without a step, and a condition on two values."""
    kind = hp.Choice("kind", ["plain", "dropped", "wide"])
    with hp.conditional_scope("kind", ["dropped", "wide"]):
        if kind != "plain" and hp.Boolean("deep"):
            with hp.conditional_scope("deep", [True]):
                hp.Int("depth", 2, 4)
    with hp.conditional_scope("kind", ["wide"]):
        if kind == "wide":
            hp.Float("rate", 1e-3, 1e-1, sampling="log")
    return fakes.perceptron()


@pytest.mark.parametrize("build", [fakes.widths, nested])
def test_a_grid_has_as_many_trials_as_it_says(build, tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    said = []
    made = fakes.tuner(tmp_path, build, seeds=2, say=said.append)
    count = len(fakes.run(made, epochs=1))
    assert said == [f"{count} trials with 2 seeds: {2 * count} trainings"]


def test_what_is_known_of_other_searches(tmp_path):
    said = {
        name: announcement(fakes.tuner(tmp_path / name, build, algorithm, **options))
        for name, (build, algorithm, options) in {
            "random": (fakes.two, "random", {"max_trials": 6}),
            "bayesian": (fakes.two, "bayesian", {"max_trials": 1, "seeds": 3}),
            "small": (fakes.widths, "random", {"max_trials": 9, "seeds": 2}),
            "cut": (fakes.widths, "grid", {"max_trials": 3}),
            "hyperband": (fakes.two, "hyperband", {}),
        }.items()
    }
    assert said == {
        "random": "6 trials",
        "bayesian": "1 trial with 3 seeds: 3 trainings",
        "small": "at most 9 trials with 2 seeds: at most 18 trainings",
        "cut": "3 trials",
        "hyperband": None,
    }


def test_an_oracle_without_an_end(tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=None)
    made = fakes.PackedTuner(oracle, fakes.widths, directory=str(tmp_path), group_size=2)
    assert announcement(made) is None
