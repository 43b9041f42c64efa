"""Runs a record again and says whether its figures come out.

    python -m kerasdl reproduce apps/svhn                             # all of it
    python -m kerasdl reproduce apps/svhn --models lenet5 --seeds 1   # a part
    python -m kerasdl reproduce apps/svhn --quick                     # a first look
    python -m kerasdl reproduce tuning/mnist_width                    # an experiment, a search

Exit code 0 when every figure lies where the record lets one expect it, 1 when one does
not, 2 on an error. A first look stops each training after its first tenth (the learning
rate still follows the whole schedule) and compares the training history there; it
leaves no record. The new folder's reproduction.json has the comparison
(`kerasdl.evaluation.reproduction.Reproduction`). Of an experiment or a search all tables
are compared (`kerasdl.evaluation.agreement_tables`).
"""

import argparse
import datetime
import importlib
import itertools
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import command_line, files, recipe, record, suggest
from kerasdl.evaluation import reproduction
from kerasdl.studies import first_look, reproduce_study
from kerasdl.studies.folder import check_usable
from kerasdl.studies.options import App, make_recipe
from kerasdl.studies.plan import Recipe
from kerasdl.training.cluster import find_cluster

FILE = "reproduction.json"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: the record, its app, and the part of its recipe to run."""

    folder: Path
    old: record.Record
    app: App
    main: Any
    plan: Recipe
    gained: list[str]
    out: Path
    data: str | None
    quick: bool

    @property
    def kind(self) -> Any:
        """As in `Reproduction`."""
        whole = self.old.recipe
        all_of_it = (list(self.plan.models), self.plan.seeds) == (whole["models"], whole["seeds"])
        return "quick" if self.quick else "whole" if all_of_it else "part"


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        folder = Path(options.record)
        path = folder / "results.json"
        if path.is_file() and record.is_findings(path):
            return _repeat(reproduce_study.prepare(folder, path), options)
        return _reproduce(_prepare(options))
    except (ValueError, FileNotFoundError) as error:
        return command_line.fail(parser.prog, error)
    except (FloatingPointError, OSError) as error:
        return command_line.fail(parser.prog, error, 1)
    except KeyboardInterrupt:
        return command_line.fail(parser.prog, "interrupted", command_line.INTERRUPTED)


def _repeat(task: reproduce_study.Task, options: Any) -> int:
    """Runs an experiment or a search again."""
    for name in ("models", "seeds", "quick"):
        if getattr(options, name):
            raise ValueError(
                f"--{name} is of comparisons of networks. Received: the {task.old.kind} "
                f"{task.old.study}, which is run again as a whole; drop it"
            )
    base = task.old.app if task.old.app == task.old.study else f"{task.old.app}-{task.old.study}"
    out = _out(options.out, base, quick=False, old=task.folder)
    return reproduce_study.run(task, out, FILE, options.data)


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog="python -m kerasdl reproduce",
        description="Run a record again with its own recipe; are its figures inside their spread?",
    )
    parser.add_argument("record", metavar="DIR", help="a run folder or record, e.g. apps/svhn")
    parser.add_argument("--models", metavar="A,B", help="only these models of the record")
    parser.add_argument("--seeds", metavar="N", type=_positive, help="only its first N seeds")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a first look: stop each training after its first tenth and compare the history "
        "there (one seed, or --seeds)",
    )
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets' files")
    parser.add_argument("--out", metavar="DIR", help="new folder; default: runs/reproduce-<app>")
    return parser


def _positive(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more. Received: {text!r}")
    return int(text)


def _prepare(options: Any) -> Task:
    """Reads the record and checks what was asked for, before anything that takes time."""
    folder = Path(options.record)
    path = folder / "results.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a folder with a results.json. Received: {options.record}"
        )
    old = record.read(path)
    if old.status != "complete" or not old.runs:
        raise ValueError(f"{path} must be of a finished run. Received: status {old.status!r}")
    app = None
    if re.fullmatch(r"[a-z][a-z0-9_]*", old.app):
        try:
            module = importlib.import_module(f"kerasdl.apps.{old.app}")
            app = getattr(module, "APP", None)
        except ModuleNotFoundError:
            app = None
    if app is None:
        raise ValueError(f"{path} must be of an app of this kerasdl. Received: {old.app!r}")
    file = folder / "recipe.toml"
    chosen: dict[str, Any] = {"preset": "default", "recipe": str(file)}
    whole = recipe.to_dict(make_recipe(app, chosen))
    recorded = recipe.merge(whole, old.recipe)
    if differences := recipe.differences(recorded, whole):
        raise ValueError(f"{file} is not the recipe of {path}: {'; '.join(differences)}")
    if options.models is not None:
        chosen["models"] = _models(options.models, old)
    # A race is run again as one, unless a number of seeds is asked for.
    seeds = options.seeds or (1 if options.quick else old.recipe["seeds"])
    most = max(Counter(run.model for run in old.runs).values())
    if seeds != "auto" and seeds > most:
        raise ValueError(f"the record has seeds: {most}. Received: --seeds {seeds}")
    if whole["strategy"] == "multiworker":
        chosen["strategy"] = "auto"
    plan = make_recipe(app, {**chosen, "seeds": seeds})
    # One of several workers ends with its run, before a comparison.
    cluster = find_cluster(plan.strategy)
    if cluster is not None and len(cluster.addresses) > 1:
        raise ValueError(
            "reproduce runs in one process, a record of several workers too; unset TF_CONFIG. "
            f"Received: one of {len(cluster.addresses)} workers"
        )
    part = {**old.recipe, "models": list(plan.models), "seeds": seeds}
    if seeds != "auto":
        part.pop("max_seeds", None)
    part["training"] = {name: old.recipe["training"][name] for name in plan.models}
    for table in ("settings", "networks", "transfer"):
        known = old.recipe.get(table, {})
        part[table] = {name: known[name] for name in plan.models if name in known}
    return Task(
        folder=folder,
        old=old,
        app=app,
        main=module.main,
        plan=plan,
        gained=recipe.differences(part, recipe.to_dict(plan)),
        out=_out(options.out, old.app, options.quick, folder),
        data=options.data,
        quick=options.quick,
    )


def _models(text: str, old: record.Record) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    known = old.recipe["models"]
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        meant = "".join(suggest.hint(name, known) for name in names if name not in known)
        raise ValueError(f"--models takes some of {', '.join(known)}. Received: {text!r}.{meant}")
    return tuple(name for name in known if name in names)


def _out(named: str | None, app: str, quick: bool, old: Path) -> Path:
    """Returns the new run's folder: by default the first of runs/reproduce-<app>, -2, ..."""
    if named is None:
        ends = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
        folders = (Path("runs") / f"reproduce-{app}{end}" for end in ends)
        return next(folder for folder in folders if not folder.exists())
    folder = Path(named)
    if folder.resolve() == old.resolve():
        raise ValueError(f"--out must be another folder than the record's. Received: {named}")
    # A whole run may be continued: the study looks at its folder itself.
    if quick and folder.exists() and not (folder.is_dir() and set(os.listdir(folder)) <= {FILE}):
        raise ValueError(f"--quick takes a new or empty folder as --out. Received: {named}")
    check_usable(folder)
    return folder


def _reproduce(task: Task) -> int:
    from kerasdl.reporting.reproduction import sentence, show
    from kerasdl.studies.data import load_whole
    from kerasdl.terminal import Console

    old = task.old
    dataset = load_whole(task.plan.data, task.data, Console())
    if dataset.sha256 != old.dataset.sha256:
        raise ValueError(
            f"the images must be those of the record: {old.dataset.label}. Received: "
            f"{dataset.label}, other images; nothing was trained. Name them with --data DIR"
        )
    if task.quick:
        models, environment = first_look.look(
            task.plan, old, dataset, folder=task.folder, out=task.out, data=task.data
        )
    else:
        del dataset  # the app loads its own; two would be in memory
        arguments = ["--recipe", str(task.folder / "recipe.toml"), "--out", str(task.out)]
        if task.kind == "part":
            arguments += ["--models", ",".join(task.plan.models), "--seeds", str(task.plan.seeds)]
        if task.plan.strategy != old.recipe.get("strategy", task.plan.strategy):
            arguments += ["--strategy", task.plan.strategy]
        if task.data:
            arguments += ["--data", task.data]
        code = int(task.main(arguments))
        if code != 0:
            return code
        new = record.read(task.out / "results.json")
        models, environment = reproduction.compare_runs(old, new.runs), new.environment
    verdict = reproduction.decide(models)
    found = reproduction.Reproduction(
        kind=task.kind,
        record=str(task.folder),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        sentence=sentence(task.kind, verdict, models),
        dataset=old.dataset.label,
        sha256=old.dataset.sha256,
        environment=environment,
        changed=reproduction.changes(old.environment, environment),
        recipe_changed=task.gained,
        left_out=[name for name in old.recipe["models"] if name not in task.plan.models],
        models=models,
    )
    content = msgspec.json.format(msgspec.json.encode(found), indent=2)
    files.write_bytes(task.out / FILE, content + b"\n")
    show(found, task.out / FILE)
    return 0 if verdict == "reproduced" else 1


if __name__ == "__main__":
    sys.exit(main())
