"""`--transfer` as its user types it: what is said of mistakes, and a run from end to end."""

import json
import shutil

import numpy as np
import pytest
import transfer_fakes as fakes
from arms_fakes import make_plan
from transfer_fakes import BASE

from kerasdl import recipe, record
from kerasdl.apps import cifar10, mnist, reproduce, svhn
from kerasdl.models import saved
from kerasdl.models.transfer import is_transfer
from kerasdl.studies.options import make_parser, make_recipe

MISTAKES = {
    "a base that does not exist": (["--transfer", "vgg17"], "Did you mean 'vgg19'?"),
    "networks besides": (
        ["--transfer", "vgg16", "--models", "lenet5"],
        "--transfer names the networks itself",
    ),
    "a preset besides": (["--transfer", "vgg16", "--preset", "full"], "Received: --preset besides"),
    "its options alone": (["--weights", "imagenet"], "--weights goes with --transfer"),
    "fine-tuning alone": (["--finetune-epochs", "3"], "--finetune-epochs goes with --transfer"),
    "no cache alone": (["--no-cache"], "--no-cache goes with --transfer"),
    "a limit alone": (["--cache-limit", "3GB"], "--cache-limit is of features of --transfer"),
    "dropout alone": (["--dropout", "0.3"], "--dropout goes with --transfer"),
    "a limit of nothing": (
        ["--transfer", "vgg16", "--no-cache", "--cache-limit", "3GB"],
        "--cache-limit is of features of --transfer. Received: arms that keep none",
    ),
    "the network by its own name": (["--models", "transfer"], "name it with --transfer"),
    "an arm that does not exist": (
        ["--transfer", "vgg16", "--arms", "cold"],
        "--arms takes some of frozen, finetuned, scratch. Received: 'cold'",
    ),
    "a base twice": (["--transfer", "vgg16,vgg16"], "takes names, each once"),
    "frozen random weights": (
        ["--transfer", "vgg16", "--weights", "random"],
        "--weights random goes with --arms scratch",
    ),
    "weights from scratch": (
        ["--transfer", "vgg16", "--arms", "scratch", "--weights", "imagenet"],
        "--arms scratch begins with random weights",
    ),
    "fine-tuning what is frozen": (
        ["--transfer", "vgg16", "--unfreeze", "block5_conv1"],
        "--unfreeze goes with --arms finetuned",
    ),
    "augmented features": (["--transfer", "vgg16", "--shift", "2"], "give --views N"),
    "views of pixels": (["--transfer", "vgg16", "--views", "3", "--no-cache"], "views are of"),
    "no layer to begin with": (
        ["--transfer", "vgg16", "--freeze", "none", "--set", "transfer.vgg16-frozen.cached=true"],
        "features can be kept while the whole base is frozen",
    ),
    "a step below 0": (["--transfer", "vgg16", "--set", "transfer.vgg16-frozen.views=0"], ">= 1"),
    "a field that does not exist": (
        ["--transfer", "vgg16", "--set", "transfer.vgg16-frozen.view=2"],
        "did you mean 'views'?",
    ),
    "another network's table": (
        ["--set", "transfer.lenet5.views=2", "--models", "lenet5"],
        "transfer.lenet5 is for a model of the network 'transfer'",
    ),
    "weights that are not there": (
        ["--transfer", "vgg16", "--weights", "nowhere/model.keras"],
        "Received: nowhere/model.keras, no such file or folder",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, expected = MISTAKES[case]
    assert svhn.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert expected in error
    assert list(tmp_path.iterdir()) == []


def test_several_workers_are_refused(capsys):
    arguments = ["--transfer", "vgg16", "--strategy", "multiworker", "--rank", "0"]
    assert svhn.main([*arguments, "--workers", "127.0.0.1:1,127.0.0.1:2"]) == 2
    assert "--transfer runs in one process" in capsys.readouterr().err


def test_arms_become_models_of_the_recipe():
    plan = make_plan("--arms", "frozen,finetuned,scratch", "--head", "64,32", "--dropout", "0.1")
    assert plan.models == (f"{BASE}-frozen", f"{BASE}-finetuned", f"{BASE}-scratch")
    frozen, tuned, scratch = (plan.transfer[name] for name in plan.models)
    assert (frozen.cached, tuned.cached, scratch.cached) == (True, True, False)
    assert frozen.finetune_epochs is None
    assert tuned.finetune_epochs >= 1
    # A frozen arm sees images as they are; the others are augmented as the app says.
    assert [plan.training[name].shift for name in plan.models] == [0, 2, 2]
    assert {tuple(plan.settings[name]["head"]) for name in plan.models} == {(64, 32)}
    assert plan.settings[f"{BASE}-scratch"]["weights"] == "random"
    again = recipe.from_dict(recipe.to_dict(plan), type(plan), where="itself")
    assert again == plan


def test_views_or_pixels_are_augmented_and_a_part_of_the_base_needs_pixels():
    name = f"{BASE}-frozen"
    views, pixels = make_plan("--views", "3"), make_plan("--no-cache")
    part = make_plan("--freeze", "conv_pw_6_relu")
    assert (views.transfer[name].views, views.training[name].shift) == (3, 2)
    for plan in (pixels, part):
        assert not plan.transfer[name].cached
        assert plan.training[name].shift == 2


def test_each_app_has_its_own_augmentation_and_an_option_for_all():
    def plan(app, *words):
        return make_recipe(app, vars(make_parser(app).parse_args(["--transfer", BASE, *words])))

    arms = ["--arms", "scratch"]
    assert plan(cifar10.APP, *arms).training[f"{BASE}-scratch"].flip
    assert not plan(svhn.APP, *arms).training[f"{BASE}-scratch"].flip
    # The option that the app's own networks have, too.
    own = make_parser(mnist.APP).parse_args(["--models", "mlp", "--dropout", "0.3"])
    assert make_recipe(mnist.APP, vars(own)).settings["mlp"]["dropout"] == 0.3
    dropout = plan(mnist.APP, "--dropout", "0.3")
    assert dropout.settings[f"{BASE}-frozen"]["dropout"] == 0.3
    assert dropout.precision == "auto"
    assert plan(svhn.APP, "--epochs", "7").training[f"{BASE}-frozen"].epochs == 7
    quoted = plan(svhn.APP, "--set", f'training."{BASE}-frozen".epochs=9')
    assert quoted.training[f"{BASE}-frozen"].epochs == 9


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a frozen arm on a few images, and its arguments."""
    folder = tmp_path_factory.mktemp("transfer")
    arguments = [*fakes.arguments(folder), "--epochs", "10", "--out", str(folder / "run")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASDL_HOME", str(folder / "home"))
        assert svhn.main(arguments) == 0
    return folder, arguments


@pytest.fixture
def run(finished, monkeypatch):
    folder, arguments = finished
    monkeypatch.setenv("KERASDL_HOME", str(folder / "home"))
    return folder / "run", arguments


def test_a_run_leaves_what_every_run_does_and_its_weights_checksum(run):
    out, _ = run
    result = record.read(out / "results.json")
    assert result.status == "complete"
    assert [one.title for one in result.summary] == ["MobileNet 0.25, frozen"]
    assert recipe.read_toml(out / "recipe.toml") == result.recipe
    (only,) = result.runs
    assert len(result.recipe["settings"][f"{BASE}-frozen"]["weights_sha256"]) == 64
    assert only.feature_seconds > 0
    assert only.trained_parameters == 256 * 3 + 3 < only.parameters
    # What the arms say, not what the app does of its own networks.
    assert any("frozen" in text for section in result.sections for text in section.text)


def test_the_saved_model_takes_pixels(run):
    out, _ = run
    model = saved.load(out / "models" / f"{BASE}-frozen-seed0.keras")
    assert is_transfer(model)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    assert model.predict(images, verbose=0).shape == (2, 3)


def test_other_weights_under_the_same_name_are_another_recipe(run, capsys, tmp_path):
    out, arguments = run
    weights = out.parent / "base.weights.h5"
    kept = shutil.copy(weights, tmp_path / "kept.h5")
    try:
        fakes.write_weights(weights, seed=5)
        assert svhn.main(arguments) == 2
    finally:
        shutil.copy(kept, weights)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"settings.{BASE}-frozen.weights_sha256" in error


def test_features_without_room_are_refused_before_there_is_a_folder(run, tmp_path, capsys):
    _, arguments = run
    given = [*arguments[:-1], str(tmp_path / "new"), "--cache-limit", "1kB"]
    assert svhn.main(given) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "more than all that the cache may: 1 kB. Raise the limit (--cache-limit" in error
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_ends_in_an_error_is_not_left_running(tmp_path, capsys, monkeypatch):
    from kerasdl.studies.networks import Study

    def fail(*_):
        raise ValueError("the features are others")

    monkeypatch.setattr(Study, "fit", fail)
    images = fakes.write_textures(tmp_path / "textures", {"train": 4, "test": 2})
    given = ["--dataset", str(images), "--models", "lenet5"]
    assert svhn.main([*given, "--out", str(tmp_path / "new")]) == 2
    assert "the features are others" in capsys.readouterr().err
    assert record.read(tmp_path / "new" / "results.json").status == "interrupted"


def test_a_first_look_reproduces_it(run, tmp_path, monkeypatch):
    from kerasdl.training.features.extract import Extractor

    out, _ = run
    monkeypatch.setattr(Extractor, "_compute", lambda *a: pytest.fail("computed again"))
    assert reproduce.main([str(out), "--quick", "--out", str(tmp_path / "new")]) == 0
    found = json.loads((tmp_path / "new" / "reproduction.json").read_text())
    assert found["models"][0]["bit_identical"] == [0]
    assert found["recipe_changed"] == []


def test_a_persons_pictures_are_answered(run, capsys, tmp_path):
    from PIL import Image

    out, _ = run
    Image.fromarray(np.full((40, 30, 3), 120, np.uint8)).save(tmp_path / "one.png")
    assert svhn.main(["predict", str(tmp_path / "one.png"), "--run", str(out), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert answers["model"] == f"{BASE}-frozen"
    assert len(answers["pictures"][0]["classes"]) == 3
