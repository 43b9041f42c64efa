"""The sweep over cuts: one pass for all of them, heads on each, and the best as one model."""

import csv
import importlib
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import reporting_fakes
import transfer_fakes as fakes

from kerasdl import record
from kerasdl.apps import gurmukhi
from kerasdl.datasets.dataset import Features
from kerasdl.datasets.load import load
from kerasdl.experiments.cuts import heads, report
from kerasdl.experiments.cuts.analysis import Ranking, Results, make_cut
from kerasdl.experiments.cuts.settings import Place, Recipe
from kerasdl.experiments.cuts.study import EXPERIMENT
from kerasdl.experiments.cuts.taps import tapped
from kerasdl.models import saved, transfer
from kerasdl.studies import experiment_command
from kerasdl.studies.plan import Data

CUTS = ("conv_pw_2_relu", "conv_pw_4_relu")
TINY = ["--study", "cuts", "--sizes", "32,48", "--features", ",".join(CUTS), "--l2", "0,0.01"]
TINY += ["--epochs", "15", "--batch-size", "21", "--seeds", "2", "--learning-rate", "0.03"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return fakes.arguments(tmp_path_factory.mktemp("cuts"))


@pytest.fixture(scope="module")
def finished(given, tmp_path_factory):
    out = tmp_path_factory.mktemp("cuts") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASDL_HOME", str(out.parent / "home"))
        assert gurmukhi.main([*TINY, *given, "--out", str(out)]) == 0
    return out, [*TINY, *given, "--out", str(out)]


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_cut_at_every_size_has_a_row_with_its_costs(finished):
    out, _ = finished
    rows = rows_of(out / "cuts.csv")
    assert [(row["Cut"], row["Input"]) for row in rows] == [
        (cut, size) for size in ("32", "48") for cut in CUTS
    ]
    assert [row["Maps"] for row in rows] == [
        "8 × 8 × 32",
        "4 × 4 × 64",
        "12 × 12 × 32",
        "6 × 6 × 64",
    ]
    assert [row["Features"] for row in rows] == ["32", "64", "32", "64"]
    costs = [float(row["Million multiply-accumulates"]) for row in rows]
    assert costs[0] < costs[1] < costs[3]
    assert costs[2] == pytest.approx(costs[0] * (48 / 32) ** 2, rel=1e-4)
    assert [row["Tied with the best"] for row in rows].count("best") == 1
    assert len(rows_of(out / "best-cuts.csv")) == 2
    assert (out / "figures" / "cuts.png").stat().st_size > 10_000


def test_the_best_cut_leaves_as_one_model_that_scores_what_the_report_says(finished, given):
    out, _ = finished
    model = saved.load(out / "models" / "cut.keras")
    test = load(given[1]).test
    accuracy = (model.predict(test.images, verbose=0).argmax(axis=1) == test.labels).mean()
    rows = rows_of(out / "winner.csv")
    assert float(rows[0]["Test accuracy (%)"]) == pytest.approx(100 * accuracy)
    assert accuracy > 0.8
    assert len(rows) == 2
    assert str(model.count_params()) == rows[0]["Parameters of the model"]


def test_started_again_it_computes_nothing_and_says_the_same(finished, monkeypatch):
    from kerasdl.training.features import Extractor
    from kerasdl.training.packed import Packed

    out, arguments = finished
    before = record.read_findings(out / "results.json").sections
    monkeypatch.setattr(Packed, "fit", lambda *a, **k: pytest.fail("trained again"))
    monkeypatch.setattr(Extractor, "features", lambda *a, **k: pytest.fail("computed again"))
    assert gurmukhi.main(arguments) == 0
    assert record.read_findings(out / "results.json").sections == before


def test_other_weights_in_the_same_place_are_other_results(finished, given, monkeypatch):
    from kerasdl.experiments.cuts.sweep import Sweep

    class TrainedAgain(Exception):
        pass

    def train(self, place, title):
        raise TrainedAgain

    monkeypatch.setattr(Sweep, "train", train)
    monkeypatch.setattr(Sweep, "describe", lambda self, size: {"seconds": 0.0, "cuts": {}})
    path = Path(given[given.index("--weights") + 1])
    before = path.read_bytes()
    try:
        fakes.write_weights(path, seed=1)
        with pytest.raises(TrainedAgain):
            gurmukhi.main(finished[1])
    finally:
        path.write_bytes(before)


def test_one_pass_gives_what_each_cut_alone_gives(tmp_path):
    weights = str(fakes.write_weights(tmp_path / "base.weights.h5"))
    settings = {"base": fakes.BASE, "weights": weights, "size": 40, "pooling": "max"}
    together, taps = tapped(transfer.transfer((32, 32, 1), 3, **settings), CUTS, "max")
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
    found = together.predict(images, verbose=0)
    for cut, tap in taps.items():
        model = transfer.transfer((32, 32, 1), 3, features=cut, **settings)
        alone = transfer.features_model(model).predict(images, verbose=0)
        assert alone.shape[1:] == (tap.shape[2],)
        np.testing.assert_allclose(found[:, tap.columns], alone, rtol=1e-5, atol=1e-6)
    assert found.shape[1] == sum(tap.shape[2] for tap in taps.values())


def test_the_scaling_becomes_that_of_the_whole_model():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(50, 64)) * np.geomspace(2, 200, 64) + 3
    features[:, 7] = 5  # a map that is dead on the images it was measured on
    features = features.astype(np.float32)
    scaling = heads.Scaling.of(features)
    scaled = scaling(features)
    alive = np.arange(64) != 7
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0)[alive], 1, atol=1e-3)
    kernel, bias = generator.normal(size=(64, 3)).astype("f"), np.arange(3, dtype="f")
    settings = {"base": fakes.BASE, "weights": "random", "freeze": "none"}
    whole = transfer.transfer((32, 32, 1), 3, features="conv_pw_4_relu", **settings)
    head = transfer.head_model(whole)
    head.set_weights(scaling.of_model(kernel, bias))
    found = head.predict(features, verbose=0)
    np.testing.assert_allclose(found, scaled @ kernel + bias, rtol=1e-4, atol=1e-4)
    # It has no say when it wakes up.
    features[0, 7] += 9
    assert scaling(features)[0, 7] == 0
    np.testing.assert_array_equal(head.predict(features, verbose=0), found)


def test_each_head_is_its_own_training():
    """Packed or alone, a head is the same; a stronger penalty makes smaller weights."""
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine

    generator = np.random.default_rng(0)
    labels = (np.arange(60) % 3).astype(np.int32)
    values = generator.normal(size=(60, 8)) + labels[:, None] % 2
    rows = Features(values.astype(np.float32), labels)
    changes = ["--epochs", "4", "--batch-size", "16", "--learning-rate", "0.1"]
    plan = plan_of([*changes, "--seeds", "1", "--l2", "0,1"])
    packed = heads.train(plan, plan.l2, rows, 3, callbacks=[], title="a cut")
    free, held = (model.get_weights()[0] for model in packed.unpack())
    assert np.abs(held).sum() < 0.9 * np.abs(free).sum()
    keras.utils.set_random_seed(0)
    alone = heads._head(8, 3, 0.0)
    compile_model(alone, plan.training, 60)
    Engine(alone).fit(rows, plan.training, seed=0)
    np.testing.assert_allclose(alone.get_weights()[0], free, rtol=1e-4, atol=1e-5)


def test_a_head_that_diverges_is_said():
    rows = Features(np.full((6, 2), 1e38, np.float32), np.arange(6, dtype=np.int32) % 2)
    plan = plan_of(["--epochs", "2", "--learning-rate", "1e6", "--seeds", "1"])
    with pytest.raises(FloatingPointError, match="a cut, seed 0: the loss or the weights"):
        heads.train(plan, [0.0], rows, 2, callbacks=[], title="a cut")


def plan_of(arguments):
    """Returns the recipe of a command line."""
    parser = experiment_command.make_parser("gurmukhi", EXPERIMENT)
    options = vars(parser.parse_args(arguments))
    return experiment_command.make_recipe("gurmukhi", EXPERIMENT, options)


def planted(levels, seeds=3, images=1000, noise=0.003):
    """Cuts with the given validation accuracies, by place; each costs ten times the one before."""
    generator = np.random.default_rng(0)
    hard = generator.random(images)
    cuts = []
    for number, (place, level) in enumerate(levels.items()):
        right = [hard + generator.normal(0, noise, images) < level for _ in range(seeds)]
        right = np.array(right)
        worse = {"l2": 0.0, "train": [0.1] * seeds, "validation": [0.1] * seeds, "right": []}
        best = {
            "l2": 0.01,
            "train": [1.0] * seeds,
            "validation": right.mean(axis=1).tolist(),
            "right": right.sum(axis=0).tolist(),
        }
        about = {"shape": (2, 2, 8), "numbers": 8, "multiply_accumulates": 10 ** (6 + number)}
        cuts.append(make_cut(place, about, [worse, best]))
    return cuts


LEVELS = {
    Place(32, "low"): 0.5,
    Place(32, "middle"): 0.799,
    Place(32, "high"): 0.7,
    Place(96, "low"): 0.55,
    Place(96, "middle"): 0.8,
    Place(96, "high"): 0.75,
}


def test_a_cut_is_judged_by_its_best_penalty():
    assert {cut.l2 for cut in planted(LEVELS)} == {0.01}


def test_the_best_cut_its_ties_and_the_cheapest_of_them_are_found():
    ranking = Ranking(planted(LEVELS))
    assert ranking.best.place == Place(96, "middle")
    assert [cut.place for cut in ranking.tied] == [Place(32, "middle")]
    assert ranking.cheapest.place == Place(32, "middle")
    assert ranking.p[ranking.best] == 1.0
    assert max(p for cut, p in ranking.p.items() if cut.spread.mean < 0.78) < 0.01


def test_few_images_or_seeds_that_disagree_leave_more_cuts_tied():
    assert len(Ranking(planted(LEVELS, images=30)).tied) > 1
    # The seeds' noise is beyond the lead, though the images of these very heads are not.
    noisy = planted({Place(32, "low"): 0.70, Place(32, "high"): 0.75}, images=5000)
    first, second = noisy
    first.validation[:] = [0.60, 0.70, 0.80]
    second.validation[:] = [0.65, 0.75, 0.85]
    assert len(Ranking(noisy).tied) == 1
    one_seed = Ranking(planted(LEVELS, seeds=1))
    assert one_seed.best.spread.std is None
    assert one_seed.p[one_seed.cuts[-1]] < 0.01


def test_the_report_says_what_is_best_what_it_costs_and_what_a_larger_input_is_worth(tmp_path):
    plan = Recipe(sizes=(32, 96), winner="cheapest")
    results = Results(plan, planted(LEVELS))
    info = reporting_fakes.make(models=("lenet5",), seeds=1, images=20)[0].dataset
    context = types.SimpleNamespace(folder=tmp_path, info=info)
    winner = {"test": [0.8] * 3, "model": "models/cut.keras", "parameters": 9, "compared": 64}
    winner |= {"difference": 1e-6, "weights_sha256": "a" * 64}
    best, on_test, every = report.sections(context, results, winner, {32: 1.5, 96: 0.0})
    assert best.text[0].startswith("middle at 96 pixels has the highest validation accuracy")
    assert "1 of the 5 others is tied with it within noise: middle at 32 pixels." in best.text[0]
    assert "with 0 % of the multiply-accumulates" in best.text[0]
    assert "(within noise)" in best.text[1]
    assert "1.5 s at 32 pixels" in best.text[2]
    assert on_test.text[0].startswith("Test accuracy 80.00 ± 0.00 %: middle at 32 pixels")
    assert len(every.tables[0].rows) == 6
    assert (tmp_path / best.figures[0].file).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--transfer", "mobilnet"], "Did you mean 'mobilenet'?"),
        (["--sizes", "16"], "takes images of 32 pixels or more"),
        (["--sizes", "32,32"], "sizes must differ from each other"),
        (["--validation-fraction", "0"], "cuts are chosen by validation images"),
        (["--weights", "random"], "frozen random weights know nothing"),
        (["--weights", "nowhere.h5"], "no such file or folder"),
        (["--shift", "2"], "features of images as they are"),
        (["--features", "conv_pw_2_rel"], "Did you mean 'conv_pw_2_relu'?"),
        (["--weights-sha256", "0" * 64], "`weights_sha256` must be that of the weights"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments, message, given, tmp_path, capsys):
    command = [*TINY, *given, *arguments, "--out", str(tmp_path / "run")]
    assert gurmukhi.main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist", "svhn", "mnist", "gurmukhi"])
def test_each_app_of_images_has_it_with_its_own_data(name):
    app = importlib.import_module(f"kerasdl.apps.{name}").APP
    (own,) = (one for one in app.experiments if one.name == "cuts")
    plans = {
        preset: experiment_command.make_recipe(name, own, {"preset": preset})
        for preset in own.presets
    }
    assert {plan.data.dataset for plan in plans.values()} == {name}
    assert plans["full"].data == Data(dataset=name, validation_fraction=0.1)
    assert len(plans["full"].sizes) > len(plans["default"].sizes) >= 2
