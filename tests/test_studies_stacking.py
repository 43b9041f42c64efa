"""A comparison trains its small perceptrons together, each as it would be trained alone."""

import keras
import msgspec
import numpy as np
import pytest
from rich.console import Console

from kerasdl import record
from kerasdl.apps import gurmukhi
from kerasdl.datasets.dataset import Dataset, Splits, content_sha256
from kerasdl.studies import stacking
from kerasdl.studies.networks import Study
from kerasdl.studies.options import make_parser, make_recipe
from kerasdl.training.strategy import make_strategy

MODELS = "baseline,l1,lenet5,dropout,mlp1"
SHORT = ["--models", MODELS, "--epochs", "3", "--batch-size", "16", "--units", "12,8"]


def make_plan(*arguments):
    words = [*SHORT, *map(str, arguments)]
    return make_recipe(gurmukhi.APP, vars(make_parser(gurmukhi.APP).parse_args(words)))


@pytest.fixture
def images(examples):
    parts = [examples(n=n, shape=(12, 12, 1), seed=seed) for seed, n in enumerate((60, 15, 30))]
    return Dataset(
        name="bands",
        title="Bands",
        train=parts[0],
        test=parts[2],
        class_names=("top", "middle", "bottom"),
        source="folder",
        verified=False,
        partial=None,
        sha256=content_sha256(*parts),
    ), Splits(*parts)


def make_study(images, folder, *arguments, **options):
    dataset, splits = images
    plan = options.pop("plan", None) or make_plan(*arguments)
    console = options.pop("console", Console(quiet=True))
    return Study(
        plan, dataset, splits, folder, command="a test", reported=[], console=console, **options
    )


@pytest.fixture
def alone(monkeypatch):
    """Trains every model by itself."""

    def arrange():
        monkeypatch.setattr(
            stacking, "divide", lambda plan, *parts: [(name,) for name in plan.models]
        )

    return arrange


def weights(folder):
    return {
        path.name: keras.models.load_model(path).get_weights()
        for path in sorted((folder / "models").glob("*.keras"))
    }


def divided(plan, images):
    return stacking.divide(plan, *images, make_strategy("none"))


def test_what_is_stacked_depends_on_the_recipe(images):
    groups = [("baseline", "l1", "dropout", "mlp1"), ("lenet5",)]
    plan = make_plan()
    assert divided(plan, images) == groups
    same, training = plan.training["baseline"], dict(plan.training)
    training["l1"] = msgspec.structs.replace(same, batch_size=17)
    training["dropout"] = msgspec.structs.replace(same, learning_rate=0.5, patience=2)
    training["mlp1"] = msgspec.structs.replace(same, ema=0.9)
    assert divided(msgspec.structs.replace(plan, training=training), images) == [
        ("baseline", "dropout"),
        ("l1",),
        ("lenet5",),
        ("mlp1",),
    ]
    assert divided(make_plan("--models", "baseline"), images) == [("baseline",)]
    assert divided(make_plan("--seeds", 7), images) == groups


def test_one_that_stands_alone_in_what_it_does_to_images_is_trained_alone(images):
    plan = make_plan("--models", "baseline,l1")
    settings = {**plan.settings, "l1": {**plan.settings["l1"], "normalize": "standard"}}
    changed = msgspec.structs.replace(plan, settings=settings)
    assert divided(changed, images) == [("baseline",), ("l1",)]


def test_stacked_is_what_each_would_be_alone(images, tmp_path, alone):
    study = make_study(images, tmp_path / "stacked", "--seeds", 2)
    together = study.run()
    alone()
    apart = make_study(images, tmp_path / "alone", "--seeds", 2).run()
    assert together.status == apart.status == "complete"
    names = [(run.model, run.seed) for run in together.runs]
    assert names == [(run.model, run.seed) for run in apart.runs]
    assert len(names) == 10
    for one, other in zip(together.runs, apart.runs, strict=True):
        assert one.stacked == (4 if one.model != "lenet5" else None)
        assert other.stacked is None
        assert one.epochs == other.epochs == 3
        assert one.history.keys() == other.history.keys()
        if one.model == "dropout":
            continue  # each way of training has random numbers of its own
        for key, values in one.history.items():
            np.testing.assert_allclose(values, other.history[key], rtol=1e-4, err_msg=key)
        assert one.metrics.test_loss == pytest.approx(other.metrics.test_loss, rel=1e-4)
    first, second = weights(tmp_path / "stacked"), weights(tmp_path / "alone")
    assert first.keys() == second.keys()
    for name in first:
        if not name.startswith("dropout"):
            for one, other in zip(first[name], second[name], strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5, err_msg=name)
    # What is saved is what was scored.
    model = keras.models.load_model(tmp_path / "stacked" / "models" / "dropout-seed1.keras")
    answers = model.predict(images[1].test.images, verbose=0)
    scores = study.predictions.get("dropout", 1, together.runs[8].settings)
    np.testing.assert_allclose(keras.ops.log_softmax(answers), scores, rtol=1e-4, atol=1e-4)


class Killed(BaseException):
    """As a kill: nothing catches it."""


def test_a_killed_comparison_ends_with_the_bits_of_an_uninterrupted_one(
    images, tmp_path, monkeypatch
):
    arguments = ["--models", "baseline,dropout,l1", "--seeds", "2", "--patience", "5"]
    make_study(images, tmp_path / "whole", *arguments).run()
    from kerasdl.training.progress import RichProgress

    steps, original = [3], RichProgress.on_train_batch_end

    def count(self, *parts, **named):
        original(self, *parts, **named)
        steps[0] -= 1
        if steps[0] < 0:
            raise Killed

    monkeypatch.setattr(RichProgress, "on_train_batch_end", count)
    kills = 0
    for _ in range(20):
        study = make_study(images, tmp_path / "killed", *arguments, checkpoint_seconds=0.0)
        steps[0] = 3
        try:
            study.run()
            break
        except Killed:
            kills += 1
            found = list((tmp_path / "killed" / "checkpoints").glob("baseline-and-2-more-seed*"))
            assert found
    assert kills >= 2
    assert not (tmp_path / "killed" / "checkpoints").exists()
    one, other = (record.read(tmp_path / name / "results.json") for name in ("whole", "killed"))
    for before, after in zip(one.runs, other.runs, strict=True):
        assert before.history == after.history
        assert before.metrics == after.metrics
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    for name in first:
        for mine, theirs in zip(first[name], second[name], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_one_that_diverges_costs_the_others_nothing(images, tmp_path):
    plan = make_plan("--models", "baseline,l1,dropout", "--seeds", "2")
    wild = msgspec.structs.replace(plan.training["l1"], learning_rate=1e38)
    plan = msgspec.structs.replace(plan, training={**plan.training, "l1": wild})
    for _ in range(2):  # the second start finds the others, and changes nothing of them
        study = make_study(images, tmp_path / "run", plan=plan)
        with pytest.raises(FloatingPointError, match=r"^l1: the loss or the weights .* lower"):
            study.run()
        found = record.read(tmp_path / "run" / "results.json")
        assert found.status == "interrupted"
        assert [(run.model, run.seed) for run in found.runs] == [("baseline", 0), ("dropout", 0)]
    arguments = ["--models", "baseline,l1,dropout", "--seeds", "1"]
    calm = make_study(images, tmp_path / "calm", *arguments).run()
    assert [run.metrics for run in calm.runs if run.model != "l1"] == [
        run.metrics for run in found.runs
    ]


def test_each_of_a_group_has_a_log_of_its_own(images, tmp_path):
    from kerasdl.training.log_tensorboard import _steps
    from kerasdl.training.logs import Logs

    plan = make_plan("--models", "baseline,l1", "--schedule", "cosine", "--seeds", "1")
    from kerasdl import recipe

    logs = Logs(["tensorboard"], tmp_path / "run", recipe.to_dict(plan))
    found = make_study(images, tmp_path / "run", plan=plan, logs=logs).run()
    for run in found.runs:
        place = tmp_path / "run" / "logs" / f"{run.model}-seed0" / "train"
        assert _steps(place)["epoch_loss"] == {0, 1, 2}
        rates = _values(place, "epoch_learning_rate")
        assert rates == sorted(rates, reverse=True)
        assert rates[0] > 2 * rates[-1]
        np.testing.assert_allclose(_values(place, "epoch_loss"), run.history["loss"], rtol=1e-6)


def _values(place, tag):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorflow import make_ndarray

    return [
        float(make_ndarray(value.tensor))
        for path in sorted(place.glob("events*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == tag
    ]


def test_the_time_of_a_group_is_measured_once_and_shared(images, monkeypatch):
    from kerasdl.studies.networks_timing import NetworksTiming
    from kerasdl.studies.timing import Sizes

    dataset, splits = images
    plan = make_plan("--seeds", "2")
    timing = NetworksTiming(plan, dataset, splits, make_strategy("none"), {})
    made = []
    original = stacking.Stack.prepare
    monkeypatch.setattr(
        stacking.Stack, "prepare", lambda *parts: made.append(parts[1]) or original(*parts)
    )
    works = {work.name: work for work in timing.works(plan, Sizes.of(splits, 3))}
    rates = {name: timing.measure(work) for name, work in works.items()}
    assert made == [stacking.Group(("baseline", "l1", "dropout", "mlp1"), 0)]
    assert rates["baseline"] == rates["l1"] == rates["mlp1"] != rates["lenet5"]
    assert all(part > 0 for part in rates["baseline"])


def test_a_forecast_of_works_done_at_once():
    from kerasdl.training.forecast import Forecast, Rate, Work

    works = [Work(key, key, key, 100.0) for key in ("a", "b", "c")]
    rates = {"a": Rate(0.0, 0.01, 0.0), "b": Rate(0.0, 0.03, 0.0), "c": Rate(0.0, 0.01, 0.0)}
    now = [0.0]
    forecast = Forecast(works, rates, clock=lambda: now[0])
    forecast.begin("a", "b")
    # Both together take twice the 4 s that were predicted: so will the third, of its 1 s.
    assert forecast.left(4.0, 0.08, 100) == pytest.approx(4.0 + 2.0)
    now[0] = 8.0
    forecast.end()
    assert forecast.pending() == pytest.approx(2.0)
