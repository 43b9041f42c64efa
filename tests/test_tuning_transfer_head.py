"""The search of a head on a frozen base: packed on features, continued, left as one model."""

import csv
import dataclasses
import itertools
from types import SimpleNamespace

import keras
import keras_tuner
import msgspec
import numpy as np
import pytest
import transfer_fakes as fakes
import tuner_fakes
from rich.console import Console

from kerasdl import record
from kerasdl.datasets.load import load
from kerasdl.models import saved, transfer
from kerasdl.studies.transfer.frozen import Frozen
from kerasdl.training.packed import packable
from kerasdl.training.settings import Training
from kerasdl.tuning import identity, study, transfer_head
from kerasdl.tuning.head_model import HeadModel, make_head
from kerasdl.tuning.material import Material
from kerasdl.tuning.subjects import SUBJECTS
from kerasdl.tuning.training_jobs import Rows
from kerasdl.tuning.winner import retrain

TINY = ["--features", "conv_pw_3_relu", "--trials", "4", "--seeds", "2", "--epochs", "12"]
TINY += ["--batch-size", "21", "--widths", "8", "--depths", "0,1", "--dropouts", "0,0.2"]
TINY += ["--learning-rates", "0.03", "--l2", "0,0.001"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return fakes.arguments(tmp_path_factory.mktemp("head"))


@pytest.fixture(scope="module")
def finished(given, tmp_path_factory):
    out = tmp_path_factory.mktemp("head") / "run"
    arguments = [*TINY, *given, "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASDL_HOME", str(out.parent / "home"))
        assert transfer_head.main(arguments) == 0
    return out, arguments


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_heads_are_searched_together_on_features(finished):
    out, _ = finished
    rows = rows_of(out / "trials.csv")
    assert len(rows) == 4
    (group,) = (out / "keras_tuner" / "groups").glob("*.json")
    outcomes = msgspec.json.decode(group.read_bytes())["outcomes"]
    assert {one["packed"] for one in outcomes} == {8}
    # 64 features: a head has no more than this.
    assert max(one["parameters"] for one in outcomes) <= 64 * 8 + 8 + 8 * 3 + 3
    text = (out / "README.md").read_text()
    assert "head" in text
    assert "the frozen base (weights: " in text


def test_the_winner_is_one_model_from_pixels_that_scores_what_the_report_says(finished, given):
    out, _ = finished
    model = saved.load(out / "models" / "winner.keras")
    assert transfer.is_transfer(model)
    assert not transfer.base_of(model).trainable_weights
    test = load(given[1]).test
    accuracy = (model.predict(test.images, verbose=0).argmax(axis=1) == test.labels).mean()
    rows = rows_of(out / "winner.csv")
    assert float(rows[0]["Test accuracy (%)"]) == pytest.approx(100 * accuracy, abs=0.01)
    assert accuracy > 0.8
    head = transfer.head_model(model)
    assert str(head.count_params()) == rows[0]["Parameters"]


def test_started_again_it_trains_nothing_and_says_the_same(finished, monkeypatch):
    from kerasdl.training.engine import Engine
    from kerasdl.training.packed import Packed

    out, arguments = finished
    before = record.read_findings(out / "results.json").sections
    monkeypatch.setenv("KERASDL_HOME", str(out.parent / "home"))
    for one in (Packed, Engine):
        monkeypatch.setattr(one, "fit", lambda *a, **k: pytest.fail("trained again"))
    assert transfer_head.main(arguments) == 0
    assert record.read_findings(out / "results.json").sections == before


def test_a_killed_search_goes_on_with_the_rest_on_the_features_it_had(
    given, tmp_path, monkeypatch, capsys
):
    tuner_fakes.pretend(monkeypatch)
    monkeypatch.setattr(identity, "GROUP_MODELS", 4)
    monkeypatch.setattr(study, "retrain", lambda *arguments: None)
    titles = []

    class Progress(keras.callbacks.Callback):
        error_at = 1

        def __init__(self, console, title, num_examples, batch_size, forecast=None):
            super().__init__()
            titles.append(title)
            if len(titles) - 1 == self.error_at:
                raise KeyboardInterrupt

    monkeypatch.setattr(study, "RichProgress", Progress)
    arguments = [*TINY, *given, "--out", str(tmp_path / "run")]
    assert transfer_head.main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    Progress.error_at = None
    from kerasdl.training.features.extract import Extractor

    monkeypatch.setattr(Extractor, "_compute", lambda *a: pytest.fail("computed again"))
    assert transfer_head.main(arguments) == 0
    # Of two groups the first was finished.
    assert [title.split()[1] for title in titles] == ["0", "2", "2"]
    assert len(rows_of(tmp_path / "run" / "trials.csv")) == 4


@pytest.mark.parametrize(
    ("depth", "dropout"), list(itertools.product([0, 1, 3], [0.0, 0.5])), ids=str
)
def test_every_head_can_be_packed_and_is_that_of_the_whole_model(depth, dropout, tmp_path):
    space = {"head": [7] * depth, "dropout": dropout, "l2": 1e-3}
    options = {"training": Training(), "precision": "float32"}
    model = HeadModel(64, 3, 100, space=lambda hp: {"settings": space}, **options)
    head = model.build(keras_tuner.HyperParameters())
    assert packable(head) is None
    settings = {"base": fakes.BASE, "weights": "random", "freeze": "none", "head": [7] * depth}
    settings |= {"dropout": dropout, "features": "conv_pw_4_relu"}
    whole = transfer.head_model(transfer.transfer((32, 32, 1), 3, **settings))
    assert [tuple(w.shape) for w in head.weights] == [tuple(w.shape) for w in whole.weights]
    kinds = [[type(layer) for layer in one.layers] for one in (head, whole)]
    assert kinds[0] == kinds[1]
    whole.set_weights(head.get_weights())
    x = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    np.testing.assert_allclose(head(x), whole(x), rtol=1e-5, atol=1e-6)


def test_a_head_on_other_features_is_refused(given):
    """What is saved is compared with what was trained, on images, before it leaves."""
    dataset = load(given[1])
    settings = {"base": fakes.BASE, "weights": given[-1], "features": "conv_pw_2_relu"}
    frozen = Frozen(settings, "float32", dataset, data_dir=None, console=Console(quiet=True))
    model = frozen.model()
    head = make_head(32, 3, head=[], dropout=0.0, l2=0.0)
    images = dataset.test.images[:8]
    logits = head.predict(frozen.features_of(model, size=0).of(images), verbose=0)
    joined = frozen.joined(model, head.get_weights(), logits, images)
    assert joined.difference < 1e-5
    with pytest.raises(ValueError, match=r"must agree to 0\.001 of the largest logit on 8 images"):
        frozen.joined(frozen.model(), head.get_weights(), logits + 0.01, images)


def test_features_are_kept_where_an_app_finds_them(given):
    from kerasdl.models import weights
    from kerasdl.studies.transfer.cached import CachedBase

    dataset, cut = load(given[1]), {"features": "conv_pw_2_relu"}
    settings = {"base": fakes.BASE, "weights": given[-1]}
    frozen = Frozen(settings, "float32", dataset, data_dir=None, console=Console(quiet=True))
    model = frozen.model(**cut)
    ours = frozen.features_of(model, size=0, pooling="average", **cut)
    sha256 = weights.identity(transfer.base_of(model))
    # What a recipe of an app has of a model whose size and pooling nobody named.
    recipe = {"base": fakes.BASE, "weights": "imagenet", "weights_sha256": sha256, **cut}
    # And of one whose person named them.
    named = {**recipe, "size": 0, "pooling": "average"}
    theirs = [CachedBase(model, one, "float32", None, None) for one in (recipe, named)]
    keys = [one._extractor.key(dataset.test.images) for one in (ours, *theirs)]
    assert keys[0] == keys[1] == keys[2]
    assert keys[0]["network"]["pooling"] == "average"


def test_trials_are_called_by_what_they_are():
    (name,) = {SUBJECTS["transfer_head"](transfer_head.Recipe()).words.describe}
    values = {"depth": 2, "width": 128, "dropout": 0.2, "l2": 1e-4, "learning_rate": 3e-3}
    assert name(values) == "128-128, dropout 0.2, L2 0.0001, rate 0.003"
    linear = {"depth": 0, "dropout": 0.0, "l2": 0.0, "learning_rate": 0.01}
    assert name(linear) == "a linear head, rate 0.01"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--transfer", "vgg116"], "Did you mean 'vgg16'?"),
        (["--size", "16"], "takes images of 32 pixels or more"),
        (["--weights", "random"], "nothing is learned by freezing random weights"),
        (["--weights", "nowhere.h5"], "no such file or folder"),
        (["--weights-sha256", "0" * 64], "`weights_sha256` must be that of the weights"),
        (["--features", "conv_pw_3_rel"], "Did you mean 'conv_pw_3_relu'?"),
        (["--widths", "8,8"], "widths must differ from each other"),
        (["--flip", "true"], "features are of images as they are"),
        (["--validation-fraction", "0"], "judges by validation images"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments, message, given, tmp_path, capsys):
    command = [*TINY, *given, *arguments, "--out", str(tmp_path / "run")]
    assert transfer_head.main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_winner_on_other_features_is_trained_anew(tmp_path):
    """The same recipe may find other weights under the same name, and so other features."""
    subject = SUBJECTS["transfer_head"](transfer_head.Recipe())
    values = {"depth": 0, "dropout": 0.0, "l2": 0.0, "learning_rate": 0.01}
    rows = Rows(np.zeros((4, 3), np.float32), np.zeros(4, np.int32))

    def keys_of(train, subject=subject):
        keys = []

        def memo(key, compute):
            keys.append(key)
            return {"accuracy": 1.0, "parameters": 9, "said": ""}

        plan = transfer_head.Recipe(seeds=2)
        context = SimpleNamespace(plan=plan, folder=tmp_path, memo=memo)
        ranking = SimpleNamespace(best=SimpleNamespace(outcome=SimpleNamespace(values=values)))
        hypermodel = SimpleNamespace(training=lambda hp: Training())
        material = Material(train, rows, lambda: rows, lambda *_: hypermodel, None)
        retrain(context, subject, ranking, material)
        return keys

    first, other = keys_of(rows), keys_of(Rows(rows.images + 1, rows.labels))
    assert len({*first, *other}) == 4
    assert keys_of(rows) == first
    # Images are the experiment's own, which decide the memo as a whole.
    images = dataclasses.replace(subject, frozen=False)
    assert keys_of(rows, images) == keys_of(Rows(rows.images + 1, rows.labels), images)
