"""Runs the record of an experiment or a search again: the part of `reproduce` for these."""

import datetime
import importlib
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import files, recipe, record
from kerasdl.evaluation import agreement_tables, reproduction
from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment

ROOMS = {"experiment": "apps", "search": "tuning"}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: the record, what made it, and its recipe."""

    folder: Path
    old: record.Findings
    main: Any
    arguments: list[str]
    plan: Any
    gained: list[str]


def prepare(folder: Path, path: Path) -> Task:
    """Reads a record and checks it, before anything that takes time.

    Args:
        folder: The record's folder.
        path: Its results.json.

    Raises:
        ValueError: If it is damaged or not finished, or this version has no such study or
            another recipe of it.
        FileNotFoundError: If its recipe.toml is missing.
    """
    old = record.read_findings(path)
    if old.status != "complete":
        raise ValueError(f"{path} must be of a finished run. Received: status {old.status!r}")
    module, experiment = _find(folder, old)
    file = folder / "recipe.toml"
    if differences := recipe.differences(old.recipe, recipe.read_toml(file)):
        raise ValueError(f"{file} is not the recipe of {path}: {'; '.join(differences)}")
    chosen = {"preset": "default", "recipe": str(file)}
    plan = experiment_command.make_recipe(old.app, experiment, chosen)
    now = {"app": old.app, "experiment": old.study, **recipe.to_dict(plan)}
    gained = recipe.differences(old.recipe, now)
    if changed := [line for line in gained if "(none) -> " not in line]:
        raise ValueError(f"{file} is of another version of {old.study}: {'; '.join(changed)}")
    study = ["--study", old.study] if old.study != old.app else []
    return Task(
        folder=folder,
        old=old,
        main=module.main,
        arguments=[*study, "--recipe", str(file)],
        plan=plan,
        gained=gained,
    )


def _find(folder: Path, old: record.Findings) -> tuple[Any, Experiment]:
    """Returns the module with the command of a study, and the study."""
    name = f"kerasdl.{ROOMS[old.kind]}.{old.app}"
    if re.fullmatch(r"[a-z][a-z0-9_]*", old.app) and find_spec(name) is not None:
        module: Any = importlib.import_module(name)
        app = getattr(module, "APP", None)
        known = [*app.experiments] if app is not None else [getattr(module, "EXPERIMENT", None)]
        for experiment in known:
            if experiment is not None and experiment.name == old.study:
                return module, experiment
    raise ValueError(
        f"{folder} must be of an app or a search of this kerasdl. Received: {old.app!r}, whose "
        f"command was: {old.command}"
    )


def run(task: Task, out: Path, file: str, data: str | None) -> int:
    """Runs a study again and compares its tables with the record's.

    Args:
        task: What to run.
        out: The new folder.
        file: The name of the comparison there.
        data: Where the data sets' files are; None for where they are looked for.

    Returns:
        The exit code: 0 reproduced, 1 not; else that of the run.

    Raises:
        ValueError: If the images are not those of the record.
    """
    from kerasdl.reporting.reproduction_tables import lines, sentence
    from kerasdl.studies.data import load_whole
    from kerasdl.terminal import Console

    old, console = task.old, Console()
    if old.dataset is not None:
        dataset = load_whole(task.plan.data, data, console)
        if dataset.sha256 != old.dataset.sha256:
            raise ValueError(
                f"the images must be those of the record: {old.dataset.label}. Received: "
                f"{dataset.label}, other images; nothing was trained. Name them with --data DIR"
            )
        del dataset  # the study loads its own; two would be in memory
    arguments = [*task.arguments, "--out", str(out), *(["--data", data] if data else [])]
    code = int(task.main(arguments))
    if code != 0:
        return code
    new = record.read_findings(out / "results.json")
    found = agreement_tables.compare(old.sections, new.sections, _seeds(old.recipe))
    verdict = reproduction.decide_tables(found)
    written = reproduction.StudyReproduction(
        record=str(task.folder),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        sentence=sentence(verdict, found),
        environment=new.environment,
        changed=reproduction.changes(old.environment, new.environment),
        recipe_changed=task.gained,
        tables=found,
    )
    content = msgspec.json.format(msgspec.json.encode(written), indent=2)
    files.write_bytes(out / file, content + b"\n")
    said = lines(found)
    if written.changed:
        said.append(f"Not as in the record: {'; '.join(written.changed)}")
    else:
        said.append("Machine and versions are the record's.")
    if task.gained:
        said.append(f"New in recipes since the record: {'; '.join(task.gained)}")
    for line in [*said, f"Written: {out / file}", written.sentence]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0 if verdict == "reproduced" else 1


def _seeds(plan: Mapping[str, Any]) -> int:
    """Returns over how many repetitions the spreads of a record are."""
    for name in ("seeds", "repeats"):
        if isinstance(plan.get(name), int):
            return int(plan[name])
    return 1
