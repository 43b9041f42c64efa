"""The command line of a comparison of networks: arguments -> recipe -> run -> report."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import recipe
from kerasdl.models import registry
from kerasdl.record import Record, Reported
from kerasdl.studies.folder import choose as choose_folder
from kerasdl.studies.folder import locked
from kerasdl.studies.plan import Data, Recipe, resolve
from kerasdl.training import logs
from kerasdl.training.settings import Training

INTERRUPTED = 130
"""Exit code after Ctrl-C, the shell's convention (128 + SIGINT)."""


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What an app adds to the study: its name, its defaults and what others reported.

    Args:
        name: As in `python -m kerasdl.apps.<name>`.
        description: One or two sentences for `--help`.
        training: Training settings of every network that may be chosen.
        presets: Recipes by name as plain data; "default" is the run without arguments.
        reported: Test accuracies that other reports print for the same data set.
    """

    name: str
    description: str
    training: Mapping[str, Training]
    presets: Mapping[str, Mapping[str, Any]]
    reported: Sequence[Reported] = ()


def main(app: App, argv: Sequence[str] | None = None) -> int:
    """Runs an app's command line.

    Args:
        app: The app.
        argv: Arguments without the program's name; None for the process's own.

    Returns:
        The exit code: 0, 2 after a user's error (one line on standard error),
        130 after Ctrl-C, 1 when a training failed.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser(app)
    options = vars(parser.parse_args(arguments))
    command = shlex.join(["python", "-m", f"kerasdl.apps.{app.name}", *arguments])
    try:
        return _run(app, make_recipe(app, options), options, command)
    except (ValueError, FileNotFoundError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"{parser.prog}: training failed: {error}. Finished runs are kept", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder without permission
        print(f"{parser.prog}: error: {error}. Finished runs are kept", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"{parser.prog}: interrupted; the same command goes on with what is missing",
            file=sys.stderr,
        )
        return INTERRUPTED


def make_parser(app: App) -> argparse.ArgumentParser:
    """Returns the parser of an app; options that are not given are absent from its result."""
    parser = recipe.Parser(
        prog=f"python -m kerasdl.apps.{app.name}",
        usage="%(prog)s [options]",
        description=app.description,
        epilog=f"Networks: {', '.join(registry.names())}. "
        + " ".join(f"Preset {n}: {', '.join(p['models'])}." for n, p in app.presets.items()),
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--preset", choices=sorted(app.presets), default="default", help="where to start from"
    )
    parser.add_argument("--study", choices=["networks"], help="what to compare (networks)")
    parser.add_argument(
        "--recipe", metavar="FILE.toml", help="a recipe, or only what differs from the preset"
    )
    parser.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="one value of the recipe by its dotted name, e.g. training.lenet5.epochs=20",
    )
    parser.add_argument(
        "--data", metavar="DIR", help="folder with the data sets' files; else $KERASDL_DATA"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"run folder (runs/{app.name} where free); a run interrupted there is continued",
    )
    parser.add_argument(
        "--log",
        metavar="A,B",
        type=logs.parse,
        help=f"log the trainings for other tools too, in DIR/logs: {', '.join(logs.NAMES)}",
    )
    parser.add_argument(
        "--find-lr",
        action="store_true",
        help="test learning rates in a few steps, write DIR/find_lr/, and train nothing else",
    )
    recipe.add_options(parser, Recipe, title="comparison")
    recipe.add_options(parser, Data, title="data")
    recipe.add_options(parser, Training, title="training, of every chosen network")
    return parser


def make_recipe(app: App, options: Mapping[str, Any]) -> Recipe:
    """Makes the recipe: preset, then the file, then the options, then `--set`.

    Args:
        app: The app.
        options: The parser's result.

    Raises:
        ValueError, FileNotFoundError: If any of them is not what it should be.
    """
    base = {"app": app.name, **app.presets[options["preset"]]}
    changes: dict[str, Any] = {}
    where = "the options"
    if "recipe" in options:
        where = str(options["recipe"])
        changes = recipe.read_toml(where)
    assigned: dict[str, Any] = {}
    for text in options.get("set", []):
        assigned = recipe.merge(assigned, recipe.parse_assignment(text))
    changes = recipe.merge(changes, _chosen(Recipe, options))
    changes = recipe.merge(changes, {"data": _chosen(Data, options)})
    models = assigned.get("models", changes.get("models", base["models"]))
    for_all = _chosen(Training, options)
    if isinstance(models, list | tuple) and for_all:
        changes = recipe.merge(changes, {"training": {str(name): for_all for name in models}})
    return resolve(base, app.training, recipe.merge(changes, assigned), where=where)


def _chosen(struct: type[msgspec.Struct], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that are fields of `struct`."""
    names = {field.encode_name for field in msgspec.structs.fields(struct)}
    return {name: value for name, value in options.items() if name in names}


def _run(app: App, plan: Recipe, options: Mapping[str, Any], command: str) -> int:
    from rich.console import Console

    from kerasdl import files
    from kerasdl.datasets.load import load
    from kerasdl.datasets.splits import split

    console = Console(stderr=False)
    logs.check(options.get("log", ()))
    if "log" in options and "find_lr" in options:
        raise ValueError("--find-lr trains nothing that --log could log; give one of them")
    if "out" in options:
        choose_folder(options["out"], app.name, {}, "")  # before anything that takes time
    dataset = load(
        plan.data.dataset,
        data_dir=options.get("data"),
        seed=plan.data.split_seed,
        notify=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
    )
    folder = choose_folder(options.get("out"), app.name, recipe.to_dict(plan), dataset.sha256)
    splits = split(
        dataset,
        validation_fraction=plan.data.validation_fraction,
        train_size=plan.data.train_size,
        train_fraction=plan.data.train_fraction,
        seed=plan.data.split_seed,
    )
    _banner(console, dataset.label, dataset.synthetic)
    from kerasdl.training.environment import start_keras

    start_keras()
    from kerasdl.studies.networks import Study

    # Of these images, not of a folder that happens to have their name.
    published = dataset.name == app.name and dataset.source in ("local", "store", "tfds")
    study = Study(
        plan,
        dataset,
        splits,
        folder,
        command=command,
        reported=[one for one in app.reported if published and one.model in plan.models],
        console=console,
        logs=logs.Logs(options.get("log", ()), folder, recipe.to_dict(plan)),
    )
    if "find_lr" in options:
        from kerasdl.studies.find_lr import find_lr

        with locked(folder):
            find_lr(study)
        return 0
    failure: FloatingPointError | None = None
    with locked(folder):
        files.write_text(folder / "recipe.toml", recipe.to_toml(plan))
        try:
            study.run()
        except FloatingPointError as error:
            failure = error
        result = study.record
        if result.runs:
            from kerasdl.reporting.report import write_report

            write_report(
                folder, result, test_images=splits.test.images, predictions=study.predictions
            )
            study.logs.add_figures(sorted((folder / "figures").glob("*.png")))
            _conclude(console, result, folder)
        elif failure is None:
            console.print("Interrupted before the first network was trained: nothing to report.")
        study.logs.close()
    if failure is not None:
        raise failure
    return INTERRUPTED if result.status == "interrupted" else 0


def _banner(console: Any, label: str, synthetic: bool) -> None:
    from rich.panel import Panel
    from rich.text import Text

    if synthetic:
        text = f"{label}\nThe images are rendered: no figure of this run speaks of real data."
        console.print(Panel(Text(text), border_style="bold red", title="synthetic data"))
    else:
        console.print(Text(label, style="bold"))


def _conclude(console: Any, result: Record, folder: Path) -> None:
    from rich.table import Table

    from kerasdl.reporting.text import percent_spread

    table = Table(title=result.dataset.label, title_justify="left")
    table.add_column("model")
    for heading in ("parameters", "test accuracy", "seeds", "training"):
        table.add_column(heading, justify="right")
    for row in result.summary:
        table.add_row(
            row.title,
            f"{row.parameters:,}",
            f"{percent_spread(row.test_accuracy)} %",
            str(row.test_accuracy.n),
            f"{row.train_seconds.mean:.0f} s",
        )
    console.print(table)
    for comparison in result.comparisons:
        console.print(comparison.verdict, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Report: {folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True
    )
