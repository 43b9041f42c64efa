"""The study of strengths: what it trains, what it chooses, and what it concludes."""

import csv
import types

import numpy as np
import pytest
from datasets_fakes import write_bands

from kerasdl import record
from kerasdl.apps import gurmukhi
from kerasdl.experiments.strengths import details as strengths_details
from kerasdl.experiments.strengths import study as strengths
from kerasdl.experiments.strengths.analysis import Results, named, outcomes
from kerasdl.experiments.strengths.settings import BASELINE, Net, Recipe
from kerasdl.studies import experiment_command
from kerasdl.studies.plan import Data

TINY = ["--study", "strengths", "--units", "12,12", "--epochs", "3", "--repeats", "2"]
TINY += ["--l1", "1e-5,1e-3", "--l2", "1e-3", "--decay", "1", "--dropout", "0.1,0.4"]


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory):
    """Three classes of 30 gray images to train on and 10 to test, one of these a training image."""
    root = tmp_path_factory.mktemp("digits")
    write_bands(root, {"train": 30, "test": 10}, 32)
    seen = (root / "train" / "1" / "3.png").read_bytes()
    (root / "test" / "1" / "0.png").write_bytes(seen)
    return root


@pytest.fixture(scope="module")
def finished(folder_of_images, tmp_path_factory):
    out = tmp_path_factory.mktemp("strengths") / "run"
    arguments = [*TINY, "--dataset", str(folder_of_images), "--out", str(out)]
    assert gurmukhi.main(arguments) == 0
    return out, arguments


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_strength_has_a_row_and_every_regulariser_its_best(finished):
    out, _ = finished
    names = [row["Regulariser"] for row in rows_of(out / "strengths.csv")]
    assert names == [
        "L1 penalty 1e-5",
        "L1 penalty 0.001",
        "L2 penalty 0.001",
        "Weight decay 1",
        "Dropout 0.1",
        "Dropout 0.4",
    ]
    best = rows_of(out / "best.csv")
    assert best[-1]["Regulariser"] == "No regulariser"
    assert {row["Regulariser"].split()[0] for row in best} == {
        "L1",
        "L2",
        "Weight",
        "Dropout",
        "No",
    }
    assert len(rows_of(out / "pairs-at-best.csv")) == 5 * 4 // 2
    result = record.read_findings(out / "results.json")
    # Not Gurmukhi's images: what the report claims of those is not judged by these.
    assert not any(section.claims for section in result.sections)
    assert (out / "figures" / "strengths.png").is_file()


def test_test_images_seen_in_training_are_told(finished):
    out, _ = finished
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "1 of 30 test images are images of the training part" in text


def test_started_again_it_trains_nothing_and_says_the_same(finished, monkeypatch):
    from kerasdl.training.packed import Packed

    out, arguments = finished
    before = record.read_findings(out / "results.json").sections
    monkeypatch.setattr(Packed, "fit", lambda *a, **k: pytest.fail("trained again"))
    assert gurmukhi.main(arguments) == 0
    assert record.read_findings(out / "results.json").sections == before


def test_each_network_is_its_own_training(folder_of_images, tmp_path):
    """Packed or alone: the same first weights, division and settings give the same scores."""
    import keras
    import msgspec
    from rich.console import Console

    from kerasdl.datasets.load import load
    from kerasdl.models.mlp import mlp
    from kerasdl.studies.data import divide
    from kerasdl.studies.experiment import Context, Memo
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.settings import Training

    plan = Recipe(
        data=Data(dataset=str(folder_of_images), validation_fraction=0.2),
        l1=(), l2=(0.01,), decay=(5.0,), dropout=(), readings=False,
        units=(12, 12), epochs=4, batch_size=30, repeats=2,
    )  # fmt: skip
    dataset = load(str(folder_of_images))
    parts = divide(dataset, plan.data)
    context = Context(plan, tmp_path, Console(quiet=True), Memo(tmp_path, {}), dataset, parts)
    found = strengths.train(context, 1, "repetition 2")
    parts = divide(dataset, msgspec.structs.replace(plan.data, split_seed=1))
    training = Training(
        epochs=4, batch_size=30, optimizer="adam", learning_rate=1e-3, schedule="constant"
    )
    for one, penalty, decay in zip(found["nets"][1:], (0.01, 0), (0, 5.0), strict=True):
        keras.utils.set_random_seed(1)
        model = mlp(dataset.image_shape, 3, units=(12, 12), l2=penalty)
        chosen = msgspec.structs.replace(training, weight_decay=decay)
        compile_model(model, chosen, len(parts.train))
        engine = Engine(model)
        history = engine.fit(parts.train, chosen, seed=1, validation=parts.validation).history
        np.testing.assert_allclose(one["history"]["loss"], history["loss"], rtol=1e-4)
        right = engine.predict(parts.test.images).argmax(axis=1) == parts.test.labels
        assert one["test"] == pytest.approx(right.mean(), abs=1.5 / len(right))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--l1", "", "--l2", "", "--decay", "", "--dropout", ""], "at least one regulariser"),
        (["--l1", "1e-3,1e-5"], "l1 must rise"),
        (["--dropout", "0.2,1.0"], "Expected `float` < 1.0"),
        (["--l2", "0"], "Expected `float` > 0.0"),
        (["--validation-fraction", "0"], "use e.g. --validation-fraction 0.1"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments, message, capsys):
    try:
        code = gurmukhi.main(["--study", "strengths", *arguments])
    except SystemExit as error:
        code = error.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_networks_are_trained_once_each_with_the_baseline_first():
    plan = Recipe(l1=(1e-3,), l2=(0.1, 1.0), decay=(1.0,), dropout=(0.2,))
    nets = plan.nets(900)
    assert nets[0] == BASELINE
    assert len(set(nets)) == len(nets)
    # The report's strengths are among them, and L2's two other readings.
    assert set(nets) - {BASELINE} == {
        Net("l1", 1e-3), Net("l2", 0.1), Net("l2", 1.0), Net("decay", 1.0), Net("dropout", 0.2),
        Net("l2", 0.5), Net("l2", 1 / 1800),
    }  # fmt: skip
    assert len(Recipe(l1=(1e-3,), l2=(), decay=(), dropout=(), readings=False).nets(900)) == 2


def test_the_default_preset_is_smaller_than_the_full_one():
    app = gurmukhi.APP.name
    plans = {
        name: experiment_command.make_recipe(app, strengths.EXPERIMENT, {"preset": name})
        for name in ("default", "full")
    }
    assert plans["full"].repeats * len(plans["full"].nets(900)) >= 10 * 25
    assert plans["default"].repeats * len(plans["default"].nets(900)) <= 80


def make_results(validation, test, repeats=12, images=200, **grid):
    """Results with planted accuracies: a mapping of Net to validation and test accuracy."""
    chosen = {"l1": (), "l2": (), "decay": (), "dropout": (), "readings": False, **grid}
    plan = Recipe(repeats=repeats, **chosen)
    generator = np.random.default_rng(3)
    hard = generator.random(images)
    repetitions = []
    for _ in range(repeats):
        luck = generator.normal(0, 0.004)
        nets = []
        for net in plan.nets(900):
            right = (hard + generator.normal(0, 0.02, images) < test[net]).astype(int)
            score = min(1.0, validation[net] + luck + generator.normal(0, 0.004))
            nets.append(
                {
                    "family": net.family,
                    "strength": net.strength,
                    "history": {
                        "loss": [1.0, 0.5],
                        "val_accuracy": [0.5, score],
                        "val_loss": [1.0, 0.6],
                    },
                    "train": 1.0,
                    "validation": score,
                    "test": right.mean(),
                    "right": right.tolist(),
                }
            )
        repetitions.append({"seconds": 1.0, "nets": nets})
    return Results(plan, repetitions, 900, 100)


NETS = {
    BASELINE: (0.90, 0.85),
    Net("l1", 0.1): (0.80, 0.75),
    Net("l1", 0.2): (0.902, 0.85),
    Net("l2", 1.0): (0.93, 0.90),
    Net("dropout", 0.2): (0.90, 0.85),
    Net("dropout", 0.3): (0.97, 0.95),
    Net("dropout", 0.4): (0.969, 0.95),
}
GRID = {"l1": (0.1, 0.2), "l2": (1.0,), "dropout": (0.2, 0.3, 0.4)}


@pytest.fixture
def planted():
    validation = {net: scores[0] for net, scores in NETS.items()}
    test = {net: scores[1] for net, scores in NETS.items()}
    return make_results(validation, test, **GRID)


def test_the_best_strength_is_chosen_by_validation_and_says_what_is_tied(planted):
    best = planted.best("dropout")
    assert best.net.strength in (0.3, 0.4)
    assert best.tied == [0.7 - best.net.strength] or best.tied == [
        pytest.approx(0.7 - best.net.strength)
    ]
    assert planted.best("l1").net == Net("l1", 0.2)
    assert planted.best("l1").tied == []
    assert planted.families() == ["l1", "l2", "dropout"]


def test_an_order_that_holds_is_found_to_hold_and_its_reverse_not(planted):
    order = [planted.best(family).net for family in ("dropout", "l2", "l1")]
    pairs = planted.pairs([BASELINE, *reversed(order)])
    assert len(pairs) == 6
    assert outcomes(pairs, order) == [1, 1, 1]
    assert outcomes(pairs, order[::-1]) == [-1, -1, -1]
    (open_pair,) = [p for p in pairs if set(p.nets) == {BASELINE, Net("l1", 0.2)}]
    assert open_pair.outcome == 0


def test_a_lead_on_validation_alone_is_left_open():
    validation = {BASELINE: 0.90, Net("l2", 1.0): 0.95}
    test = {BASELINE: 0.90, Net("l2", 1.0): 0.90}
    (pair,) = make_results(validation, test, l2=(1.0,)).pairs([BASELINE, Net("l2", 1.0)])
    assert pair.p_validation < 0.01
    assert pair.outcome == 0


def test_one_repetition_decides_nothing():
    validation = {BASELINE: 0.5, Net("l2", 1.0): 0.95}
    results = make_results(validation, validation, repeats=1, l2=(1.0,))
    (pair,) = results.pairs([BASELINE, Net("l2", 1.0)])
    assert (pair.error, pair.outcome) == (None, 0)
    assert results.with_error(BASELINE).count("±") == 0


def test_left_out_test_images_do_not_count(planted):
    first, second = BASELINE, Net("dropout", 0.3)
    differ = (planted.right(first) != planted.right(second)).any(axis=0)
    (pair,) = planted.pairs([first, second], ~differ)
    assert (pair.test, pair.p_images) == (0.0, 1.0)


def test_single_divisions_are_counted(planted):
    section = strengths_details.one_division(planted)
    counts = {row[0]: row[1] for row in section.tables[0].rows}
    assert sum(counts.values()) == 12
    assert counts["dropout > l2 > l1"] == 12
    assert section.text[0].startswith(
        "A report has one division of the images. In 12 of 12 of ours"
    )


def test_the_figures_show_what_lies_below_them(planted, tmp_path):
    best = {family: planted.best(family) for family in planted.families()}
    info = reporting_info()
    context = types.SimpleNamespace(folder=tmp_path, info=info)
    section = strengths_details.over_strengths(context, planted, best)
    assert (tmp_path / section.figures[0].file).stat().st_size > 10_000
    assert (
        "Dropout 0.3 is best" in section.figures[0].alt or "Dropout 0.4" in section.figures[0].alt
    )


def reporting_info():
    import reporting_fakes

    return reporting_fakes.make(models=("lenet5",), seeds=1, images=20)[0].dataset


def test_names_for_people():
    assert named(BASELINE) == "No regulariser"
    assert named(Net("l1", 1e-5)) == "L1 penalty 1e-5"
    assert named(Net("decay", 30.0)) == "Weight decay 30"
