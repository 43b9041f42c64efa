"""--minutes: how a recipe is shortened, and that it stays what it was decided to be."""

import pytest

from kerasdl.apps import svhn, theory
from kerasdl.experiments.cuts import settings as cuts
from kerasdl.experiments.depth import study as depth
from kerasdl.experiments.scratch import settings as scratch
from kerasdl.studies import minutes
from kerasdl.studies.options import make_parser, make_recipe
from kerasdl.studies.timing import Sizes

SIZES = Sizes(train=1000, validation=100, test=200, classes=10)


def plan(*arguments):
    return make_recipe(svhn.APP, vars(make_parser(svhn.APP).parse_args(arguments)))


def limit(monkeypatch, given, spent=0.0):
    monkeypatch.setattr("kerasdl.studies.minutes.time.monotonic", lambda: spent)
    return minutes.Limit(given, 0.0)


def cost(one, sizes):
    """Ten seconds for each training, and a hundredth of a second for an image."""
    epochs = [training.num_epochs(sizes.train) for training in one.training.values()]
    return sum(10 + 0.01 * count * sizes.train for count in epochs)


LONG = ["--set", "training.lenet5.epochs=40", "--set", "training.smallnet.epochs=10"]


def test_epochs_are_shortened_in_proportion(monkeypatch):
    base = plan(*LONG)  # 20 + 400 + 100 s
    fitted, said = minutes.fit(base, SIZES, limit(monkeypatch, 5), cost)
    assert {name: one.epochs for name, one in fitted.training.items()} == {
        "lenet5": 20,
        "smallnet": 5,
    }
    assert cost(fitted, SIZES) <= 0.9 * 300
    assert fitted.training["lenet5"].minimum_images == 0
    assert fitted.data.train_size is None
    assert "lenet5 20 of 40 epochs, smallnet 5 of 10 epochs; about 4 min 30 s" in said


def test_what_was_spent_before_counts(monkeypatch):
    fitted, _ = minutes.fit(plan(*LONG), SIZES, limit(monkeypatch, 5, spent=120.0), cost)
    assert cost(fitted, SIZES) <= 0.9 * 300 - 120


def test_where_one_epoch_is_too_long_images_are_left_out(monkeypatch):
    fitted, said = minutes.fit(plan(*LONG), SIZES, limit(monkeypatch, 0.5), cost)
    assert {one.epochs for one in fitted.training.values()} == {1}
    assert fitted.data.train_size == 350  # 20 + 2 * 3.5 = 27 s
    assert "350 of 1,000 images" in said


def test_a_run_that_fits_is_left_as_it_is(monkeypatch):
    base = plan()
    fitted, said = minutes.fit(base, SIZES, limit(monkeypatch, 1000), cost)
    assert fitted == base
    assert "nothing is left out" in said


def test_too_little_time_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match=r"--minutes 0.2 is too short.* about 22 s"):
        minutes.fit(plan(), SIZES, limit(monkeypatch, 0.2), cost)


def test_a_small_set_that_is_passed_often_is_shortened_too():
    base = plan("--models", "lenet5")
    whole = base.training["lenet5"].num_epochs(1000)
    assert whole > base.training["lenet5"].epochs
    half = minutes.shorten(base, 0.5, SIZES, train_size=200)
    assert half.training["lenet5"].num_epochs(200) == whole // 2
    assert half.data.train_size == 200


def test_every_kind_of_recipe_is_shortened():
    assert minutes.shorten(depth.Recipe(epochs=10), 0.3, SIZES).epochs == 3
    assert minutes.shorten(scratch.Recipe(epochs=(50, 100)), 0.01, SIZES).epochs == (1,)
    assert minutes.shorten(scratch.Recipe(epochs=(50, 100)), 0.5, SIZES).epochs == (25, 50)
    assert minutes.shorten(cuts.Recipe(), 0.1, SIZES).training.epochs == 20
    options = ["--transfer", "vgg16", "--arms", "finetuned"]
    tuned = minutes.shorten(plan(*options), 0.5, SIZES)
    assert tuned.transfer["vgg16-finetuned"].finetune_epochs == 5


def earlier(folder, given, base, sha256="0"):
    return minutes.earlier(str(folder), "svhn", given, base, SIZES, sha256=sha256)


def test_the_recipe_that_was_decided_stands(tmp_path):
    from kerasdl import recipe

    base = plan()
    fitted = minutes.shorten(base, 0.1, SIZES, train_size=500)
    (tmp_path / "recipe.toml").write_text(minutes.note(5) + recipe.to_toml(fitted))
    assert earlier(tmp_path, 5.0, base) == fitted
    assert earlier(tmp_path, 6.0, base) is None
    assert earlier(tmp_path, 5.0, plan("--models", "lenet5")) is None
    assert earlier(tmp_path, 5.0, plan("--learning-rate", "0.5")) is None
    (tmp_path / "recipe.toml").write_text(recipe.to_toml(fitted))
    assert earlier(tmp_path, 5.0, base) is None
    assert earlier(tmp_path / "nowhere", 5.0, base) is None


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (svhn.main, ["--minutes", "5", "--epochs", "3"], "drop --epochs"),
        (svhn.main, ["--minutes", "5", "--find-lr"], "--find-lr takes seconds"),
        (theory.main, ["--minutes", "5"], "theory has no epochs"),
    ],
)
def test_what_minutes_cannot_decide_is_one_line(tmp_path, capsys, main, arguments, message):
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_minutes_are_a_positive_number(text, capsys):
    with pytest.raises(SystemExit) as caught:
        svhn.main(["--minutes", text])
    assert caught.value.code == 2
    assert "expected minutes > 0" in capsys.readouterr().err
