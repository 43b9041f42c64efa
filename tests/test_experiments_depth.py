"""The depth experiment: what counts as learning, verdicts, and a whole small run."""

import csv
import io
import math

import numpy as np
import pytest
import reporting_fakes as fakes
from rich.console import Console

from kerasdl import record
from kerasdl.apps import cifar10
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.experiments.depth import report as depth_report
from kerasdl.experiments.depth import results as depth_results
from kerasdl.experiments.depth import study as depth
from kerasdl.experiments.depth.results import Baseline, Found, Group
from kerasdl.studies.experiment import Context, Memo
from kerasdl.training.layer_statistics import QUANTITIES

LN10 = math.log(10)
NOTHING = Baseline(LN10, 0.1)
SMALL = (
    "--study depth --dataset synthetic --depths 1,3 --activations sigmoid,relu "
    "--initializers pytorch --cures gain,batch_norm_skip --cured sigmoid --width 6 "
    "--epochs 2 --batch-size 40 --seeds 1"
)


def net(activation, layers, *, loss=2.0, slope=1.0, initializer="pytorch", seed=0, cure=None):
    """A result as `packed_mlps.train` leaves it; gradients fall `slope`-fold per layer."""
    norms = [slope ** -(layers - 1 - place) for place in range(layers)]
    statistics = {name: [norms, norms] for name in QUANTITIES}
    # The output layer has no activation.
    for name in ("dead_units", "saturated"):
        statistics[name] = [[0.5] * (layers - 1) + [None]] * 2
    return {
        "units": [8] * (layers - 1),
        "activation": activation,
        "initializer": initializer,
        "cure": cure,
        "seed": seed,
        "history": {"loss": [2.31, loss], "accuracy": [0.1, 0.3 if loss < 2.3 else 0.1]},
        "test_loss": loss,
        "test_accuracy": 0.3 if loss < 2.3 else 0.1,
        "layers": [f"dense{place + 1}" for place in range(layers)],
        "statistics": statistics,
        "histograms": {},
        "signal": [10.0**-place for place in range(1, layers)],
    }


def context(folder, plan, examples, **info):
    train = examples(n=100, shape=(20, 20, 1), num_classes=10)
    names = tuple("0123456789")
    dataset = Dataset("cifar10", "CIFAR-10", train, train, names, "local", True, None, "0" * 64)
    found = fakes.make(models=("lenet5",), seeds=1, images=20)[0].dataset
    import msgspec

    found = msgspec.structs.replace(found, **{"name": "cifar10", "source": "local", **info})
    parts = Splits(train, train, train)
    console = Console(file=io.StringIO())
    return Context(plan, folder, console, Memo(folder, {}), dataset, parts, found)


def test_stuck_is_at_the_loss_of_knowing_nothing():
    labels = np.repeat(np.arange(10, dtype=np.int32), 7)
    assert depth_results.baseline_of(labels) == pytest.approx((LN10, 0.1))
    assert Group([net("sigmoid", 3, loss=2.3026)]).is_stuck(NOTHING)
    assert Group([net("sigmoid", 3, loss=2.31)]).is_stuck(NOTHING)
    assert not Group([net("sigmoid", 3, loss=2.28)]).is_stuck(NOTHING)
    # One seed that learns is enough; a loss that is not a number has learnt nothing.
    assert not Group([net("sigmoid", 3, loss=2.3), net("sigmoid", 3, loss=2.0)]).is_stuck(NOTHING)
    assert Group([net("sigmoid", 3, loss=float("nan"))]).is_stuck(NOTHING)
    # A high loss with an accuracy above chance is on its way.
    late = net("sigmoid", 3, loss=2.5)
    late["history"]["accuracy"][-1] = 0.15
    assert not Group([late]).is_stuck(NOTHING)


def test_from_which_depth_on_nothing_is_learnt():
    losses = {1: 2.0, 4: 2.3026, 7: 2.0, 9: 2.3026, 10: 2.3026}
    found = Found([net("sigmoid", layers, loss=loss) for layers, loss in losses.items()])
    assert found.stuck_from("pytorch", "sigmoid", list(losses), NOTHING) == 9
    assert found.stuck_from("pytorch", "sigmoid", [1, 7], NOTHING) is None
    assert found.get("he", "sigmoid", 9) is None


def test_fall_and_noticeable_layers():
    norms = 10.0 ** np.arange(-4, 1)
    assert depth_results.fall(norms) == pytest.approx(10)
    assert depth_results.noticeable(norms) == 3
    assert depth_results.fall(np.array([0.0, 1.0])) == math.inf


@pytest.mark.parametrize(
    ("losses", "slope", "verdicts"),
    [
        ((2.3026, 2.3026), 8.0, ["right", "right"]),
        ((2.3026, 2.1), 4.0, ["partly right", "partly right"]),
        ((2.2, 2.1), 1.2, ["wrong", "wrong"]),
    ],
)
def test_verdicts_follow_the_numbers(losses, slope, verdicts, tmp_path, examples):
    plan = depth.Recipe(
        depths=(9, 10), activations=("sigmoid",), initializers=("pytorch",), cures=(), seeds=1
    )
    results = [
        net("sigmoid", layers, loss=loss, slope=slope)
        for layers, loss in zip((9, 10), losses, strict=True)
    ]
    made = depth_report.sections(context(tmp_path, plan, examples), results)
    claims = [claim for section in made for claim in section.claims]
    assert [claim.verdict for claim in claims] == verdicts
    assert f"{losses[1]:.4f} in the last" in claims[0].measured
    assert f"{slope:.1f}-fold" in claims[1].measured
    # Of other images the report's claims say nothing.
    for other in ({"source": "synthetic"}, {"name": "svhn"}):
        assert not depth_report.is_reports_data(context(tmp_path, plan, examples, **other))


def test_cures_are_set_beside_the_patient(tmp_path, examples):
    plan = depth.Recipe(
        depths=(3,),
        activations=("sigmoid",),
        initializers=("pytorch", "glorot"),
        cures=("batch_norm",),
        cured=("sigmoid",),
        seeds=2,
    )
    results = [
        net("sigmoid", 3, loss=loss, initializer=initializer, cure=cure, seed=seed)
        for seed in (0, 1)
        for initializer, cure, loss in (
            ("pytorch", None, 2.3026),
            ("glorot", None, 2.3026),
            ("pytorch", "batch_norm", 1.5),
        )
    ]
    made = depth_report.sections(context(tmp_path, plan, examples), results)[-1]
    assert [row[0] for row in made.tables[0].rows] == [
        "sigmoid, as it is",
        "sigmoid, Glorot's first weights",
        "sigmoid, BatchNorm",
    ]
    assert "Best: BatchNorm" in made.text[0]
    assert "learns nothing with: as it is, Glorot's first weights" in made.text[0]
    assert (tmp_path / made.figures[0].file).is_file()


def test_patients_are_trained_and_have_hidden_layers():
    plan = depth.Recipe(activations=("relu", "leaky_relu"))
    assert plan.patients == ("relu",)
    assert depth.Recipe(depths=(1,)).patients == ()
    assert depth.Recipe(cures=()).patients == ()


def small(monkeypatch):
    """Makes the synthetic set small."""
    from kerasdl.datasets import load

    original = load.load
    monkeypatch.setattr(
        load, "load", lambda *a, **k: original(*a, **k, synthetic_train=120, synthetic_test=30)
    )


def test_a_whole_run(tmp_path, monkeypatch, capsys):
    small(monkeypatch)
    out = tmp_path / "run"
    assert cifar10.main([*SMALL.split(), "--out", str(out)]) == 0, capsys.readouterr().err
    found = record.read_findings(out / "results.json")
    assert found.study == "depth"
    assert not [claim for section in found.sections for claim in section.claims]
    tables = {table.name: table for section in found.sections for table in section.tables}
    assert set(tables) == {"loss", "accuracy", "gradients", "cures"}
    assert len(tables["cures"].rows) == 3
    # Without hidden layers there is no activation: the same network.
    assert tables["loss"].rows[0][1] == pytest.approx(tables["loss"].rows[1][1], rel=1e-5)
    with (out / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Four networks of the sweep (depths 1 and 3), two cures; two epochs.
    assert len(rows) == 2 * (2 * 1 + 2 * 3 + 2 * 3)
    assert {row["cure"] for row in rows} == {"", "gain", "batch_norm_skip"}
    norm = next(
        r for r in rows if (r["depth"], r["activation"], r["layer"]) == ("3", "sigmoid", "3")
    )
    assert float(norm["gradient_norm"]) > 0
    assert norm["dead_units"] == ""
    for section in found.sections:
        for figure in section.figures:
            assert (out / figure.file).stat().st_size < 150_000


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--depths", "1,1"], "depths must differ"),
        (["--depths", "0"], "--depths"),
        (["--activations", "relu,relu"], "activations must differ"),
        (["--initializers", "xavier"], "--initializers"),
    ],
)
def test_an_error_is_one_line(arguments, complaint, tmp_path, capsys):
    try:
        code = cifar10.main(["--study", "depth", *arguments, "--out", str(tmp_path / "a")])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr().err
    assert code == 2
    assert complaint in captured
    assert captured.count("\n") == 1
    assert not (tmp_path / "a").exists()
