"""A process that takes part in a search: KerasTuner's chief or one of its workers.

    KERASTUNER_TUNER_ID=worker0 KERASTUNER_ORACLE_IP=HOST KERASTUNER_ORACLE_PORT=8000 \
        python -m kerasdl.tuning.member FOLDER

FOLDER is the run folder of the search, shared by all machines. `--jobs` starts these by itself.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kerasdl import command_line, recipe
from kerasdl.studies import experiment_command
from kerasdl.studies import folder as folders
from kerasdl.tuning.jobs import VARIABLES, end_with_parent
from kerasdl.tuning.subjects import SUBJECTS


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Takes part in a search; returns the exit code."""
    parser = command_line.Parser(
        prog="python -m kerasdl.tuning.member",
        description="Take part in a search: as KerasTuner's chief or a worker, which its "
        f"environment variables say ({', '.join(VARIABLES)}).",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the search's run folder")
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets' files")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        default=1,
        help="for the chief, how many workers there are: the more, the fewer trials each trains "
        "at a time (1)",
    )
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.attached:
        end_with_parent()
    try:
        _take_part(options)
    except (ValueError, FileNotFoundError) as error:
        return command_line.fail(parser.prog, error)
    except (FloatingPointError, OSError) as error:
        return command_line.fail(parser.prog, error, 1)
    except KeyboardInterrupt:
        return command_line.INTERRUPTED
    return 0


def _take_part(options: argparse.Namespace) -> None:
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise ValueError(f"expected the environment variables {', '.join(missing)}. Received: none")
    folder = Path(options.folder)
    plain = recipe.read_toml(folder / "recipe.toml")
    app = plain.get("app")
    module = importlib.import_module(f"kerasdl.tuning.{_known(app, folder)}")
    chosen = {"preset": "default", "recipe": str(folder / "recipe.toml")}
    plan = experiment_command.make_recipe(str(app), module.EXPERIMENT, chosen)
    from kerasdl.studies.data import divide, load_whole
    from kerasdl.terminal import Console
    from kerasdl.training.environment import start_keras

    name = os.environ["KERASTUNER_TUNER_ID"]
    # Several bars on one terminal would overwrite each other: lines instead.
    console = Console(quiet="chief" in name, force_terminal=False)
    dataset = load_whole(plan.data, options.data, console)
    # Started by the search's own process, which chose the kernels; alone, by the same rule.
    start_keras(
        convolutions=module.EXPERIMENT.has_convolutions(plan),
        recorded=folders.recorded_kernels(folder),
    )
    from kerasdl.tuning import study
    from kerasdl.tuning.material import prepare

    subject = SUBJECTS[str(app)](plan)
    parts = divide(dataset, plan.data)
    where = {"data_dir": options.data, "console": console}
    material = prepare(plan, subject, dataset, parts, **where)
    import grpc  # type: ignore[import-untyped, unused-ignore]

    try:
        study.search(plan, material, folder, console, processes=options.jobs)
    except grpc.RpcError as error:
        raise OSError(f"the chief of the search does not answer: {error}") from error


def _known(app: object, folder: Path) -> str:
    if app not in SUBJECTS:
        names = ", ".join(SUBJECTS)
        raise ValueError(
            f"{folder / 'recipe.toml'} must be of a search: {names}. Received: {app!r}"
        )
    return str(app)


if __name__ == "__main__":
    sys.exit(main())
