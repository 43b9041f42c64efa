"""`tuning.search`: a space of TOML, laid over an app's recipe."""

import keras_tuner
import msgspec
import pytest

from kerasdl import recipe
from kerasdl.apps import svhn
from kerasdl.studies.experiment_command import make_parser, make_recipe
from kerasdl.tuning import search, space
from kerasdl.tuning.space import Axis

GOOD = """
[training.learning_rate]
min = 1e-4
max = 1e-2
sampling = "log"

[training.batch_size]
values = [32, 64]

[settings.units]
values = [[128], [256, 128]]

[settings.activation]
values = ["relu", "tanh"]
"""


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs the command up to where it would search; returns its exit code, recipe and errors."""

    def main(text, *arguments):
        if text is not None:
            (tmp_path / "space.toml").write_text(text)
            arguments = (*arguments, "--space", str(tmp_path / "space.toml"))
        found = []
        stop = lambda app, experiment, plan, *rest: found.append(plan) or 0  # noqa: E731
        monkeypatch.setattr("kerasdl.studies.experiment_command.perform", stop)
        try:
            code = search.main(list(arguments))
        except SystemExit as error:
            code = error.code
        return code, found[0] if found else None, capsys.readouterr().err

    return main


def test_a_trials_recipe_is_the_apps_with_the_values_of_the_space(run):
    code, plan, _ = run(GOOD, "--app", "mnist", "--model", "mlp", "--algorithm", "random")
    assert code == 0
    assert (plan.network, plan.algorithm, plan.seeds) == ("mlp", "random", 1)
    hp = keras_tuner.HyperParameters()
    hp.values = {"settings.units": "256,128", "training.learning_rate": 2e-3}
    assert plan.changes(hp) == {
        "training": {"learning_rate": 2e-3, "batch_size": 32},
        "settings": {"units": [256, 128], "activation": "relu"},
    }
    kinds = {one.name: type(one).__name__ for one in hp.space}
    assert kinds["training.learning_rate"] == "Float"
    assert kinds["settings.units"] == "Choice"


def test_without_a_word_on_epochs_a_small_set_is_passed_as_often_as_the_app_does(run):
    _, plan, _ = run(GOOD.partition("[settings")[0], "--app", "svhn")
    preset = svhn.APP.presets["default"]
    model = preset["models"][0]
    own = msgspec.structs.replace(svhn.APP.training[model], **preset["training"][model])
    assert plan.fitted(3700).epochs == own.num_epochs(3700) > own.epochs
    assert plan.data.validation_fraction == 0.1


@pytest.mark.parametrize("app", search.APPS)
def test_every_app_can_be_searched(app, run):
    code, plan, error = run("[training.learning_rate]\nvalues = [1e-3, 1e-4]\n", "--app", app)
    assert code == 0, error
    assert plan.data.validation_fraction > 0
    assert plan.data.dataset


def test_the_recipe_starts_from_what_the_app_trains_that_model_with(run):
    _, plan, _ = run(GOOD.partition("[settings")[0], "--app", "svhn", "--epochs", "2")
    model = svhn.APP.presets["default"]["models"][0]
    assert plan.network == svhn.APP.presets["default"].get("networks", {}).get(model, model)
    # Asked for in so many words, whatever `minimum_images` the app has.
    assert plan.fitted(3700).epochs == 2
    own = svhn.APP.training[model]
    assert plan.training.optimizer == own.optimizer


BAD = {
    "nothing": ("", "expected a space, e.g. --space FILE.toml"),
    "part": ("[model.x]\nvalues = [1]", "parts settings, training"),
    "field": ("[training.rate]\nvalues = [1]", "space.training.rate"),
    "setting": ("[settings.width]\nvalues = [1]", "space.settings.width: mlp has the settings"),
    "type": ("[training.epochs]\nvalues = ['many']", "space.training.epochs"),
    "range": ("[training.epochs]\nmin = 1.0\nmax = 5.0", "space.training.epochs"),
    "limit": ("[training.learning_rate]\nmin = -1.0\nmax = 1.0", "space.training.learning_rate"),
    "order": ("[training.epochs]\nmin = 5\nmax = 2", "min < max"),
    "half": ("[training.epochs]\nmin = 5", "values = [...], or min and max"),
    "both": ("[training.epochs]\nmin = 5\nmax = 6\nvalues = [1]", "or min and max"),
    "step": ("[training.epochs]\nmin = 1\nmax = 6\nstep = 0", "step > 0"),
    "half a step": ("[training.epochs]\nmin = 1\nmax = 6\nstep = 0.5", "a whole step"),
    "log": ("[training.learning_rate]\nmin = 0\nmax = 1.0\nsampling = 'log'", "log takes min > 0"),
    "infinite": ("[training.learning_rate]\nmin = 0.1\nmax = inf", "finite numbers"),
    "no number": ("[training.learning_rate]\nmin = nan\nmax = 0.1", "finite numbers"),
    "no step": ("[training.learning_rate]\nmin = 0.1\nmax = 1.0\nstep = nan", "finite numbers"),
    "many": (
        "[training.epochs]\nmin = 1\nmax = 9000000",
        "1000000 whole numbers; give a larger step",
    ),
    "mixed": ("[settings.units]\nvalues = [1, 'a']", "values of one type"),
    "twice": ("[training.epochs]\nvalues = [1, 2, 1]", "each value once"),
    "unknown": ("[training.epochs]\nvalue = [1]", "value"),
    "toml": ("[training", "space.toml"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_space_cannot_be_is_said_in_one_line(case, run):
    text, message = BAD[case]
    code, plan, error = run(text, "--app", "mnist", "--model", "mlp")
    assert (code, plan) == (2, None)
    assert message in error
    assert error.startswith("python -m kerasdl.tuning.search: error: ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--app", "theory"], "expected one of svhn"),
        (["--app", "mnist", "--model", "nothing"], "the app mnist has the models"),
        (["--model", "mlp"], "--model is a model of an app"),
        (["--algorithm", "annealing"], "--algorithm"),
        (["--app", "mnist", "--validation-fraction", "0"], "a search judges by validation images"),
        (["--app", "mnist", "--ema", "0.9"], "no moving average"),
        (["--app", "mnist", "--algorithm", "hyperband", "--trials", "3"], "hyperband's trials"),
        (["--app", "mnist", "--algorithm", "hyperband", "--keep", "best"], "last epoch"),
        (["--app", "mnist", "--jobs", "0"], "a number of 1 or more"),
        (["--app", "mnist", "--set", "settings.nothing=1"], "nothing"),
    ],
)
def test_what_cannot_be_searched_is_said(arguments, message, run):
    code, plan, error = run("[training.batch_size]\nvalues = [32, 64]", *arguments)
    assert (code, plan) == (2, None)
    assert message in error


def test_hyperband_chooses_the_epochs_itself(run):
    text = "[training.epochs]\nvalues = [1, 2]"
    code, _, error = run(text, "--app", "mnist", "--algorithm", "hyperband")
    assert code == 2
    assert "hyperband chooses the epochs itself" in error


def test_a_space_that_is_not_there_is_said(run):
    code, _, error = run(None, "--app", "mnist", "--space", "nowhere.toml")
    assert code == 2
    assert "nowhere.toml" in error


def test_a_recorded_recipe_is_the_same_search(run, tmp_path):
    _, plan, _ = run(GOOD, "--app", "mnist", "--model", "mlp")
    settings = {"app": "search", "experiment": "search", **recipe.to_dict(plan)}
    from kerasdl.reporting.render import toml

    path = tmp_path / "recipe.toml"
    path.write_text(toml(settings))
    chosen = vars(make_parser("search", search.EXPERIMENT).parse_args(["--recipe", str(path)]))
    assert make_recipe("search", search.EXPERIMENT, chosen) == plan


@pytest.mark.parametrize(
    ("axis", "name", "kind", "values"),
    [
        (Axis(values=(1, 2.5)), "Choice", float, [1.0, 2.5]),
        (Axis(values=(True, False)), "Boolean", bool, [True, False]),
        (Axis(values=(True,)), "Fixed", bool, [True]),
        (Axis(min=2, max=8, step=3), "Int", int, [2, 5, 8]),
        (Axis(min=2, max=4), "Int", int, [2, 3, 4]),
        (Axis(min=0.0, max=1.0, step=0.5), "Float", float, [0.0, 0.5, 1.0]),
    ],
)
def test_an_axis_is_a_hyperparameter_of_keras_tuners(axis, name, kind, values):
    hp = keras_tuner.HyperParameters()
    assert axis.problem() is None
    value = axis.ask(hp, "x")
    assert type(hp.space[0]).__name__ == name
    assert isinstance(value, kind)
    assert sorted(hp.space[0].values) == sorted(values)


def test_parts_without_axes_are_no_space():
    with pytest.raises(ValueError, match="expected a space"):
        space.check({"settings": {}, "training": {}}, "mlp")
