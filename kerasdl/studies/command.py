"""The command line of a comparison of networks: arguments -> recipe -> run -> report."""

import argparse
import itertools
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kerasdl import command_line, streams
from kerasdl.command_line import INTERRUPTED
from kerasdl.studies import experiment_command, predict
from kerasdl.studies.comparing import compare
from kerasdl.studies.options import App, make_parser, make_recipe
from kerasdl.studies.together import team
from kerasdl.training.workers import end

GO_ON = "interrupted; the same command goes on with what is missing"


@command_line.entry
def main(app: App, argv: Sequence[str] | None = None) -> int:
    """Runs an app's command line.

    Args:
        app: The app.
        argv: Arguments without the program's name; None for the process's own.

    Returns:
        The exit code: 0, 2 after a user's error (one line on standard error),
        130 after Ctrl-C, 1 when a training failed or a worker was lost.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["predict"]:
        return predict.main(app.name, arguments[1:])
    for experiment in app.experiments:
        if _study(arguments) == experiment.name:
            return experiment_command.main(app.name, experiment, arguments)
    parser = make_parser(app)
    options = vars(parser.parse_args(arguments))
    return end(_exit_code(app, parser, arguments, options))


def _study(arguments: Sequence[str]) -> str:
    """Returns what `--study` names; each study has options of its own."""
    for option, value in itertools.pairwise([*arguments, ""]):
        name, _, joined = option.partition("=")
        if name == "--study":
            return joined or value
    return "networks"


def _exit_code(
    app: App,
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    options: Mapping[str, Any],
) -> int:
    began = time.monotonic()
    command = shlex.join(["python", "-m", f"kerasdl.apps.{app.name}", *arguments])
    try:
        plan = make_recipe(app, options)
        with team(plan, options) as (workers, strategy):
            status = compare(
                app, plan, options, command, workers=workers, strategy=strategy, began=began
            ).status
            return INTERRUPTED if status == "interrupted" else 0
    except (ValueError, FileNotFoundError) as error:
        return command_line.fail(parser.prog, error)
    except FloatingPointError as error:
        after = ". The training failed; finished runs are kept"
        return command_line.fail(parser.prog, error, 1, after=after)
    except OSError as error:  # a full disk, a folder without permission
        after = ". Finished runs and the last checkpoint are kept; the same command goes on there"
        return command_line.fail(parser.prog, error, 1, after=after)
    except KeyboardInterrupt:
        streams.complain(f"{parser.prog}: {GO_ON}")
        return INTERRUPTED
