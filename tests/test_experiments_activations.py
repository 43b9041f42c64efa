"""The comparison of activations: intervals, histograms, verdicts, and a whole small run."""

import numpy as np
import pytest
from scipy.stats import binom
from test_experiments_depth import context, small

from kerasdl import record
from kerasdl.apps import cifar10
from kerasdl.experiments.activations import report as activations_report
from kerasdl.experiments.activations import study as activations
from kerasdl.experiments.activations import timing as activations_timing
from kerasdl.experiments.activations.results import histogram, middle, zeros
from kerasdl.experiments.activations.timing import interval, rotated
from kerasdl.experiments.packed_mlps import pack_bits
from kerasdl.training.layer_statistics import EDGES, QUANTITIES

SMALL = (
    "--study activations --dataset synthetic --activations relu,sigmoid --units 6,6 "
    "--initializers auto --epochs 2 --batch-size 40 --seeds 2 --timing-rounds 0"
)


def counted(gradients):
    """Counts as the training does, for one layer."""
    counts, _ = np.histogram(gradients, EDGES.astype(np.float64))
    return {"histograms": {"0": [counts.tolist()]}}


def test_histograms_are_of_absolute_values_of_all_seeds():
    sizes = np.array([1e-3] * 3 + [-1e-3] * 2 + [0.0] * 4 + [5e-13, 0.5])
    (one,) = histogram([counted(sizes), counted(sizes)], 0)
    assert one.sum() == 2 * len(sizes)
    assert one[0] == 2 * 5
    assert zeros(one) == pytest.approx(5 / 11)
    edges = EDGES[len(EDGES) // 2 :]
    place = int(np.flatnonzero(one == 10)[-1])
    assert edges[place - 1] <= 1e-3 <= edges[place]
    assert one[1:].sum() == 12


def test_the_median_size_is_near_the_real_one():
    generator = np.random.default_rng(0)
    sizes = generator.normal(size=20_001) * 1e-5
    (one,) = histogram([counted(sizes)], 0)
    assert middle(one) == pytest.approx(np.median(np.abs(sizes)), rel=0.1)
    assert middle(histogram([counted(np.zeros(5))], 0)[0]) == 0


@pytest.mark.parametrize(("count", "places"), [(5, (0, 4)), (9, (1, 7)), (15, (3, 11))])
def test_the_interval_has_the_median_often_enough(count, places):
    values = np.random.default_rng(1).permutation(count).astype(float)
    assert interval(values) == places
    low, high = places
    assert binom.cdf(high, count, 0.5) - binom.cdf(low, count, 0.5) >= 0.93


def test_rounds_begin_in_turn():
    assert [rotated("abc", start)[0] for start in range(4)] == ["a", "b", "c", "a"]
    assert rotated("abc", 2) == ["c", "a", "b"]


def test_times_are_of_warm_epochs_of_each_activation(tmp_path, examples):
    plan = activations.Recipe(
        activations=("relu", "tanh"), units=(8,), batch_size=50, timing_size=50, timing_rounds=0
    )
    import msgspec

    plan = msgspec.structs.replace(plan, timing_rounds=1)
    times = activations_timing.measure(context(tmp_path, plan, examples))
    assert list(times) == ["relu", "tanh"]
    for clocks in times.values():
        assert {name: len(values) for name, values in clocks.items()} == {"wall": 1, "processor": 1}
        assert all(0 < value < 60 for values in clocks.values() for value in values)


def result(activation, accuracy, seed):
    right = np.random.default_rng(seed).permutation(100) < 100 * accuracy
    layers = [[0.5, 1.0], [0.25, 1.0]]
    return {
        "units": [8],
        "activation": activation,
        "initializer": "pytorch",
        "cure": None,
        "seed": seed,
        "history": {
            name: [0.3, accuracy] for name in ("loss", "accuracy", "val_loss", "val_accuracy")
        },
        "test_loss": 1.5,
        "test_accuracy": accuracy,
        "right": pack_bits(right),
        "statistics": dict.fromkeys(QUANTITIES, layers),
        "histograms": {
            str(epoch): counted([1e-3, -1e-4])["histograms"]["0"] * 2 for epoch in range(2)
        },
    }


def test_who_is_best_and_who_is_slower(tmp_path, examples):
    plan = activations.Recipe(
        activations=("relu", "tanh", "sigmoid"), initializers=("pytorch",), units=(8,), epochs=2
    )
    results = [
        result(name, accuracy + 0.01 * seed, seed)
        for seed in range(3)
        for name, accuracy in (("relu", 0.6), ("tanh", 0.59), ("sigmoid", 0.1))
    ]
    times = {
        "relu": [1.0, 1.0, 2.0, 1.0, 1.0],
        "tanh": [1.1, 0.9, 2.0, 1.1, 1.0],
        "sigmoid": [1.2, 1.3, 2.6, 1.2, 1.3],
    }
    clocks = {
        name: {"wall": values, "processor": [0.5 * value for value in values]}
        for name, values in times.items()
    }
    first, second, third = activations_report.sections(
        context(tmp_path, plan, examples), results, clocks
    )
    assert first.text[0].startswith("First weights by PyTorch's default: ReLU has the highest")
    assert "beats sigmoid" in first.text[0]
    assert "tied within noise with tanh" in first.text[0]
    for column in (3, 6):
        verdicts = {row[0]: row[column] for row in second.tables[0].rows}
        assert verdicts == {"ReLU": "the base", "tanh": "tied", "sigmoid": "slower"}
    # Half the wall time on each of the machine's cores or fewer: somebody else was there.
    assert "the processor time is the better guide" in second.text[1]
    assert "the first layer's gradient is 0.5 times that of the output layer's" in third.text[0]
    for section in (first, second, third):
        for figure in section.figures:
            assert (tmp_path / figure.file).stat().st_size > 5000


def test_a_whole_run(tmp_path, monkeypatch, capsys):
    small(monkeypatch)
    out = tmp_path / "run"
    assert cifar10.main([*SMALL.split(), "--out", str(out)]) == 0, capsys.readouterr().err
    found = record.read_findings(out / "results.json")
    assert [section.title for section in found.sections] == [
        "Which activation is best?",
        "How are the gradients distributed?",
    ]
    tables = {table.name: table for section in found.sections for table in section.tables}
    assert [len(tables[name].rows) for name in ("accuracy", "pairs", "gradients")] == [2, 1, 6]
    for section in found.sections:
        for figure in section.figures:
            assert (out / figure.file).stat().st_size < 150_000


def test_too_few_rounds_are_refused(tmp_path, capsys):
    arguments = ["--study", "activations", "--timing-rounds", "3", "--out", str(tmp_path / "a")]
    assert cifar10.main(arguments) == 2
    assert "at least 5 rounds" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
