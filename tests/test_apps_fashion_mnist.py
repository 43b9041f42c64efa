"""The Fashion-MNIST app: verdicts on the activations, and the study of three programs."""

import csv
import itertools

import pytest

from kerasdl import record
from kerasdl.apps import fashion_mnist
from kerasdl.studies.conclude import Comparison

SCRATCH = ["--study", "scratch", "--dataset", "synthetic_gray", "--train-size", "200"]
SCRATCH += ["--units", "12,8", "--short-size", "100", "--short-epochs", "1", "--epochs", "1,2"]


@pytest.fixture(scope="module")
def scratch(few_synthetic, tmp_path_factory):
    out = tmp_path_factory.mktemp("fashion") / "scratch"
    assert (
        fashion_mnist.main([*SCRATCH, "--seeds", "2", "--learning-rate", "0.01", "--out", str(out)])
        == 0
    )
    return out


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_three_programs_are_compared_after_the_chosen_epochs(scratch):
    result = record.read_findings(scratch / "results.json")
    rows = rows_of(scratch / "programs.csv")
    assert len(rows) == 4 * 3 * 2
    assert {row["Epochs"] for row in rows} == {"1", "2"}
    assert all(row["Seeds"] == "2" for row in rows)
    # What the report printed has nothing to do with rendered images.
    assert all(not row["Reported (E)"] for row in rows)
    assert not any(section.claims for section in result.sections)


def test_weights_are_saved_at_the_chosen_epochs_and_are_what_was_scored(scratch):
    from kerasdl.scratch.storage import load_with_epochs

    names = {path.name for path in (scratch / "weights").iterdir()}
    assert names == {
        f"{activation}-seed{seed}-epoch{epoch}.npz"
        for activation in ("relu", "tanh", "sigmoid", "linear")
        for seed in (0, 1)
        for epoch in (1, 2)
    }
    network, epochs = load_with_epochs(scratch / "weights" / "tanh-seed1-epoch2.npz")
    assert (network.activation, epochs) == ("tanh", 2)


def test_every_start_and_rate_has_a_row(scratch):
    rows = rows_of(scratch / "starts.csv")
    starts = {row["First weights"] for row in rows}
    assert len(rows) == 7 * (4 + 1)
    assert starts == {"zero", "0.01 * randn", "0.1 * randn", "randn", "rand", "glorot", "he"}
    zero = next(row for row in rows if row["First weights"] == "zero")
    assert float(zero["Gradient of the first layer"]) == 0.0
    rows = rows_of(scratch / "scikit-learn.csv")
    assert len(rows) == 24


def comparison(tmp_path, means, better):
    """A comparison with these mean accuracies; `better` names the winner of each pair."""

    class Fake(Comparison):
        def summary(self, model):
            if model not in means:
                return None
            spread = record.Spread(mean=means[model], std=0.001, n=3)
            return type("Summary", (), {"test_accuracy": spread})()

        def better(self, first, second):
            return better.get(frozenset((first, second)))

        def real(self, name):
            return name == "fashion_mnist"

    recipe = {"settings": {"sigmoid": {}}, "training": {"sigmoid": {"epochs": 100}}}
    fake = type("Record", (), {"recipe": recipe})()
    return Fake(record=fake, predictions=None, splits=None, folder=tmp_path)


ORDER = ("relu", "tanh", "linear", "sigmoid")


def test_a_verdict_follows_the_figures(tmp_path):
    means = {"relu": 0.9, "tanh": 0.89, "linear": 0.84, "sigmoid": 0.88}
    pairs = {frozenset(pair): pair[0] for pair in itertools.combinations(ORDER, 2)}
    claimed = [*pairs]
    order, sigmoid = fashion_mnist.conclude(comparison(tmp_path, means, pairs))[0].claims
    assert (order.verdict, sigmoid.verdict) == ("right", "wrong")
    pairs[frozenset(("linear", "sigmoid"))] = "sigmoid"
    order, _ = fashion_mnist.conclude(comparison(tmp_path, means, pairs))[0].claims
    assert order.verdict == "partly right"
    assert "sigmoid beats linear" in order.measured
    # A tie refutes nothing, and one network that did not learn proves nothing.
    ties = {**dict.fromkeys(claimed[:-1]), claimed[-1]: "linear"}
    order, sigmoid = fashion_mnist.conclude(comparison(tmp_path, {**means, "sigmoid": 0.1}, ties))[
        0
    ].claims
    assert (order.verdict, sigmoid.verdict) == ("undecided", "undecided")


def test_the_order_of_four_is_not_judged_by_fewer(tmp_path):
    assert fashion_mnist.conclude(comparison(tmp_path, {"relu": 0.9, "tanh": 0.8}, {})) == []


def test_an_option_cannot_make_a_model_another_than_its_name_says(capsys):
    assert fashion_mnist.main(["--activation", "gelu"]) == 2
    assert "tells relu, leaky_relu, tanh, sigmoid, linear apart" in capsys.readouterr().err


def test_claims_are_of_the_reports_images_and_network(scratch, capsys):
    assert fashion_mnist.main([*SCRATCH, "--validation-fraction", "0"]) == 2
    assert "validation" in capsys.readouterr().err
