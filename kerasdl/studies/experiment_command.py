"""The command line of an experiment: arguments -> recipe -> run -> report."""

import argparse
import dataclasses
import datetime
import importlib
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import command_line, files, recipe, record, streams
from kerasdl.studies import folder as folders
from kerasdl.studies import minutes
from kerasdl.studies.experiment import Context, Experiment, Memo
from kerasdl.studies.plan import Data


@command_line.entry
def main(
    app: str,
    experiment: Experiment,
    argv: Sequence[str] | None = None,
) -> int:
    """Runs the command line of an experiment.

    Args:
        app: The app's name, as in `python -m kerasdl.apps.<app>` (see `Experiment.room`).
        experiment: What to run.
        argv: Arguments without the program's name; None for the process's own.

    Returns:
        The exit code: 0, 2 after a user's error (one line on standard error), 130
        after Ctrl-C, 1 when a training or another process failed or the disk did.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser(app, experiment)
    return run(app, experiment, parser, arguments, vars(parser.parse_args(arguments)))


def run(
    app: str,
    experiment: Experiment,
    parser: command_line.Parser,
    arguments: Sequence[str],
    options: Mapping[str, Any],
) -> int:
    """Runs an experiment with options that are parsed.

    Args:
        app: As for `main`.
        experiment: What to run.
        parser: What parsed the arguments.
        arguments: What the user typed, for the record.
        options: What it says.

    Returns:
        As `main`.
    """
    command = shlex.join(["python", "-m", f"kerasdl.{experiment.room}.{app}", *arguments])
    began = time.monotonic()
    try:
        minutes.check(options)
        if "minutes" in options and experiment.timing is None:
            raise ValueError(
                f"{experiment.name} has no epochs that --minutes could shorten. Received: it; "
                "drop it"
            )
        plan = make_recipe(app, experiment, options)
        return _run(app, experiment, plan, options, command, began)
    except (ValueError, FileNotFoundError) as error:
        return command_line.fail(parser.prog, error)
    except (FloatingPointError, ChildProcessError, OSError) as error:
        after = ". What was finished is kept; the same command goes on from there"
        return command_line.fail(parser.prog, error, 1, after=after)
    except KeyboardInterrupt:
        streams.complain(
            f"{parser.prog}: interrupted; the same command goes on with what is missing"
        )
        return command_line.INTERRUPTED


def make_parser(app: str, experiment: Experiment) -> command_line.Parser:
    """Returns the parser; options that are not given are absent from its result."""
    parser = command_line.Parser(
        prog=f"python -m kerasdl.{experiment.room}.{app}",
        usage="%(prog)s [options]",
        description=experiment.description,
        argument_default=argparse.SUPPRESS,
    )
    if experiment.name != app:
        parser.add_argument("--study", choices=[experiment.name], help="this experiment")
    parser.add_argument(
        "--preset",
        choices=sorted(experiment.presets),
        default="default",
        help="where to start from",
    )
    parser.add_argument(
        "--recipe", metavar="FILE.toml", help="a recipe, or only what differs from the preset"
    )
    parser.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="one value of the recipe by its dotted name",
    )
    parser.add_argument(
        "--data", metavar="DIR", help="folder with the data sets' files; else $KERASDL_DATA"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"run folder (runs/{_base(app, experiment)} where free); an interrupted run there "
        "is continued",
    )
    minutes.add_option(parser)
    if experiment.shared:
        parser.add_argument(
            "--jobs",
            metavar="N",
            type=command_line.count,
            help="share the work among N processes, each with its part of the cores (1)",
        )
    recipe.add_options(parser, experiment.recipe, title="experiment")
    for name, struct in _options(experiment).items():
        recipe.add_options(parser, struct, title=name)
    return parser


def _base(app: str, experiment: Experiment) -> str:
    return app if experiment.name == app else f"{app}-{experiment.name}"


def _options(experiment: Experiment) -> dict[str, type[recipe.Struct]]:
    data = {"data": Data} if _has_data(experiment) else {}
    return {**data, **experiment.options}


def _has_data(experiment: Experiment) -> bool:
    return any(field.name == "data" for field in msgspec.structs.fields(experiment.recipe))


def make_recipe(app: str, experiment: Experiment, options: Mapping[str, Any]) -> Any:
    """Makes the recipe: preset, then the file, then the options, then `--set`.

    Raises:
        ValueError, FileNotFoundError: If any of them is not what it should be.
    """
    changes: dict[str, Any] = {}
    where = "the options"
    if "recipe" in options:
        where = str(options["recipe"])
        changes = recipe.read_toml(where)
    for key, expected in (("app", app), ("experiment", experiment.name)):
        if changes.pop(key, expected) != expected:
            raise ValueError(f"{where}: expected a recipe with {key} = {expected!r}")
    # --data is the folder of the files, not the recipe's table of that name.
    own = {name: value for name, value in options.items() if name != "data"}
    changes = recipe.merge(changes, recipe.chosen(experiment.recipe, own))
    for name, struct in _options(experiment).items():
        changes = recipe.merge(changes, {name: recipe.chosen(struct, options)})
    for text in options.get("set", []):
        changes = recipe.merge(changes, recipe.parse_assignment(text))
    training = changes.get("training")
    if isinstance(training, Mapping) and "epochs" in training:
        # Asked for in so many words, the number of epochs is that number.
        changes["training"] = {"minimum_images": 0, **training}
    # The struct's own defaults first: a change of one field of a nested struct keeps the others.
    base = recipe.merge(recipe.to_dict(experiment.recipe()), experiment.presets[options["preset"]])
    merged = recipe.merge(base, changes)
    plan = recipe.from_dict(merged, experiment.recipe, where=where)
    check = getattr(plan, "check", None)
    if check is not None:
        check()
    return plan


def _run(
    app: str,
    experiment: Experiment,
    plan: Any,
    options: Mapping[str, Any],
    command: str,
    began: float,
) -> int:
    from kerasdl.reporting.findings import write_findings
    from kerasdl.reporting.render import toml
    from kerasdl.studies.data import describe, divide, load_whole
    from kerasdl.studies.rehearsing import announce_time
    from kerasdl.studies.show import banner
    from kerasdl.terminal import Console
    from kerasdl.training.environment import describe as describe_environment
    from kerasdl.training.environment import start_keras

    console = Console()
    # Before anything that takes time; what the folder holds is looked at later.
    folders.check_usable(
        folders.choose_for(options["out"], "", None, "") if "out" in options else folders.RUNS
    )
    dataset = splits = None
    if _has_data(experiment):
        dataset = load_whole(plan.data, options.get("data"), console)
        splits = divide(dataset, plan.data)
    sha256 = dataset.sha256 if dataset else ""
    named = {"app": app, "experiment": experiment.name}
    context = Context(
        plan,
        Path(),
        console,
        Memo(Path(), {}),
        dataset,
        splits,
        data_dir=options.get("data"),
        jobs=options.get("jobs", 1),
    )
    rates, note = None, ""
    if "minutes" in options and dataset is not None:
        from kerasdl.studies.fitting import fit_experiment

        start_keras(
            convolutions=experiment.has_convolutions(plan),
            recorded=folders.recorded_kernels(Path(options["out"])) if "out" in options else None,
        )
        limit = minutes.Limit(options["minutes"], began)
        plan, rates = fit_experiment(
            experiment,
            context,
            limit,
            out=options.get("out"),
            base=_base(app, experiment),
            extra=named,
        )
        splits, note = divide(dataset, plan.data), minutes.note(limit.minutes)
    settings = {**named, **recipe.to_dict(plan)}
    folder = folders.choose_for(options.get("out"), _base(app, experiment), settings, sha256)
    if dataset is not None:
        banner(console, dataset.label, dataset.synthetic)
    start_keras(
        convolutions=experiment.has_convolutions(plan),
        recorded=folders.recorded_kernels(folder),
    )
    environment = describe_environment("none", getattr(plan, "precision", "float32"))
    identity = {"recipe": settings, "images": sha256, "environment": environment}
    module, function = experiment.function.split(":")
    run = getattr(importlib.import_module(module), function)
    info = describe(dataset, splits, plan.data) if dataset and splits else None
    with folders.locked(folder):
        files.write_text(folder / "recipe.toml", note + toml(settings))
        # From now on the folder is this experiment's, and its parts are of these kernels.
        folders.keep_environment(folder, environment)
        memo = Memo(folder, identity)
        context = dataclasses.replace(
            context, plan=plan, folder=folder, memo=memo, splits=splits, info=info
        )
        context, predicted = announce_time(experiment, context, rates)
        started = time.perf_counter()
        sections = list(run(context))
        findings = record.Findings(
            kind="search" if experiment.room == "tuning" else "experiment",
            app=app,
            study=experiment.name,
            title=experiment.title,
            command=command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            status="complete",
            environment=environment,
            dataset=info,
            recipe=settings,
            seconds=memo.earlier_seconds + time.perf_counter() - started,
            sections=sections,
            predicted_seconds=predicted,
        )
        write_findings(folder, findings)
    for section in sections:
        for claim in section.claims:
            context.say(f"{claim.report}: {claim.claim} -> {claim.verdict}: {claim.measured}")
    context.say(f"Report: {folder / 'report.html'}")
    return 0
