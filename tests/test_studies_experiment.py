"""Experiments: options, parts that survive, folders, and the report they leave."""

import json
import sys
from typing import Annotated

import jsonschema
import numpy as np
import pytest
from msgspec import Meta

from kerasdl import files, recipe, record
from kerasdl.sections import Claim, Figure, Section, Table
from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment, Memo

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84"
    b"\x00\x00\x00\x00IEND\xaeB`\x82"
)


class Sums(recipe.Struct, frozen=True, kw_only=True):
    """Adds numbers."""

    numbers: Annotated[tuple[int, ...], Meta(description="what to add")] = (1, 2, 3)
    factor: Annotated[float, Meta(gt=0, description="what to multiply with")] = 2.0


CALLS = []
STOP_AT = None


def add(context):
    """The experiment: a part for each number."""
    total = 0.0

    def part(number):
        CALLS.append(number)
        if number == STOP_AT:
            raise KeyboardInterrupt
        return {"value": np.float64(number * context.plan.factor), "list": np.arange(2)}

    for number in context.plan.numbers:
        found = context.memo(f"number {number}", lambda number=number: part(number))
        assert found["list"] == [0, 1], "arrays come back as lists, computed or read"
        total += found["value"]
    files.write_bytes(context.folder / "figures" / "sum.png", PIXEL)
    return [
        Section(
            title="The <b>sum</b>",
            text=[f"It is {total:g}."],
            claims=[
                Claim(report="X, row 1", claim="It is 12.", measured=f"{total:g}", verdict="right")
            ],
            tables=[
                Table(
                    name="parts",
                    title="Parts",
                    columns=["Number", "Value", "Word", "Nothing"],
                    rows=[["one", 1.23456, "a|b", None], ["two", 10**9 * 1.0, "4 ± 1", 12345]],
                    digits=2,
                )
            ],
            figures=[Figure(file="figures/sum.png", alt="a sum", caption="See.")],
        )
    ]


SUMS = Experiment(
    name="sums",
    title="Sums",
    description="Add numbers.",
    recipe=Sums,
    presets={"default": {}, "full": {"numbers": [1, 2, 3, 4]}},
    function=f"{__name__}:add",
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "STOP_AT", None)
    monkeypatch.chdir(tmp_path)
    CALLS.clear()


def run(*arguments):
    return experiment_command.main("toy", SUMS, [str(argument) for argument in arguments])


def test_a_run_leaves_record_report_and_tables(tmp_path, capsys):
    assert run("--factor", 2, "--out", tmp_path / "a") == 0
    found = record.read_findings(tmp_path / "a" / "results.json")
    assert (found.app, found.study, found.status) == ("toy", "sums", "complete")
    content = json.loads((tmp_path / "a" / "results.json").read_text())
    jsonschema.validate(content, record.json_schema())
    assert (content["schema"], content["kind"]) == (2, "experiment")
    assert found.recipe == {"app": "toy", "experiment": "sums", "numbers": [1, 2, 3], "factor": 2.0}
    assert found.sections[0].claims[0].measured == "12"
    readme = (tmp_path / "a" / "README.md").read_text()
    assert "It is 12." in readme
    assert "1.23" in readme
    assert "a\\|b" in readme
    assert "--study sums --recipe recipe.toml" in readme
    html = (tmp_path / "a" / "report.html").read_text()
    assert "data:image/png;base64," in html
    assert "<b>sum" not in html
    assert (tmp_path / "a" / "parts.csv").read_text().splitlines()[1] == "one,1.23456,a|b,"
    assert "right" in capsys.readouterr().out


def test_the_recipe_it_leaves_runs_again(tmp_path):
    run("--preset", "full", "--out", tmp_path / "a")
    assert run("--recipe", tmp_path / "a" / "recipe.toml", "--out", tmp_path / "b") == 0
    one, other = (record.read_findings(tmp_path / name / "results.json") for name in "ab")
    assert one.sections == other.sections
    assert one.recipe == other.recipe


def test_interrupted_it_goes_on_with_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[__name__], "STOP_AT", 3)
    assert run("--out", tmp_path / "a") == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "a" / "results.json").exists()
    monkeypatch.setattr(sys.modules[__name__], "STOP_AT", None)
    CALLS.clear()
    assert run("--out", tmp_path / "a") == 0
    assert CALLS == [3]
    run("--out", tmp_path / "b")
    one, other = (record.read_findings(tmp_path / name / "results.json") for name in "ab")
    assert one.sections == other.sections


def test_a_torn_part_is_computed_anew(tmp_path):
    run("--out", tmp_path / "a")
    for path in (tmp_path / "a" / "parts").glob("*.json"):
        path.write_bytes(path.read_bytes()[:-5])
    CALLS.clear()
    assert run("--out", tmp_path / "a") == 0
    assert CALLS == [1, 2, 3]


def test_another_recipe_in_the_folder_is_refused_with_the_difference(tmp_path, capsys):
    run("--out", tmp_path / "a")
    before = (tmp_path / "a" / "results.json").read_bytes()
    assert run("--factor", 3, "--out", tmp_path / "a") == 2
    assert "factor: 2.0 -> 3.0" in capsys.readouterr().err
    assert (tmp_path / "a" / "results.json").read_bytes() == before


def test_somebody_elses_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("my words")
    assert run("--out", tmp_path / "mine") == 2
    assert (tmp_path / "mine" / "README.md").read_text() == "my words"
    assert "--out" in capsys.readouterr().err


def test_without_out_each_recipe_finds_a_folder_of_its_own(tmp_path):
    run()
    run("--factor", 5)
    run()
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["toy-sums", "toy-sums-2"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--factor", "0"], "factor"),
        (["--set", "factr=2"], "factor"),
        (["--recipe", "none.toml"], "none.toml"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(arguments, complaint, tmp_path, capsys):
    try:
        code = run(*arguments, "--out", tmp_path / "a")
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr().err
    assert code == 2
    assert complaint in captured
    assert captured.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_a_part_belongs_to_everything_that_decides_it(tmp_path):
    one, other = (Memo(tmp_path, {"recipe": value}) for value in (1, 2))
    assert one("a", lambda: 1) == 1
    assert one("a", lambda: 2) == 1
    assert other("a", lambda: 2) == 2
    assert one("b", lambda: float("nan")) is None


def test_the_folder_of_the_files_leaves_the_recipes_data_as_they_are(tmp_path):
    from kerasdl.experiments.depth.study import EXPERIMENT

    (tmp_path / "r.toml").write_text("[data]\ntrain_size = 77\nvalidation_fraction = 0.3\n")
    parser = experiment_command.make_parser("cifar10", EXPERIMENT)
    named = ["--recipe", str(tmp_path / "r.toml"), "--data", str(tmp_path)]
    options = vars(parser.parse_args([*named, "--validation-fraction", "0.2"]))
    data = experiment_command.make_recipe("cifar10", EXPERIMENT, options).data
    assert (data.train_size, data.validation_fraction) == (77, 0.2)
