"""Models with names of their own, their settings and trainings."""

import pytest

from kerasdl.apps import fashion_mnist, mnist
from kerasdl.studies.options import make_parser, make_recipe


def plan(app, *arguments):
    return make_recipe(app.APP, vars(make_parser(app.APP).parse_args(list(arguments))))


def test_one_network_several_times():
    found = plan(fashion_mnist, "--models", "relu,sigmoid")
    assert found.networks == {"relu": "mlp", "sigmoid": "mlp"}
    assert found.network("relu").name == "mlp"
    assert found.settings["sigmoid"]["activation"] == "sigmoid"


def test_a_preset_may_change_the_training():
    found = plan(fashion_mnist, "--preset", "full", "--models", "relu")
    assert (found.training["relu"].optimizer, found.training["relu"].momentum) == ("sgd", 0.0)
    assert plan(fashion_mnist, "--models", "relu").training["relu"].optimizer == "adamw"
    changed = plan(fashion_mnist, "--preset", "full", "--models", "relu", "--epochs", "3")
    assert (changed.training["relu"].epochs, changed.training["relu"].batch_size) == (3, 32)


def test_settings_are_options_of_the_models_that_have_them():
    found = plan(mnist, "--models", "mlp1,mlp", "--units", "30,20", "--width", "7")
    assert found.settings["mlp"]["units"] == [30, 20]
    assert found.settings["mlp1"]["width"] == 7
    assert "units" not in found.settings["mlp1"]


def test_a_setting_that_no_chosen_model_has_is_refused():
    with pytest.raises(ValueError, match="--units is no setting of any chosen model"):
        plan(mnist, "--models", "cnn", "--units", "3")


def test_a_person_may_name_models(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'models = ["wide", "mlp"]\n[networks]\nwide = "mlp"\n'
        "[settings.wide]\nunits = [900]\n[training.wide]\nepochs = 3\n"
    )
    found = plan(mnist, "--recipe", str(file))
    assert found.networks == {"wide": "mlp"}
    assert found.training["wide"].epochs == 3
    # What the person does not say is the network's own.
    assert found.training["wide"].batch_size == found.training["mlp"].batch_size


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('models = ["wide"]', "Unknown network"),
        ('models = ["wide"]\n[networks]\nwide = "mpl"', "'mlp'"),
        ('models = ["a/b"]\n[networks]\n"a/b" = "mlp"', "a model's name"),
        ('models = ["wide"]\nnetworks = 3', r"\[networks\]"),
        ('models = ["wide"]\n[networks]\nwide = ["mlp"]', "networks.wide must be a name"),
    ],
)
def test_a_wrong_name_is_one_clear_error(tmp_path, text, complaint):
    file = tmp_path / "mine.toml"
    file.write_text(text + "\n")
    with pytest.raises(ValueError, match=complaint):
        plan(mnist, "--recipe", str(file))


def test_a_network_that_the_app_does_not_know_needs_no_more_than_its_name():
    found = plan(mnist, "--models", "resnet20", "--epochs", "3")
    assert found.training["resnet20"].epochs == 3
