"""The command line of an experiment: arguments -> recipe -> run -> report."""

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kerasdl import command_line, recipe, streams
from kerasdl.datasets import catalog
from kerasdl.studies import minutes
from kerasdl.studies.experiment import Experiment
from kerasdl.studies.experiment_run import base_of, has_data, perform
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
        perform(app, experiment, plan, options, command, began)
        return 0
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
        values={"--dataset": catalog.NAMES} if has_data(experiment) else {},
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
        help=f"run folder (runs/{base_of(app, experiment)} where free); an interrupted run there "
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


def _options(experiment: Experiment) -> dict[str, type[recipe.Struct]]:
    data = {"data": Data} if has_data(experiment) else {}
    return {**data, **experiment.options}


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
