"""The committed records are what the code would do, and the READMEs say what the records say."""

import importlib
import json
import shlex
import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest

from kerasdl import recipe, record, record_layout
from kerasdl.reporting import sections
from kerasdl.reporting.tables import brief_table, results_table
from kerasdl.studies import experiment_command
from kerasdl.studies.options import make_parser, make_recipe
from kerasdl.studies.plan import Recipe

ROOT = Path(__file__).resolve().parent.parent
FOUND = sorted(
    path.parent for room in ("apps", "tuning") for path in (ROOT / room).rglob("results.json")
)
RECORDS = [folder for folder in FOUND if not record.is_findings(folder / "results.json")]
FINDINGS = [folder for folder in FOUND if folder not in RECORDS]


def ids(path):
    return path.relative_to(ROOT).as_posix()


def between(text, name):
    begin, end = f"<!-- {name}: results -->\n", f"<!-- {name}: end -->"
    assert begin in text, f"no table of {name}"
    return text.split(begin)[1].split(end)[0].strip()


def test_there_are_records():
    assert {path.name for path in RECORDS} >= {"svhn", "cifar10"}


SCHEMA = ROOT / "docs" / "results.schema.json"


def test_the_json_schema_is_the_codes():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == record.json_schema()


@pytest.mark.parametrize("folder", FOUND, ids=ids)
def test_every_record_is_of_the_json_schema(folder):
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, json.loads(SCHEMA.read_text(encoding="utf-8")))
    kind = "search" if ids(folder).startswith("tuning/") else "experiment"
    assert content["kind"] == ("comparison" if folder in RECORDS else kind)
    assert record_layout.upgrade(content) is content
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "kind": "findings"}, record.json_schema())


@pytest.mark.parametrize("folder", FOUND, ids=ids)
def test_a_record_of_schema_1_is_read_as_the_same(folder, tmp_path):
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    kind, study = content.pop("kind"), content.pop("study")
    more = {} if kind == "comparison" else {"kind": "findings", "experiment": study}
    (tmp_path / "results.json").write_text(json.dumps({**content, **more, "schema": 1}))
    before = record.read_any(folder / "results.json")
    after = record.read_any(tmp_path / "results.json")
    assert after == before
    assert (after.kind, after.study) == (kind, study)
    record.write(after, tmp_path / "results.json")
    assert msgspec.json.decode((tmp_path / "results.json").read_bytes())["schema"] == 2


@pytest.mark.parametrize("folder", RECORDS, ids=ids)
def test_the_recipe_is_the_codes_recipe(folder):
    result = record.read(folder / "results.json")
    app = importlib.import_module(f"kerasdl.apps.{result.app}").APP
    words = shlex.split(result.command)
    arguments = words[words.index(f"kerasdl.apps.{result.app}") + 1 :]
    plan = make_recipe(app, vars(make_parser(app).parse_args(arguments)))
    stored = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    # A setting that came later had its default.
    complete = recipe.to_dict(recipe.from_dict(stored, Recipe, where="recipe.toml"))
    expected = recipe.to_dict(plan)
    for model in plan.transfer:
        # Which weights "imagenet" or a path were is known when they are read.
        if plan.transfer[model].arm != "scratch":
            pinned = complete["settings"][model]["weights_sha256"]
            expected["settings"][model]["weights_sha256"] = pinned
    assert recipe.differences(complete, expected) == []
    assert recipe.differences(result.recipe, stored) == []


@pytest.mark.parametrize("folder", RECORDS, ids=ids)
def test_the_record_is_complete_and_honest(folder):
    result = record.read(folder / "results.json")
    assert result.status == "complete"
    assert len(result.runs) == result.recipe["seeds"] * len(result.recipe["models"])
    assert result.dataset.source == "local"
    assert result.dataset.verified or result.dataset.partial


@pytest.mark.parametrize("folder", RECORDS, ids=ids)
def test_readme_and_figures_belong_to_the_results(folder):
    result = record.read(folder / "results.json")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert results_table(result).strip() in text
    for part in text.split("](")[1:]:
        target = part.split(")")[0]
        if not target.startswith(("http", "#")):
            assert (folder / target).exists(), target


@pytest.mark.parametrize("folder", RECORDS, ids=ids)
def test_the_projects_readme_or_docs_have_the_records_table(folder):
    result = record.read(folder / "results.json")
    page = "docs/transfer.md" if result.recipe.get("transfer") else "README.md"
    text = (ROOT / page).read_text(encoding="utf-8")
    assert between(text, ids(folder)) == brief_table(result).strip()


@pytest.mark.parametrize("folder", FINDINGS, ids=ids)
def test_an_experiments_record_is_what_the_code_would_do(folder):
    result = record.read_findings(folder / "results.json")
    room = folder.relative_to(ROOT).parts[0]
    app = importlib.import_module(f"kerasdl.{room}.{result.app}")
    known = [*app.APP.experiments] if hasattr(app, "APP") else [app.EXPERIMENT]
    (experiment,) = (one for one in known if one.name == result.study)
    words = shlex.split(result.command)
    arguments = words[words.index(f"kerasdl.{room}.{result.app}") + 1 :]
    options = vars(experiment_command.make_parser(result.app, experiment).parse_args(arguments))
    plan = recipe.to_dict(experiment_command.make_recipe(result.app, experiment, options))
    stored = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    assert recipe.differences(result.recipe, stored) == []
    assert (stored.pop("app"), stored.pop("experiment")) == (result.app, result.study)
    complete = recipe.to_dict(recipe.from_dict(stored, experiment.recipe, where="recipe.toml"))
    assert recipe.differences(complete, plan) == []
    assert result.status == "complete"
    assert result.dataset is None or result.dataset.source == "local"


@pytest.mark.parametrize("folder", FINDINGS, ids=ids)
def test_an_experiments_readme_belongs_to_its_results(folder):
    result = record.read_findings(folder / "results.json")
    text = (folder / "README.md").read_text(encoding="utf-8")
    for section in result.sections:
        for table in section.tables:
            assert sections.table(table).markdown() in text
            assert (folder / f"{table.name}.csv").is_file()
        for figure in section.figures:
            assert (folder / figure.file).is_file()
            assert figure.file in text


def test_the_top_level_folders_of_records_have_no_code():
    for name in ("apps", "tuning", "saved_models"):
        assert not list((ROOT / name).rglob("*.py"))
