"""The Gurmukhi app: the report's setting, and what is concluded of the regularisers."""

import dataclasses

import msgspec
import numpy as np
import pytest
from datasets_fakes import write_bands

from kerasdl import record
from kerasdl.apps import gurmukhi
from kerasdl.datasets.dataset import Examples, Splits
from kerasdl.datasets.duplicates import seen_in
from kerasdl.evaluation import metrics, statistics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.studies import regularisers
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.options import make_parser, make_recipe


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory):
    """Three classes of gray images; two test images are training images."""
    root = tmp_path_factory.mktemp("digits")
    write_bands(root, {"train": 20, "val": 10}, 32, "bmp")
    for i in range(2):
        seen = (root / "train" / "0" / f"{i}.bmp").read_bytes()
        (root / "val" / "0" / f"{i}.bmp").write_bytes(seen)
    return root


@pytest.fixture(scope="module")
def finished(folder_of_images, tmp_path_factory):
    out = tmp_path_factory.mktemp("gurmukhi") / "run"
    arguments = ["--dataset", folder_of_images, "--epochs", 5, "--units", "16,16", "--seeds", 2]
    assert gurmukhi.main([*map(str, arguments), "--out", str(out)]) == 0
    return out


def test_the_default_is_the_reports_setting():
    plan = make_recipe(gurmukhi.APP, vars(make_parser(gurmukhi.APP).parse_args([])))
    assert plan.models == ("baseline", "l1", "l2", "dropout")
    assert set(plan.networks.values()) == {"mlp"}
    assert plan.data.validation_fraction == 0.1
    assert plan.seeds >= 3  # what the test over the seeds takes; the record has ten
    for model in plan.models:
        training, settings = plan.training[model], plan.settings[model]
        assert settings["units"] == [256] * 6
        assert (training.optimizer, training.learning_rate) == ("adam", 1e-3)
        assert (training.schedule, training.epochs, training.warmup) == ("constant", 150, 0)
        assert training.batch_size >= 900
        assert training.num_epochs(900) == 150
    assert plan.settings["l1"]["l1"] == 1e-3
    assert plan.settings["dropout"]["dropout"] == 0.2
    assert plan.training["l2"].weight_decay == 1
    assert [plan.training[m].weight_decay for m in ("baseline", "l1", "dropout")] == [0, 0, 0]


def test_full_has_both_readings_of_l2_and_twenty_seeds():
    options = vars(make_parser(gurmukhi.APP).parse_args(["--preset", "full"]))
    plan = make_recipe(gurmukhi.APP, options)
    assert plan.seeds >= 20
    assert plan.settings["l2_penalty"]["l2"] == 1
    assert plan.training["l2_penalty"].weight_decay == 0


def test_a_run_says_what_became_of_the_regularisers(finished):
    result = record.read(finished / "results.json")
    first, second = result.sections
    rows = {row[0]: row for row in first.tables[0].rows}
    assert set(rows) == {
        "No regulariser",
        "L1 penalty 0.001",
        "L2 as weight decay 1",
        "Dropout 0.2",
    }
    run = [run for run in result.runs if run.model == "baseline"]
    mean = np.mean([100 * r.metrics.validation_accuracy for r in run])
    assert rows["No regulariser"][2].startswith(f"{mean:.2f}")
    gap = np.mean([100 * (r.metrics.train_accuracy - r.metrics.validation_accuracy) for r in run])
    assert rows["No regulariser"][3].split()[0] == f"{gap:.2f}".replace("-", "−")
    assert [row[0] for row in first.tables[1].rows] == ["dropout − l2", "dropout − l1", "l2 − l1"]
    assert not first.claims  # a person's own images
    assert second.text[0].startswith("2 of 30 test images are, pixel for pixel")


def test_the_column_without_seen_images_is_what_the_predictions_say(finished, folder_of_images):
    from kerasdl.datasets.load import load

    data = load(str(folder_of_images))
    kept = ~seen_in(data.test, data.train)
    assert (~kept).sum() == 2
    stored = Predictions.load(finished / "predictions.npz")
    result = record.read(finished / "results.json")
    scores = [
        (
            stored.get("dropout", seed, {"units": [16, 16], "dropout": 0.2}).argmax(axis=1)
            == stored.labels
        )[kept]
        for seed in range(2)
    ]
    table = result.sections[0].tables[0]
    assert table.columns[-1] == "Test without 2 training images"
    row = next(row for row in table.rows if row[0] == "Dropout 0.2")
    assert row[-1].startswith(f"{100 * np.mean(scores):.2f}")


MODELS = ("baseline", "dropout", "l2", "l1")


def compare(validation, test, *, seeds=6, images=400, models=MODELS, units=(256,) * 6):
    """A comparison with planted accuracies of the models."""
    import reporting_fakes

    fake, _, _ = reporting_fakes.make(models=("lenet5",), seeds=1, images=images)
    generator = np.random.default_rng(5)
    labels = np.arange(images, dtype=np.int32) % 10
    predictions = Predictions(labels, 10)
    hard = generator.random(images)
    runs = []
    for model in models:
        for seed in range(seeds):
            wrong = hard + generator.normal(0, 0.02, images) > test[model]
            logits = 9.0 * np.eye(10)[(labels + wrong) % 10]
            score = metrics.score(labels, predictions.add(model, seed, logits))
            accuracy = validation[model] + generator.normal(0, 0.003)
            held_out = metrics.Score(accuracy, 0.1, [accuracy] * 10, 0.0, 100)
            scores = metrics.combine(score, held_out, score)
            one = msgspec.structs.replace(fake.runs[0], model=model, seed=seed, metrics=scores)
            runs.append(one)
    dataset = msgspec.structs.replace(fake.dataset, name="gurmukhi", source="local")
    recipe = {
        "models": list(models),
        "data": {"dataset": "gurmukhi"},
        "settings": {model: {"units": units} for model in models},
        "training": {model: {"epochs": 150, "learning_rate": 1e-3} for model in models},
    }
    found = msgspec.structs.replace(
        fake,
        app="gurmukhi",
        dataset=dataset,
        recipe=recipe,
        runs=runs,
        summary=statistics.summarise(runs, gurmukhi.APP.titles),
        comparisons=statistics.compare_all(runs, predictions),
    )
    pixels = generator.integers(0, 255, (images + 100, 4, 4, 1), dtype=np.uint8)
    test_part = Examples(pixels[100:], labels)
    splits = Splits(
        Examples(pixels[:50], labels[:50]), Examples(pixels[50:100], labels[:50]), test_part
    )
    return Comparison(found, predictions, splits, None)


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ({"baseline": 0.8, "dropout": 0.95, "l2": 0.9, "l1": 0.85}, "right"),
        ({"baseline": 0.8, "dropout": 0.95, "l2": 0.85, "l1": 0.9}, "partly right"),
        ({"baseline": 0.8, "dropout": 0.85, "l2": 0.9, "l1": 0.95}, "wrong"),
        ({"baseline": 0.8, "dropout": 0.9, "l2": 0.9, "l1": 0.9}, "undecided"),
    ],
    ids=["right", "partly", "wrong", "undecided"],
)
def test_verdicts(scores, verdict):
    (section,) = regularisers.conclude(compare(scores, scores))
    (claim,) = section.claims
    assert claim.verdict == verdict
    assert claim.report == "D, row 11"


def test_a_lead_on_validation_alone_stays_open():
    validation = {"baseline": 0.8, "dropout": 0.95, "l2": 0.9, "l1": 0.85}
    (section,) = regularisers.conclude(compare(validation, dict.fromkeys(validation, 0.9)))
    assert section.claims[0].verdict == "undecided"
    assert [row[-1] for row in section.tables[1].rows] == ["open"] * 3


def test_another_network_says_nothing_of_the_reports():
    scores = {"baseline": 0.8, "dropout": 0.95, "l2": 0.9, "l1": 0.85}
    (section,) = regularisers.conclude(compare(scores, scores, units=(256, 256)))
    assert section.claims == []


def test_one_seed_decides_nothing():
    scores = {"baseline": 0.8, "dropout": 0.99, "l2": 0.9, "l1": 0.5}
    (section,) = regularisers.conclude(compare(scores, scores, seeds=1))
    assert section.claims[0].verdict == "undecided"


def test_two_of_the_three_are_compared_without_a_verdict_on_the_order():
    scores = {"baseline": 0.8, "dropout": 0.95, "l1": 0.85}
    (section,) = regularisers.conclude(compare(scores, scores, models=tuple(scores)))
    assert section.claims == []
    assert [row[0] for row in section.tables[1].rows] == ["dropout − l1"]
    assert section.tables[1].rows[0][-1] == "dropout"


def test_without_validation_images_nothing_is_concluded():
    scores = {"baseline": 0.8, "dropout": 0.95, "l1": 0.85}
    found = compare(scores, scores, seeds=1, models=tuple(scores))
    runs = [
        msgspec.structs.replace(
            run, metrics=msgspec.structs.replace(run.metrics, validation_accuracy=None)
        )
        for run in found.record.runs
    ]
    without = dataclasses.replace(found, record=msgspec.structs.replace(found.record, runs=runs))
    assert regularisers.conclude(without) == []


def test_gurmukhis_seen_test_images(real_data):
    from kerasdl.datasets.load import load

    data = load("gurmukhi", data_dir=real_data)
    assert seen_in(data.test, data.train).sum() == 4
    assert seen_in(data.train, data.train).all()
