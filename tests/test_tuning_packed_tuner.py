"""PackedTuner: each trial is its own training, and KerasTuner can read what it leaves."""

import gc
import json
import math
import weakref

import keras
import keras_tuner
import numpy as np
import pytest
import tuner_fakes as fakes

from kerasdl.training.engine import Engine
from kerasdl.training.packed import Packed
from kerasdl.training.packed.histories import Keep
from kerasdl.training.settings import Training
from kerasdl.tuning.training_jobs import Rows

TRAINING = Training(epochs=3, batch_size=16, schedule="constant")


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A grid of four widths and two seeds in one group, and what was trained."""
    folder, fitted = tmp_path_factory.mktemp("grid"), fakes.Fitted()
    made = fakes.tuner(folder, seeds=2, callbacks=fitted)
    return folder, made, fakes.run(made), fitted


def mixed(hp):
    """Widths, depths of regularisation, rates and dropout that differ by trial."""
    width = hp.Int("width", 3, 5)
    extras = {3: {"l2": 1e-2}, 4: {"dropout": 0.4}, 5: {"rate": 0.05}}
    return fakes.perceptron(width, **extras[width])


def rows(n, seed, dtype):
    x, y = fakes.data(n, seed)
    return Rows(x.astype(dtype), y)


def assert_trials_are_their_own_trainings(folder, dtype, tolerance, keep, seeds):
    made = fakes.tuner(folder, mixed, seeds=seeds, keep=keep, objective="val_loss")
    train, validation = rows(50, 0, dtype), rows(30, 1, dtype)
    made.search(*train, epochs=3, batch_size=16, validation_data=validation)
    for outcome in made.outcomes:
        assert outcome.packed == 3 * seeds
        hp = keras_tuner.HyperParameters()
        hp.values = dict(outcome.values)
        models = []
        for execution in outcome.executions:
            keras.utils.set_random_seed(execution.seed)
            model = mixed(hp)
            if outcome.values["width"] == 4:  # the engine's stream of dropout is another
                alone = Packed([model], [TRAINING])
                given = {"seed": 0, "seeds": [execution.seed], "validation": validation}
                (history,) = alone.fit(
                    train, **given, keep=Keep("val_loss", "min") if keep == "best" else None
                )
                alone.unpack()
            else:
                patient = {"restore_best_weights": True, "patience": 9, "monitor": "val_loss"}
                keeping = [keras.callbacks.EarlyStopping(**patient)] if keep == "best" else []
                given = {"seed": 0, "validation": validation, "callbacks": keeping}
                history = Engine(model).fit(train, TRAINING, **given).history
            for name, values in history.items():
                np.testing.assert_allclose(execution.history[name], values, rtol=1e-5, atol=1e-6)
            models.append(model)
        best = min(outcome.executions, key=lambda one: one.scores["val_loss"])
        expected = models[outcome.executions.index(best)]
        kept = made.load_model(made.oracle.get_trial(outcome.trial_id))
        for one, other in zip(kept.weights, expected.weights, strict=True):
            np.testing.assert_allclose(one, other, **tolerance, err_msg=one.path)


@pytest.mark.parametrize(("keep", "seeds"), [("last", 2), ("best", 1)])
def test_in_float64_every_trial_is_its_own_training_to_nine_digits(tmp_path, float64, keep, seeds):
    tolerance = {"rtol": 1e-9, "atol": 1e-9}
    assert_trials_are_their_own_trainings(tmp_path, np.float64, tolerance, keep, seeds)


def test_in_float32_every_trial_is_its_own_training(tmp_path):
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    assert_trials_are_their_own_trainings(tmp_path, np.float32, tolerance, "last", 1)


def test_in_float64_who_survives_a_halving_is_its_own_training_without_a_stop(tmp_path, float64):
    """Weights and the optimizer's moments go from a round to the next, in other company."""
    made = fakes.tuner(tmp_path, fakes.two, "hyperband", max_epochs=3)
    train, validation = rows(50, 0, np.float64), rows(30, 1, np.float64)
    made.search(*train, batch_size=16, validation_data=validation)
    (outcome,) = [one for one in made.outcomes if one.values["tuner/round"] == 1]
    assert outcome.values["tuner/initial_epoch"] == 1
    hp = keras_tuner.HyperParameters()
    hp.values = dict(outcome.values)
    keras.utils.set_random_seed(0)
    model = fakes.two(hp)
    history = Engine(model).fit(train, TRAINING, seed=0, validation=validation).history
    own = outcome.executions[0].history
    np.testing.assert_allclose(own["val_loss"], history["val_loss"][1:], rtol=1e-6)
    kept = made.load_model(made.oracle.get_trial(outcome.trial_id))
    for one, other in zip(kept.weights, model.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=one.path)


def test_all_seeds_of_a_group_are_one_computation(finished):
    _, _, outcomes, fitted = finished
    assert len(fitted.titles) == 1
    assert [one.values["width"] for one in outcomes] == [2, 3, 4, 5]
    assert [[run.seed for run in one.executions] for one in outcomes] == [[0, 1]] * 4
    assert {one.packed for one in outcomes} == {8}
    assert all(len(run.history["val_loss"]) == 2 for one in outcomes for run in one.executions)


def test_the_answers_are_those_of_the_accuracy(finished):
    for outcome in finished[2]:
        for run in outcome.executions:
            assert run.answers(30).mean() == pytest.approx(run.scores["val_accuracy"])


@pytest.mark.parametrize(
    ("kind", "options"),
    [(keras_tuner.GridSearch, {}), (keras_tuner.RandomSearch, {"max_trials": 4})],
)
def test_keras_tuner_reads_the_results(finished, kind, options, capsys):
    folder, made, outcomes, _ = finished
    read = fakes.stock(folder, kind, **options)
    scores = {trial.trial_id: trial.score for trial in read.oracle.trials.values()}
    means = {one.trial_id: np.mean(one.scores("val_accuracy")) for one in outcomes}
    assert scores == pytest.approx(means)
    assert {trial.status for trial in read.oracle.trials.values()} == {"COMPLETED"}
    best = read.get_best_hyperparameters()[0].values
    assert best == made.get_best_hyperparameters()[0].values
    capsys.readouterr()
    read.results_summary()
    assert capsys.readouterr().out.count("Score:") == 4


def test_keras_tuner_loads_the_best_seeds_weights(finished):
    folder, made, outcomes, _ = finished
    x, y = fakes.data(30, seed=1)
    best = max(outcomes, key=lambda one: np.mean(one.scores("val_accuracy")))
    for one in (made, fakes.stock(folder)):
        (model,) = one.get_best_models()
        right = (model.predict(x, verbose=0).argmax(axis=1) == y).mean()
        assert right == pytest.approx(max(best.scores("val_accuracy")))


def test_keras_tuner_has_nothing_left_to_do(finished, monkeypatch):
    folder = finished[0]
    read = fakes.stock(folder, keras_tuner.RandomSearch, max_trials=4)
    monkeypatch.setattr(read, "run_trial", lambda *a, **k: pytest.fail("trained again"))
    read.search(verbose=0)
    assert read.remaining_trials == 0


def faulty(hp):
    """Of five widths one cannot be built, one becomes NaN, and one does with one seed."""
    width = hp.Int("width", 1, 5)
    if width == 2:
        raise RuntimeError("no width of two")
    model = fakes.perceptron(width)
    if width == 3 or (width == 4 and keras.src.utils.rng_utils.get_random_seed() == 1):
        model.weights[0].assign(np.full(model.weights[0].shape, np.inf))
    return model


def test_a_failed_trial_is_recorded_and_the_search_goes_on(tmp_path):
    made = fakes.tuner(tmp_path, faulty, seeds=2)
    outcomes = fakes.run(made)
    status = [one.status for one in outcomes]
    assert status == ["COMPLETED", "FAILED", "FAILED", "FAILED", "COMPLETED"]
    assert outcomes[1].message == "RuntimeError: no width of two"
    assert outcomes[1].executions == []
    assert "seed 0: " in outcomes[2].message
    assert "seed 1: " in outcomes[2].message
    assert outcomes[3].message.startswith("seed 1: the loss or the weights")
    assert outcomes[3].executions[0].error is None
    trial = json.loads((tmp_path / "search" / "trial_0003" / "trial.json").read_text())
    assert (trial["status"], trial["message"]) == ("FAILED", outcomes[3].message)
    read = fakes.stock(tmp_path, build=lambda hp: faulty(hp)).oracle
    assert [trial.status for _, trial in sorted(read.trials.items())] == status
    # A failed trial is a result: it is not tried again.
    again = fakes.Fitted()
    assert fakes.table(fakes.run(fakes.tuner(tmp_path, faulty, seeds=2, callbacks=again)))
    assert again.titles == []


def test_all_trials_may_fail(tmp_path):
    def build(hp):
        return fakes.perceptron(hp.Int("width", 1, 4), rate=math.nan)

    made = fakes.tuner(tmp_path, build)
    assert [one.status for one in fakes.run(made)] == ["FAILED"] * 4
    made.results_summary()


class Varied(keras_tuner.HyperModel):
    """A model whose input is a vector, and whose trainings differ."""

    def build(self, hp):
        hp.Choice("batch_size", [8, 16])
        with hp.conditional_scope("batch_size", [8]):
            if hp.get("batch_size") == 8:
                hp.Int("epochs", 1, 2)
        return fakes.perceptron(4, shape=(36,), softmax=True, metrics=None)

    def training(self, hp):
        epochs = hp.get("epochs") if hp.get("batch_size") == 8 else 2
        return Training(epochs=epochs, batch_size=hp.get("batch_size"), schedule="constant")


def test_trainings_and_inputs_of_ones_own(tmp_path):
    made = fakes.tuner(tmp_path, Varied(), group_size=8)
    x, y = fakes.data(48, shape=(36,))
    # Labels as a column, as Keras takes them too.
    made.search(x, y[:, None], validation_data=(x[:9], y[:9]))
    found = [
        (one.values, len(one.executions[0].history["loss"]), one.packed) for one in made.outcomes
    ]
    assert found == [
        ({"batch_size": 8, "epochs": 1}, 1, 1),
        ({"batch_size": 8, "epochs": 2}, 2, 1),
        ({"batch_size": 16}, 2, 1),
    ]
    assert {one.status for one in made.outcomes} == {"COMPLETED"}


def hidden(hp):
    """A hyper-parameter that shows only in one branch, without a conditional scope."""
    width = hp.Choice("width", [2, 3, 4])
    rate = hp.Choice("rate", [0.1, 0.01]) if width == 3 else 0.01
    return fakes.perceptron(width, rate)


@pytest.mark.parametrize(("algorithm", "options"), [("grid", {}), ("random", {"max_trials": 4})])
def test_hidden_hyperparameters_come_up_again_after_a_restart(
    tmp_path, algorithm, options, monkeypatch
):
    fakes.pretend(monkeypatch)
    options = {"algorithm": algorithm, "group_size": 1, **options}
    whole = fakes.run(fakes.tuner(tmp_path / "whole", hidden, **options), epochs=1)
    assert any("rate" in one.values for one in whole)
    assert {0.1, 0.01} <= {one.values.get("rate") for one in whole} or algorithm == "random"
    fitted = fakes.Fitted()
    again = fakes.tuner(tmp_path / "whole", hidden, callbacks=fitted, **options)
    assert fakes.table(fakes.run(again, epochs=1)) == fakes.table(whole)
    assert fitted.titles == []


def test_a_grid_says_what_it_cannot_know(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)

    def build(hp):
        width = hp.Int("width", 2, 3)
        return fakes.perceptron(width, hp.Choice("rate", [0.1, 0.2]) if width == 3 else 0.1)

    with pytest.raises(ValueError, match="know all hyper-parameters at its start, and 'rate'"):
        fakes.run(fakes.tuner(tmp_path, build, group_size=1), epochs=1)


def test_an_error_of_one_training_does_not_reach_the_others(tmp_path):
    def callbacks(title, batch_size):
        if "more" in title or "0002" in title:
            raise RuntimeError("out of memory")
        return []

    said = []
    outcomes = fakes.run(fakes.tuner(tmp_path, callbacks=callbacks, say=said.append), epochs=1)
    assert [one.status for one in outcomes] == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED"]
    assert outcomes[2].message == "seed 0: RuntimeError: out of memory"
    assert said == ["4 trials", "trained one by one after RuntimeError: out of memory"]


def test_a_fatal_error_ends_the_search(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)

    def build(hp):
        if hp.Int("width", 2, 3) == 3:
            raise keras_tuner.errors.FatalValueError("stop everything")
        return fakes.perceptron()

    with pytest.raises(keras_tuner.errors.FatalValueError, match="stop everything"):
        fakes.run(fakes.tuner(tmp_path, build))


def test_an_interrupted_search_goes_on_in_the_same_process(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)

    class Interrupt:
        """Interrupts the second training."""

        trainings = 0

        def __call__(self, title, batch_size):
            self.trainings += 1
            if self.trainings == 2:
                raise KeyboardInterrupt
            return []

    interrupt = Interrupt()
    made = fakes.tuner(tmp_path, group_size=2, callbacks=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fakes.run(made)
    assert [one.trial_id for one in made.outcomes] == ["0000", "0001"]
    assert [one.trial_id for one in fakes.run(made)] == ["0000", "0001", "0002", "0003"]
    assert interrupt.trainings == 3


def test_finished_models_do_not_stay_in_memory(tmp_path):
    models = weakref.WeakSet()

    def build(hp):
        model = fakes.perceptron(hp.Int("width", 2, 4))
        models.add(model)
        return model

    alive = []

    def callbacks(title, batch_size):
        gc.collect()
        alive.append(len(models))
        return []

    made = fakes.tuner(tmp_path, build, seeds=2, group_size=1, callbacks=callbacks)
    fakes.run(made, epochs=1)
    assert alive == [2, 2, 2]  # the two seeds of the present trial
    gc.collect()
    assert len(models) == 0


BAD = {
    "seeds": ({"seeds": 0}, "seeds >= 1"),
    "keep": ({"keep": "first"}, '"last" or "best"'),
    "group": ({"group_size": 0}, "group_size >= 1"),
    "algorithm": ({"algorithm": "annealing"}, "algorithm is one of grid, random"),
    "objective": ({"objective": "val_something"}, "direction Keras knows"),
    "executions": ({"executions_per_trial": 2}, "seeds=N trains each trial"),
    "halving": ({"algorithm": "hyperband", "keep": "best"}, "hyperband goes on"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_arguments_are_refused(case, tmp_path):
    options, message = BAD[case]
    with pytest.raises((TypeError, ValueError), match=message):
        fakes.tuner(tmp_path, **options)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 36)), np.zeros(3, int), r"\(4, 36\) and int64 \(3,\)"),
        (np.zeros((4, 36)), np.full(4, 0.5), "expected class numbers"),
        (np.zeros((4, 36)), np.zeros((4, 3), int), "expected class numbers"),
        (np.zeros((4, 36)), np.full(4, 3), "a model with 3 outputs. Received: a label 3"),
        (np.full((4, 36), "a"), np.zeros(4, int), "array of numbers"),
        (np.zeros((0, 36)), np.zeros(0, int), "at least one example"),
    ],
)
def test_arrays_that_are_no_examples_are_refused(x, y, message, tmp_path):
    made = fakes.tuner(tmp_path)
    with pytest.raises(ValueError, match=message):
        made.search(x, y, validation_data=fakes.data(9))
    assert not (tmp_path / "search" / "search.json").exists()


@pytest.mark.parametrize("build", [lambda hp: None, lambda hp: keras.Sequential()])
def test_what_is_no_model_is_refused_at_once(build, tmp_path):
    with pytest.raises(TypeError, match="must return a"):
        fakes.run(fakes.tuner(tmp_path, build))


def test_one_of_keras_tuners_own_oracles_works(tmp_path, monkeypatch):
    fakes.pretend(monkeypatch)
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=3, seed=4)
    made = fakes.PackedTuner(
        oracle, fakes.widths, directory=str(tmp_path / "with a space"), group_size=2
    )
    assert [one.packed for one in fakes.run(made, epochs=1)] == [2, 2, 1]
