"""Runs on tiny images that are measured: what is said, written, kept and left alone."""

import numpy as np
import pytest
from datasets_fakes import write_bands

from kerasdl import recipe, record
from kerasdl.apps import cifar10, svhn
from kerasdl.studies import networks_timing, rehearsing, timing
from kerasdl.training.forecast import Rate
from kerasdl.tuning import mnist_width


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of three classes of small images."""
    root = tmp_path_factory.mktemp("digits")
    write_bands(root, {"train": 30, "test": 10}, 12)
    return str(root)


def options(images, *more):
    """Arguments of a comparison that ends in seconds."""
    chosen = ["--dataset", images, "--models", "mlp1", "--batch-size", "8"]
    return [*chosen, "--set", "training.mlp1.epochs=4", *more]


def weights(out):
    import keras

    return keras.models.load_model(out / "models" / "mlp1-seed0.keras").get_weights()


def test_measuring_changes_no_bit_and_leaves_nothing(images, tmp_path, monkeypatch, capsys):
    plain, measured = tmp_path / "plain", tmp_path / "measured"
    assert svhn.main(options(images, "--out", str(plain))) == 0
    said = capsys.readouterr().out
    assert "on this machine" not in said
    assert record.read(plain / "results.json").predicted_seconds is None
    for module in (timing, networks_timing):
        monkeypatch.setattr(module, "is_short", lambda works: False)
    monkeypatch.setattr("kerasdl.training.stopwatch.SECONDS", 0.01)
    assert svhn.main(options(images, "--out", str(measured))) == 0
    assert "on this machine: mlp1 " in capsys.readouterr().out
    found = record.read(measured / "results.json")
    assert found.predicted_seconds > 0
    assert found.seconds > 0
    for one, other in zip(weights(plain), weights(measured), strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.runs[0].history == record.read(plain / "results.json").runs[0].history
    assert (plain / "recipe.toml").read_text() == (measured / "recipe.toml").read_text()
    names = [{path.name for path in folder.iterdir()} for folder in (plain, measured)]
    assert names[0] == names[1]


def test_the_same_minutes_go_on_with_what_was_decided(images, tmp_path, monkeypatch, capsys):
    rate = [Rate(0.1, 3.0, 0.0)]
    monkeypatch.setattr(networks_timing.NetworksTiming, "measure", lambda self, work: rate[0])
    monkeypatch.setattr(networks_timing.NetworksTiming, "rest", lambda self, plan: 0.0)
    out = tmp_path / "run"
    arguments = options(images, "--minutes", "11", "--seeds", "2", "--out", str(out))
    # 81 images, four epochs of 3 s each for two seeds: 32 min, of which 9.9 are there.
    assert svhn.main(arguments) == 0
    assert "--minutes 11: mlp1 1 of 4 epochs; about 8 min" in capsys.readouterr().out
    text = (out / "recipe.toml").read_text()
    assert text.startswith("# Epochs and images by --minutes 11\n")
    stored = recipe.read_toml(out / "recipe.toml")
    assert stored["training"]["mlp1"]["epochs"] == 1
    assert "minutes" not in str(stored)
    first = record.read(out / "results.json")
    assert first.runs[0].epochs == 1
    # Begun again on a machine that is faster by now, after a run was lost.
    record.write(
        record.msgspec.structs.replace(first, runs=first.runs[:1], status="interrupted"),
        out / "results.json",
    )
    rate[0] = Rate(0.0, 0.001, 0.0)
    assert svhn.main(arguments) == 0
    said = capsys.readouterr().out
    assert "goes on with the recipe that it decided earlier" in said
    assert (out / "recipe.toml").read_text() == text
    again = record.read(out / "results.json")
    assert [run.epochs for run in again.runs] == [1, 1]
    assert again.runs[1].history == first.runs[1].history
    assert again.seconds > first.runs[0].train_seconds


def test_minutes_too_few_for_anything_write_nothing(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        networks_timing.NetworksTiming, "measure", lambda self, work: Rate(99.0, 1.0, 0.0)
    )
    out = tmp_path / "run"
    assert svhn.main(options(images, "--minutes", "1", "--out", str(out))) == 2
    error = capsys.readouterr().err
    assert "--minutes 1 is too short" in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_a_search_is_measured_shortened_and_goes_on(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kerasdl.training.stopwatch.SECONDS", 0.01)
    out = tmp_path / "run"
    arguments = ["--smallest", "2", "--largest", "4", "--step", "1", "--seeds", "2"]
    arguments += ["--dataset", images, "--validation-fraction", "0.3", "--batch-size", "16"]
    arguments += ["--set", "training.epochs=3", "--minutes", "60", "--out", str(out)]
    assert mnist_width.main(arguments) == 0
    said = capsys.readouterr().out
    assert "nothing is left out" in said
    assert "on this machine: trials " in said
    assert "the winner " in said
    found = record.read_findings(out / "results.json")
    assert found.predicted_seconds > 0
    assert len((out / "trials.csv").read_text().splitlines()) == 1 + 3
    assert mnist_width.main(arguments) == 0
    assert "goes on with the recipe that it decided earlier" in capsys.readouterr().out


def test_the_first_perceptron_of_a_process_is_like_any_other(run_python):
    """Importing its module moved Python's random numbers, between the seed and the weights."""
    code = """
import keras
from kerasdl.models import registry
for _ in range(2):
    keras.utils.set_random_seed(0)
    print(registry.build("mlp1", (8, 8, 1), 3).get_weights()[0].ravel()[:4])
"""
    first, second = run_python("-c", code).stdout.splitlines()
    assert first == second


def test_an_experiment_is_measured_and_stays_what_it_is(images, tmp_path, monkeypatch, capsys):
    arguments = ["--study", "depth", "--dataset", images, "--validation-fraction", "0.2"]
    arguments += ["--depths", "1,2", "--activations", "relu", "--initializers", "glorot,he"]
    arguments += ["--width", "4", "--epochs", "2", "--batch-size", "16", "--set", "cures=[]"]
    plain, measured = tmp_path / "plain", tmp_path / "measured"
    assert cifar10.main([*arguments, "--out", str(plain)]) == 0
    assert "on this machine" not in capsys.readouterr().out
    monkeypatch.setattr(rehearsing, "TINY", 0)
    monkeypatch.setattr(timing, "is_short", lambda works: False)
    monkeypatch.setattr("kerasdl.training.stopwatch.SECONDS", 0.01)
    assert cifar10.main([*arguments, "--out", str(measured)]) == 0
    assert "on this machine: glorot " in capsys.readouterr().out
    assert (plain / "layers.csv").read_text() == (measured / "layers.csv").read_text()
    found = [record.read_findings(one / "results.json") for one in (plain, measured)]
    assert found[0].sections == found[1].sections
    assert found[0].predicted_seconds is None
    assert found[1].predicted_seconds > 0
