"""`--find-lr` as its user types it."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerasdl import record
from kerasdl.apps import svhn

OPTIONS = ["--models", "lenet5", "--batch-size", "32"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A person's own images: two classes, of which one in four has the wrong name."""
    root, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for i in range(200):
        kind = i % 2 if i % 4 else generator.integers(2)
        folder = root / ("train" if i < 160 else "test") / ("left", "right")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 120, (32, 32, 3), dtype=np.uint8)
        pixels[:, 16 * kind : 16 * kind + 16] += 100
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def run(*arguments):
    return svhn.main([str(argument) for argument in arguments])


def files(folder):
    found = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path.relative_to(folder).as_posix(): content for path, content in found.items()}


@pytest.fixture(scope="module")
def tested(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("find") / "run"
    assert run("--dataset", images, *OPTIONS, "--find-lr", "--out", out) == 0
    return out


def test_it_writes_a_curve_and_a_table_and_nothing_else(tested):
    assert set(files(tested)) == {"find_lr/lenet5.png", "find_lr/lenet5.csv"}
    table = pd.read_csv(tested / "find_lr" / "lenet5.csv")
    assert list(table) == ["step", "learning_rate", "loss", "smoothed_loss"]
    assert 20 < len(table) <= 200
    assert np.isfinite(table).all().all()
    assert (np.diff(np.log(table.learning_rate)) > 0).all()
    with Image.open(tested / "find_lr" / "lenet5.png") as picture:
        assert picture.size == (1050, 630)
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    # The curve, both suggestions and the recipe's rate.
    assert {(0, 114, 178), (0, 158, 115), (213, 94, 0), (0, 0, 0)} <= colors


def test_the_same_command_gives_the_same_curve_in_the_first_free_folder(
    tested, images, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "svhn").mkdir(parents=True)
    (tmp_path / "runs" / "svhn" / "results.json").write_text("{}")
    assert run("--dataset", images, *OPTIONS, "--find-lr") == 0
    said = capsys.readouterr().out
    assert "steepest descent" in said
    assert "0.004" in said  # the recipe's
    assert files(tmp_path / "runs" / "svhn-2") == files(tested)
    assert set(files(tmp_path / "runs" / "svhn")) == {"results.json"}


def test_a_run_may_follow_in_the_same_folder(tested, images, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(tested, out)
    arguments = ["--dataset", images, *OPTIONS, "--epochs", "1", "--out", out]
    assert run(*arguments) == 0
    before = files(out)
    assert {"find_lr/lenet5.csv", "results.json"} <= set(before)
    assert record.read(out / "results.json").status == "complete"
    assert run(*arguments, "--learning-rate", "0.1", "--find-lr") == 2
    assert "training.lenet5.learning_rate: 0.004 -> 0.1" in capsys.readouterr().err
    assert files(out) == before


def test_it_has_nothing_to_log(images, tmp_path, capsys):
    out = tmp_path / "run"
    assert run("--dataset", images, "--find-lr", "--log", "tensorboard", "--out", out) == 2
    assert "give one of them" in capsys.readouterr().err
    assert not out.exists()
