"""PackedTuner takes what KerasTuner's users write: fits, losses, metrics, data, arguments."""

import doctest
import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
import tuner_fakes as fakes

from kerasdl.training.settings import Training
from kerasdl.tuning import PackedTuner, make_oracle, packed_tuner

L = keras.layers
X, Y = fakes.data(60)
HELD_OUT = fakes.data(30, seed=1)


def classifier(width=4, loss="sparse_categorical_crossentropy", metrics=("accuracy",), first=()):
    first = [keras.Input(fakes.SHAPE), *first]
    layers = [L.Flatten(), L.Dense(width, "relu"), L.Dense(3, "softmax")]
    model = keras.Sequential([*first, *layers])
    model.compile(keras.optimizers.Adam(0.01, epsilon=1e-4), loss, metrics=list(metrics))
    return model


def one_hot(data):
    return data[0], keras.utils.to_categorical(data[1], 3)


def search(folder, build, data=(X, Y), *, objective="val_accuracy", oracle=None, **options):
    """A search of two widths; returns the tuner and what it said."""
    said = []
    own = {name: options.pop(name) for name in ("seeds", "keep", "overwrite") if name in options}
    oracle = oracle or make_oracle("grid", objective=objective)
    tuner = PackedTuner(oracle, build, directory=str(folder), say=said.append, **own)
    if "validation_split" not in options:
        options.setdefault("validation_data", HELD_OUT)
    tuner.search(*data, **{"epochs": 2, **options})
    return tuner, said


def widths(**options):
    return lambda hp: classifier(hp.Choice("width", [3, 4]), **options)


def test_importing_the_tuner_is_lazy():
    code = (
        "import sys, kerasdl.tuning as t; assert 'keras' not in sys.modules; "
        "assert 'PackedTuner' in dir(t); assert t.PackedTuner.__name__ == 'PackedTuner'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_in_the_docstring_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(packed_tuner, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 8
    assert not found.failed


class Fitted(keras_tuner.HyperModel):
    """A batch size that only its `fit` knows of."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def build(self, hp):
        return classifier(hp.Choice("width", [3, 4]))

    def fit(self, hp, model, *args, **kwargs):
        size = hp.Choice("batch_size", [8, 64])
        self.seen.append((size, tuple(sorted(kwargs))))
        return model.fit(*args, batch_size=size, verbose=0, **kwargs)


@pytest.mark.parametrize("algorithm", ["random", "grid"])
def test_a_fit_of_ones_own_is_called_and_its_hyperparameters_are_searched(tmp_path, algorithm):
    options = {"max_trials": 4} if algorithm == "random" else {}
    model = Fitted()
    tuner, said = search(tmp_path, model, oracle=make_oracle(algorithm, **options), seeds=2)
    found = sorted((one.values["width"], one.values["batch_size"]) for one in tuner.outcomes)
    assert found == [(3, 8), (3, 64), (4, 8), (4, 64)]
    assert {one.packed for one in tuner.outcomes} == {1}
    # Only what the search was given: the fit gives the batch size itself.
    assert {names for _, names in model.seen} == {("callbacks", "epochs", "validation_data")}
    assert any("HyperModel.fit is your own" in text for text in said)
    # Killed and started again it finds them, and decides the same trials.
    again = Fitted()
    second, _ = search(tmp_path, again, oracle=make_oracle(algorithm, **options), seeds=2)
    assert fakes.table(second.outcomes) == fakes.table(tuner.outcomes)
    assert not again.seen


@pytest.mark.parametrize(
    ("returned", "objective"),
    [(0.25, None), ({"val_accuracy": 0.25, "other": 3}, "val_accuracy"), ([0.2, 0.3], None)],
)
def test_a_fit_may_return_numbers(tmp_path, returned, objective):
    class Model(Fitted):
        def fit(self, hp, model, *args, **kwargs):
            return returned

    oracle = keras_tuner.oracles.GridSearchOracle(objective=objective)
    tuner, _ = search(tmp_path, Model(), oracle=oracle)
    (score,) = {trial.score for trial in tuner.oracle.get_best_trials(2)}
    assert score == pytest.approx(0.25)


def test_a_fit_that_returns_nothing_ends_the_search_as_in_keras_tuner(tmp_path):
    class Model(Fitted):
        def fit(self, hp, model, *args, **kwargs):
            return None

    with pytest.raises(keras_tuner.errors.FatalTypeError, match="return value of HyperModel"):
        search(tmp_path, Model())


def test_a_run_trial_of_ones_own_is_refused(tmp_path):
    class Tuner(PackedTuner):
        def run_trial(self, trial, *args, **kwargs):
            return 0.0

    with pytest.raises(TypeError, match="give a HyperModel with a fit"):
        Tuner(make_oracle("grid"), widths(), directory=str(tmp_path))


LOSSES = {
    "a name": ("sparse_categorical_crossentropy", False),
    "a class's name": ("SparseCategoricalCrossentropy", False),
    "a function": (keras.losses.sparse_categorical_crossentropy, False),
    "one-hot": ("categorical_crossentropy", True),
    "one-hot, smoothed": (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), True),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_by_name_and_one_hot_labels_are_packed_and_train_as_keras_does(tmp_path, name):
    loss, dense = LOSSES[name]
    data, held_out = (one_hot((X, Y)), one_hot(HELD_OUT)) if dense else ((X, Y), HELD_OUT)
    tuner, said = search(tmp_path, widths(loss=loss), data, batch_size=60, validation_data=held_out)
    assert [(one.status, one.packed) for one in tuner.outcomes] == [("COMPLETED", 2)] * 2
    assert said == ["2 trials"]
    # One step an epoch: whatever the order, Keras's own fit comes to the same weights.
    for outcome in tuner.outcomes:
        keras.utils.set_random_seed(0)
        model = classifier(outcome.values["width"], loss)
        history = model.fit(*data, batch_size=60, epochs=2, verbose=0).history
        np.testing.assert_allclose(outcome.executions[0].history["loss"], history["loss"], 1e-4)
        kept = tuner.load_model(tuner.oracle.get_trial(outcome.trial_id))
        for one, other in zip(kept.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_labels_that_do_not_go_with_the_loss_are_named(tmp_path):
    dense = one_hot((X, Y))
    with pytest.raises(ValueError, match=r"y.argmax\(axis=1\), or the loss categorical_cross"):
        search(tmp_path, widths(), dense, validation_data=one_hot(HELD_OUT))
    with pytest.raises(ValueError, match=r"to_categorical.*or the loss sparse_categorical_cross"):
        search(tmp_path, widths(loss="categorical_crossentropy"))
    assert not (tmp_path / "untitled_project" / "search.json").exists()


@pytest.mark.parametrize("first", [[], [L.Rescaling(0.5)]])
def test_a_sequential_without_an_input_is_built_from_x(tmp_path, first):
    def build(hp):
        layers = [L.Flatten(), L.Dense(hp.Choice("width", [3, 4])), L.Dense(3, "softmax")]
        model = keras.Sequential([*first, *layers])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner, said = search(tmp_path, build)
    assert [(one.status, one.packed) for one in tuner.outcomes] == [("COMPLETED", 2)] * 2
    assert said == ["2 trials"]
    for reader in (tuner, stock(tmp_path, build)):
        (model,) = reader.get_best_models()
        right = (model.predict(HELD_OUT[0], verbose=0).argmax(axis=1) == HELD_OUT[1]).mean()
        best = max(one.executions[0].scores["val_accuracy"] for one in tuner.outcomes)
        assert right == pytest.approx(best)


def stock(folder, build):
    return keras_tuner.GridSearch(build, objective="val_accuracy", directory=str(folder))


def macro():
    return keras.metrics.F1Score(average="macro")


@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.parametrize("packed", [True, False])
def test_objectives_on_any_metric_go_the_right_way(tmp_path, packed, keep):
    """AUC() is "auc" in every model; KerasTuner would minimise an F1 score."""

    def build(hp):
        first = [] if packed else [L.Conv2D(1, 3)]
        metrics = [keras.metrics.AUC(), macro(), "accuracy"]
        return classifier(hp.Int("width", 2, 5), "categorical_crossentropy", metrics, first)

    data, held_out = one_hot((X, Y)), one_hot(HELD_OUT)
    oracle = make_oracle("grid", objective="val_f1_score")
    tuner, _ = search(tmp_path, build, data, oracle=oracle, keep=keep, validation_data=held_out)
    assert {one.packed for one in tuner.outcomes} == ({4} if packed else {1})
    assert oracle.objective.direction == "max"
    scores = {one.trial_id: one.executions[0].scores["val_f1_score"] for one in tuner.outcomes}
    assert tuner.oracle.get_best_trials(1)[0].score == pytest.approx(max(scores.values()))
    for outcome in tuner.outcomes:
        model = tuner.load_model(tuner.oracle.get_trial(outcome.trial_id))
        found = model.evaluate(*held_out, verbose=0, return_dict=True)
        for name, value in outcome.executions[0].scores.items():
            if name.startswith("val_"):
                assert value == pytest.approx(found[name.removeprefix("val_")], rel=1e-4), name
        run = outcome.executions[0]
        history = run.history["val_f1_score"]
        assert run.epoch == (np.argmax(history) if keep == "best" else len(history) - 1)


def test_other_names_of_the_accuracy_are_searched_by_it(tmp_path):
    tuner, _ = search(tmp_path, widths(metrics=["sparse_categorical_accuracy"]))
    for outcome in tuner.outcomes:
        scores = outcome.executions[0].scores
        assert scores["val_sparse_categorical_accuracy"] == pytest.approx(scores["val_accuracy"])


def test_several_objectives_are_added_up(tmp_path):
    oracle = make_oracle("grid", objective=["val_loss", "val_accuracy"])
    tuner, _ = search(tmp_path, widths(), oracle=oracle, keep="best")
    for outcome in tuner.outcomes:
        scores = outcome.executions[0].scores
        total = scores["val_loss"] - scores["val_accuracy"]
        assert scores["multi_objective"] == pytest.approx(total)


def test_a_direction_that_keras_tuner_has_guessed_wrong_is_refused(tmp_path):
    oracle = keras_tuner.oracles.GridSearchOracle(objective="val_f1_score")
    assert oracle.objective.direction == "min"
    with pytest.raises(ValueError, match=r'keras_tuner.Objective\("val_f1_score", "max"\)'):
        PackedTuner(oracle, widths(), directory=str(tmp_path))
    own = keras_tuner.Objective("val_mine", "min")
    assert make_oracle("grid", objective=own).objective is own


def test_an_objective_that_no_trial_has_ends_the_search(tmp_path):
    with pytest.raises(keras_tuner.errors.FatalValueError, match=r"metric named auc.*val_accuracy"):
        search(tmp_path, widths(), objective="val_auc")
    with pytest.raises(ValueError, match="needs validation_data or validation_split"):
        search(tmp_path / "none", widths(), validation_data=None)


class Seen(keras.callbacks.Callback):
    """Counts the trainings it is copied for."""

    epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        Seen.epochs += 1


def dataset(data):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(data).batch(16)


ALONE = {
    "callbacks": {"callbacks": [Seen()]},
    "class_weight": {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}},
    "sample_weight": {"sample_weight": np.linspace(0.5, 1.5, 60)},
    "shuffle": {"shuffle": False},
}


@pytest.mark.parametrize("name", ALONE)
def test_what_keras_fit_alone_can_take_is_taken_and_said(tmp_path, name):
    Seen.epochs = 0
    tuner, said = search(tmp_path, widths(), seeds=2, batch_size=16, **ALONE[name])
    assert [(one.status, one.packed) for one in tuner.outcomes] == [("COMPLETED", 1)] * 2
    assert len(said) == 2
    assert name in said[1]
    assert Seen.epochs == (8 if name == "callbacks" else 0)
    # Each is Keras's own training.
    run = tuner.outcomes[1].executions[1]
    keras.utils.set_random_seed(1)
    model = classifier(4)
    keras.utils.set_random_seed(1)
    given = {"batch_size": 16, "epochs": 2, "validation_data": HELD_OUT, **ALONE[name]}
    history = model.fit(X, Y, verbose=0, **given).history
    for column, values in history.items():
        np.testing.assert_allclose(run.history[column], values, rtol=1e-4, err_msg=column)


@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed")  # by Keras itself, always
def test_a_data_set_is_taken(tmp_path):
    def build(hp):
        model = keras.Sequential([L.Flatten(), L.Dense(hp.Choice("width", [3, 4])), L.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        return model

    held_out = dataset(HELD_OUT)
    tuner, said = search(tmp_path, build, [dataset((X, Y))], validation_data=held_out)
    assert [one.status for one in tuner.outcomes] == ["COMPLETED"] * 2
    assert "not an array" in said[1]
    (model,) = tuner.get_best_models()
    best = max(one.executions[0].scores["val_accuracy"] for one in tuner.outcomes)
    model.compile(metrics=["accuracy"])
    assert model.evaluate(held_out, verbose=0)[1] == pytest.approx(best)


def test_data_frames_and_a_share_to_score_on_are_packed(tmp_path):
    x, y = fakes.data(60, shape=(36,))

    def build(hp):
        model = keras.Sequential([L.Dense(hp.Choice("width", [3, 4])), L.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    frames = pd.DataFrame(x), pd.Series(y.astype(float))
    tuner, said = search(tmp_path / "frames", build, frames, validation_split=0.25)
    same, _ = search(tmp_path / "arrays", build, (x[:45], y[:45]), validation_data=(x[45:], y[45:]))
    assert said == ["2 trials"]
    assert fakes.table(tuner.outcomes) == fakes.table(same.outcomes)


def test_a_regression_is_searched_too(tmp_path):
    def build(hp):
        model = keras.Sequential([L.Dense(hp.Choice("width", [3, 4])), L.Dense(1)])
        model.compile("adam", "mse", metrics=["mae"])
        return model

    x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
    y = x.sum(axis=1)
    data = (x[:30], y[:30]), (x[30:], y[30:])
    tuner, said = search(
        tmp_path, build, data[0], objective="val_mae", validation_data=data[1], keep="best"
    )
    assert "neither class numbers nor one-hot" in said[1]
    scores = [one.executions[0].scores["val_mae"] for one in tuner.outcomes]
    assert tuner.oracle.get_best_trials(1)[0].score == pytest.approx(min(scores))
    (model,) = tuner.get_best_models()
    assert np.abs(model.predict(data[1][0], verbose=0)[:, 0] - data[1][1]).mean() == pytest.approx(
        min(scores), rel=1e-4
    )


def test_the_score_is_that_of_the_weights_an_early_stopping_leaves(tmp_path):
    stop = keras.callbacks.EarlyStopping("loss", mode="max", restore_best_weights=True, patience=2)
    tuner, _ = search(tmp_path, widths(), epochs=5, callbacks=[stop])
    # Of a falling loss the first is the largest.
    assert [one.executions[0].epoch for one in tuner.outcomes] == [0, 0]
    for outcome in tuner.outcomes:
        assert len(outcome.executions[0].history["loss"]) == 3
        model = tuner.load_model(tuner.oracle.get_trial(outcome.trial_id))
        loss, _ = model.evaluate(*HELD_OUT, verbose=0)
        assert outcome.executions[0].scores["val_loss"] == pytest.approx(loss, rel=1e-4)


WRONG = {
    "a name": ({"epoch": 3}, TypeError, "Received: epoch. Did you mean 'epochs'"),
    "epochs": ({"epochs": 0}, ValueError, "epochs must be an integer >= 1"),
    "share": ({"validation_split": 1.5}, ValueError, "validation_split must lie in"),
    "kinds": ({"validation_data": one_hot(HELD_OUT)}, ValueError, "of the same kind as y"),
    "frequency": ({"validation_freq": 2}, ValueError, "scored every epoch"),
    "twice": ({"y": Y}, TypeError, "y twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_of_a_search_are_named(tmp_path, case):
    options, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        search(tmp_path, widths(), **options)
    with pytest.raises(ValueError, match="use a generator up"):
        search(tmp_path, widths(), [iter([(X, Y)])])


def test_training_of_ones_own_and_what_only_fit_takes_do_not_go_together(tmp_path):
    class Model(keras_tuner.HyperModel):
        def build(self, hp):
            return classifier(hp.Choice("width", [3, 4]))

        def training(self, hp):
            return Training(epochs=1, schedule="constant")

    with pytest.raises(ValueError, match=r"training\(hp\) goes with arrays"):
        search(tmp_path, Model(), callbacks=[Seen()])


@pytest.mark.parametrize("first", [[], [L.Conv2D(1, 3)]], ids=["packed", "alone"])
def test_one_hot_labels_have_the_weights_of_their_classes(tmp_path, first):
    class Model(keras_tuner.HyperModel):
        def __init__(self, loss):
            super().__init__()
            self._loss = loss

        def build(self, hp):
            layers = [type(layer).from_config(layer.get_config()) for layer in first]
            return classifier(hp.Choice("width", [3, 4]), self._loss, first=layers)

        def training(self, hp):
            return Training(epochs=2, schedule="constant", class_weight="balanced")

    few = X[:40], np.where(Y[:40] == 2, 0, Y[:40])  # of one class none, of another twice as many
    rows = {"validation_data": one_hot(HELD_OUT)}
    dense, _ = search(tmp_path / "d", Model("categorical_crossentropy"), one_hot(few), **rows)
    sparse, _ = search(tmp_path / "s", Model("sparse_categorical_crossentropy"), few)
    for one, other in zip(dense.outcomes, sparse.outcomes, strict=True):
        assert one.status == "COMPLETED"
        mine, theirs = one.executions[0].history, other.executions[0].history
        np.testing.assert_allclose(mine["val_loss"], theirs["val_loss"], rtol=1e-5)


def test_an_oversized_model_is_a_failed_trial(tmp_path):
    oracle = make_oracle("grid")
    tuner = PackedTuner(oracle, widths(), directory=str(tmp_path), max_model_size=130)
    tuner.search(X, Y, validation_data=HELD_OUT, verbose=0)
    assert [one.status for one in tuner.outcomes] == ["COMPLETED", "FAILED"]
    assert "Oversized model" in tuner.outcomes[1].message


def test_optimizer_loss_and_metrics_can_be_the_tuners(tmp_path):
    def build(hp):
        return keras.Sequential([L.Flatten(), L.Dense(hp.Choice("width", [3, 4])), L.Dense(3)])

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {"optimizer": "rmsprop", "loss": loss, "metrics": ["accuracy"]}
    tuner = PackedTuner(make_oracle("grid"), build, directory=str(tmp_path), **options)
    tuner.search(X, Y, validation_data=HELD_OUT, verbose=0)
    assert [(one.status, one.packed) for one in tuner.outcomes] == [("COMPLETED", 2)] * 2


def test_a_new_tuner_reads_the_results_at_once_and_overwrites_them_if_told(tmp_path, capsys):
    first, _ = search(tmp_path, widths())
    capsys.readouterr()
    options = {"directory": str(tmp_path), "say": lambda text: None}
    read = PackedTuner(make_oracle("grid"), widths(), **options)
    assert read.get_best_hyperparameters()[0].values == first.get_best_hyperparameters()[0].values
    assert np.array_equal(
        read.get_best_models()[0].get_weights()[0], first.get_best_models()[0].get_weights()[0]
    )
    read.results_summary()
    read.search_space_summary()
    said = capsys.readouterr().out
    assert said.count("Score:") == 2
    assert "width (Choice)" in said
    # It goes on as ever.
    read.search(X, Y, epochs=2, validation_data=HELD_OUT)
    assert fakes.table(read.outcomes) == fakes.table(first.outcomes)
    anew = PackedTuner(make_oracle("grid"), widths(), overwrite=True, **options)
    assert anew.oracle.get_best_trials(1) == []


def test_silence(tmp_path, capsys):
    tuner = PackedTuner(make_oracle("grid"), widths(), directory=str(tmp_path))
    tuner.search(X, Y, validation_data=HELD_OUT, verbose=0, callbacks=[Seen()])
    assert capsys.readouterr().out == ""
