"""The app of the theory: a small run from the command line to the report."""

import sys

import numpy as np
import pytest
from PIL import Image

from kerasdl import record
from kerasdl.apps import theory
from kerasdl.studies.experiment_command import make_parser, make_recipe

SMALL = [
    *("--seeds", "3", "--steps", "20", "--rates", "0.1,1", "--batch-size", "16"),
    *("--points", "6", "--layers", "2", "--components", "2", "--pairs", "5"),
    *("--images", "1", "--rounds", "2"),
]


@pytest.fixture
def images(tmp_path):
    """A folder with two classes of small gray images."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(("bad", "good")):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for i in range(40):
            pixels = generator.integers(0, 120, (8, 8), dtype=np.uint8)
            pixels[4 * label : 4 * label + 4] += 100
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return ["--dataset", str(tmp_path / "images"), "--classes", "bad,good"]


def test_a_run_measures_everything_and_goes_on_where_it_was(images, tmp_path, capsys):
    pytest.importorskip("sklearn")
    out = tmp_path / "run"
    arguments = [*SMALL, *images, "--out", str(out)]
    assert theory.main(arguments) == 0
    found = record.read_findings(out / "results.json")
    assert found.app == found.study == "theory"
    assert [len(section.claims) for section in found.sections] == [4, 6, 2, 3]
    verdicts = {c.claim: c.verdict for section in found.sections for c in section.claims}
    assert verdicts["MSE is convex for deep linear networks."] == "wrong"
    assert verdicts["Cross-entropy is KL divergence plus a constant when P is fixed."] == "right"
    assert found.dataset.class_names == ["bad", "good"]
    for section in found.sections:
        assert section.figures
        for figure in section.figures:
            assert (out / figure.file).is_file()
        for table in section.tables:
            assert (out / f"{table.name}.csv").is_file()
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "Wisconsin breast cancer" in readme
    assert "153\u202f632" in readme
    assert (out / "report.html").is_file()
    printed = capsys.readouterr().out
    assert "C, theory: Cross-entropy without a sigmoid is not convex. -> " in printed
    # The same command again: every part is there.
    before = (out / "convolutions.csv").read_text()
    assert theory.main(arguments) == 0
    assert (out / "convolutions.csv").read_text() == before  # times of the first run
    assert record.read_findings(out / "results.json").sections == found.sections


def test_without_scikit_learn_a_line_says_how_to_install_it(images, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    out = tmp_path / "run"
    arguments = [*SMALL, *images, "--out", str(out), "--parts", "losses"]
    assert theory.main(arguments) == 0
    assert "pip install scikit-learn" in capsys.readouterr().out
    (section,) = record.read_findings(out / "results.json").sections
    assert "pip install scikit-learn" in section.text[-1]
    assert not any("breast" in str(table.rows) for table in section.tables)


def test_a_run_without_the_table_does_not_ask_for_it(images, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    out = tmp_path / "run"
    arguments = [*SMALL, *images, "--out", str(out), "--parts", "convexity", "--tabular", "false"]
    assert theory.main(arguments) == 0
    assert "scikit-learn" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rates", "0.1,0.1"], "each learning rate once"),
        (["--rates", "-1"], "rates"),
        (["--parts", "losses,losses"], "each part once"),
        (["--parts", "loss"], "loss"),
        (["--classes", "3"], "two classes"),
        (["--validation-fraction", "0"], "validation_fraction must be above 0"),
        (["--layers", "1"], "layers"),
        (["--set", "layer=3"], "did you mean 'layers'"),
    ],
)
def test_a_wrong_recipe_is_one_line(arguments, message, capsys):
    try:
        code = theory.main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_every_preset_is_a_recipe():
    parser = make_parser("theory", theory.EXPERIMENT)
    plans = {
        name: make_recipe("theory", theory.EXPERIMENT, vars(parser.parse_args(["--preset", name])))
        for name in theory.EXPERIMENT.presets
    }
    assert plans["default"].data.dataset == plans["full"].data.dataset == "mnist"
    assert plans["default"].data.classes == ("3", "8")
    assert plans["full"].seeds > plans["default"].seeds
    assert plans["full"].points > plans["default"].points


def test_help_needs_no_keras(run_python):
    done = run_python("-X", "importtime", "-m", "kerasdl.apps.theory", "--help")
    assert done.returncode == 0
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "kerasdl.experiments.theory" in imported
    assert not imported & {"keras", "tensorflow", "sklearn", "scipy", "matplotlib"}
