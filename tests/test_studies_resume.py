"""An app killed in the middle of a training goes on with the same command."""

import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from datasets_fakes import write_bands
from patience import PATIENCE, wait_until

from kerasdl import record
from kerasdl.apps import svhn

ARGUMENTS = [
    "--dataset", "(see images)", "--train-size", "320", "--models", "lenet5", "--epochs", "40",
    "--minimum-images", "0", "--patience", "30", "--ema", "0.9", "--precision", "float32",
    "--checkpoint-seconds", "0", "--shift", "1",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def images(tmp_path_factory):
    """Few of them: every process reads them, and answers those of the test part."""
    folder = tmp_path_factory.mktemp("images")
    ARGUMENTS[1] = str(write_bands(folder, {"train": 120, "test": 20}, 32))


def start(out):
    """Starts the app in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "kerasdl.apps.svhn", *ARGUMENTS, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def finish(process):
    """Waits for the app; returns its output with the lines joined and its exit code."""
    output, _ = process.communicate(timeout=PATIENCE)
    return " ".join(output.split()), process.returncode


@pytest.fixture(scope="module")
def killed(images, tmp_path_factory):
    """A run folder as SIGKILL left it, with checkpoints of an unfinished training."""
    out = tmp_path_factory.mktemp("killed") / "run"
    process = start(out)
    try:
        saved = "checkpoints/lenet5-seed0/epoch0000[3-9]*.ckpt"
        wait_until(lambda: list(out.glob(saved)), process)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert record.read(out / "results.json").status == "running"
    return out


@pytest.fixture
def unfinished(killed, tmp_path):
    shutil.copytree(killed, tmp_path / "run")
    return tmp_path / "run"


def test_the_same_command_goes_on_to_the_same_bits(unfinished, tmp_path):
    output, code = finish(start(unfinished))
    assert code == 0, output
    assert re.search(r"lenet5, seed 0 \(1 of 1\): goes on after epoch \d+, step \d+", output)
    assert not (unfinished / "checkpoints").exists()
    _, code = finish(start(tmp_path / "undisturbed"))
    assert code == 0
    one, other = (record.read(d / "results.json") for d in (unfinished, tmp_path / "undisturbed"))
    assert one.status == "complete"
    assert one.runs[0].history == other.runs[0].history
    assert one.runs[0].metrics == other.runs[0].metrics
    assert one.runs[0].epochs == other.runs[0].epochs
    with (
        np.load(unfinished / "predictions.npz") as left,
        np.load(tmp_path / "undisturbed" / "predictions.npz") as right,
    ):
        assert left.files == right.files
        for name in left.files:
            np.testing.assert_array_equal(left[name], right[name])
    # Killed between the record and their removal, a run leaves its checkpoints.
    left = unfinished / "checkpoints" / "lenet5-seed0" / "epoch00001-step0000000.ckpt"
    left.parent.mkdir(parents=True)
    left.touch()
    assert svhn.main([*ARGUMENTS, "--out", str(unfinished)]) == 0
    assert not (unfinished / "checkpoints").exists()


def test_another_recipe_is_refused_with_the_difference(unfinished, capsys):
    arguments = [*ARGUMENTS, "--learning-rate", "0.005", "--out", str(unfinished)]
    before = sorted(unfinished.rglob("*"))
    assert svhn.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "training.lenet5.learning_rate: 0.004 -> 0.005" in error
    assert sorted(unfinished.rglob("*")) == before


@pytest.mark.usefixtures("without_figures")
def test_a_torn_checkpoint_is_named_and_the_older_one_used(unfinished, capsys):
    latest = sorted(unfinished.glob("checkpoints/lenet5-seed0/*.ckpt"))[-1]
    latest.write_bytes(latest.read_bytes()[:5000])
    assert svhn.main([*ARGUMENTS, "--out", str(unfinished)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert f"{latest.name} cannot be used: its checksum is wrong" in output
    assert "goes on after epoch" in output


def test_a_full_disk_is_one_line_and_the_older_checkpoint_stays(unfinished, capsys, monkeypatch):
    from kerasdl import files

    def full(path, mode="w"):
        raise OSError(28, "No space left on device", str(path))

    folder = unfinished / "checkpoints" / "lenet5-seed0"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real = files.atomic_open
    monkeypatch.setattr(
        files, "atomic_open", lambda p, m="w": (full if str(p).endswith("ckpt") else real)(p, m)
    )
    assert svhn.main([*ARGUMENTS, "--out", str(unfinished)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "No space left on device" in error
    assert "the last checkpoint are kept" in error
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert record.read(unfinished / "results.json").status == "interrupted"


def test_a_vanished_folder_is_one_line_and_not_made_anew(unfinished, capsys, monkeypatch):
    from kerasdl.training.checkpoint import CheckpointStore

    save = CheckpointStore.save

    def vanish(self, checkpoint):
        shutil.rmtree(unfinished)
        save(self, checkpoint)

    monkeypatch.setattr(CheckpointStore, "save", vanish)
    assert svhn.main([*ARGUMENTS, "--out", str(unfinished)]) in (1, 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "was removed or renamed" in error
    assert not unfinished.exists()


def test_a_folder_that_vanishes_between_checkpoints_is_not_made_anew_either(
    tmp_path, capsys, monkeypatch
):
    from kerasdl.studies.networks import Study

    fit, out = Study.fit, tmp_path / "run"

    def vanish(self, *arguments):
        engine = fit(self, *arguments)
        shutil.rmtree(out)
        return engine

    monkeypatch.setattr(Study, "fit", vanish)
    arguments = [*ARGUMENTS, "--epochs", "1", "--checkpoint-seconds", "1000", "--out", str(out)]
    assert svhn.main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "was removed or renamed" in error
    assert not out.exists()


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_wrong_seconds_are_a_users_error(seconds, capsys):
    with pytest.raises(SystemExit) as stopped:
        svhn.main([f"--checkpoint-seconds={seconds}"])
    assert stopped.value.code == 2
    assert "expected seconds >= 0" in capsys.readouterr().err


def test_patience_without_validation_images_is_a_users_error(capsys):
    assert svhn.main(["--patience", "2", "--validation-fraction", "0", "--models", "lenet5"]) == 2
    assert "training.lenet5.patience needs validation images" in capsys.readouterr().err
