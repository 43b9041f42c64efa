"""What an app is and what a user may ask of it: its command-line options, and their recipe."""

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kerasdl import command_line, recipe
from kerasdl.datasets import catalog
from kerasdl.models import own, registry
from kerasdl.record import Reported
from kerasdl.studies import minutes
from kerasdl.studies.experiment import Experiment
from kerasdl.studies.plan import Data, Recipe, resolve
from kerasdl.studies.together import TIMEOUT
from kerasdl.studies.transfer import options as transferring
from kerasdl.training import logs
from kerasdl.training.settings import Training


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What an app adds to the study: its name, its defaults and what others reported.

    Args:
        name: As in `python -m kerasdl.apps.<name>`.
        description: One or two sentences for `--help`.
        training: Training settings of every network that may be chosen.
        presets: Recipes by name as plain data; "default" is the run without arguments.
            A table `training` has what differs from the app's, by model.
        reported: Test accuracies that other reports print for the same data set.
        titles: Names for people of models that are no network's own (`Recipe.networks`).
        settings: A struct whose fields are settings of networks, to become options.
        conclude: "module:function" from a `studies.conclude.Comparison` to the report's
            further sections; imported when it is needed.
        experiments: The app's other studies, by `--study`.
        augmentation: Fields of a training that leave the data set's images in their classes,
            for networks of `--transfer`.
    """

    name: str
    description: str
    training: Mapping[str, Training]
    presets: Mapping[str, Mapping[str, Any]]
    reported: Sequence[Reported] = ()
    titles: Mapping[str, str] = msgspec.field(default_factory=dict)
    settings: type[msgspec.Struct] | None = None
    conclude: str | None = None
    experiments: Sequence[Experiment] = ()
    augmentation: Mapping[str, int | float | bool] = msgspec.field(default_factory=dict)


def make_parser(app: App) -> command_line.Parser:
    """Returns the parser of an app; options that are not given are absent from its result."""
    parser = command_line.Parser(
        prog=f"python -m kerasdl.apps.{app.name}",
        usage="%(prog)s [options]",
        description=app.description,
        epilog=f"Networks: {', '.join(registry.names())}. "
        + " ".join(f"Preset {n}: {', '.join(p['models'])}." for n, p in app.presets.items())
        + " A finished run on your own pictures: predict IMAGE... (predict --help).",
        argument_default=argparse.SUPPRESS,
        words=("predict",),
        values={"--dataset": catalog.NAMES, "--models": registry.names()},
    )
    parser.add_argument(
        "--preset", choices=sorted(app.presets), default="default", help="where to start from"
    )
    studies = ["networks", *(experiment.name for experiment in app.experiments)]
    parser.add_argument(
        "--study", choices=studies, help="what to do (networks); each has a --help of its own"
    )
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
    minutes.add_option(parser)
    parser.add_argument(
        "--checkpoint-seconds",
        metavar="X",
        type=_seconds,
        help="how much work a killed run may lose (10); 0 saves as often as possible",
    )
    parser.add_argument(
        "--log",
        metavar="A,B",
        type=logs.parse,
        help=f"log the trainings for other tools too, in DIR/logs: {', '.join(logs.NAMES)}",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=command_line.count,
        help="train N models at a time, in processes that share the cores (1: in this one)",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="train on the machines of a Ray cluster, which share --out; auto: the one that runs "
        "here, or a new one of this machine",
    )
    parser.add_argument(
        "--find-lr",
        action="store_true",
        help="test learning rates in a few steps, write DIR/find_lr/, and train nothing else",
    )
    parser.add_argument(
        "--workers",
        metavar="HOST:PORT,...",
        help="train on several machines: all workers, the same list on each (docs/distributed.md)",
    )
    parser.add_argument(
        "--rank", metavar="N", type=int, help="this worker's place in --workers; 0 writes"
    )
    parser.add_argument(
        "--worker-timeout",
        metavar="X",
        type=_seconds,
        help=f"seconds to wait for the other workers at the start ({TIMEOUT:.0f})",
    )
    recipe.add_options(parser, Recipe, title="comparison")
    recipe.add_options(parser, Data, title="data")
    recipe.add_options(parser, Training, title="training, of every chosen network")
    if app.settings is not None:
        title = "settings, of every chosen network that has them"
        recipe.add_options(parser, app.settings, title=title)
    transferring.add_options(parser, app.settings)
    return parser


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) < float("inf"):
            return seconds
    raise argparse.ArgumentTypeError(f"expected seconds >= 0. Received: {text!r}")


def make_recipe(
    app: App, options: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Recipe:
    """Makes the recipe: preset, then the file, then the options, then `--set` or `given`.

    Args:
        app: The app.
        options: The parser's result.
        given: Further values as plain data, laid over all others.

    Raises:
        ValueError, FileNotFoundError: If any of them is not what it should be.
    """
    preset = dict(app.presets[options["preset"]])
    trainings = {
        **app.training,
        **{
            name: msgspec.structs.replace(app.training[name], **changed)
            for name, changed in preset.pop("training", {}).items()
        },
    }
    base = {"app": app.name, **preset}
    asked = dict(options)
    if transferring.is_asked(options, app.settings):
        models_of, trainings = transferring.arms_of(options, app.augmentation)
        # What else a preset has was chosen for its own networks.
        base = {"app": app.name, "data": preset["data"], **models_of}
        asked = transferring.others(asked)
    changes: dict[str, Any] = {}
    where = "the options"
    if "recipe" in options:
        where = str(options["recipe"])
        changes = recipe.read_toml(where)
        transferring.check_file(options, changes, where)
        if "max_seeds" not in options and options.get("seeds", "auto") != "auto":
            changes.pop("max_seeds", None)  # of the file's race, which the option replaces
    assigned = dict(given or {})
    for text in options.get("set", []):
        assigned = recipe.merge(assigned, recipe.parse_assignment(text))
    changes = recipe.merge(changes, recipe.chosen(Recipe, asked))
    changes = recipe.merge(changes, {"data": recipe.chosen(Data, options)})
    changes, assigned = (_with_names(table, base) for table in (changes, assigned))
    models = assigned.get("models", changes.get("models", base["models"]))
    for_all = recipe.chosen(Training, options)
    if isinstance(models, list | tuple) and for_all:
        changes = recipe.merge(changes, {"training": {str(name): for_all for name in models}})
    if app.settings is not None and (chosen := recipe.chosen(app.settings, asked)):
        networks = recipe.merge(base.get("networks", {}), changes.get("networks", {}))
        _check_names(chosen, models, base)
        changes = recipe.merge(changes, {"settings": _settings(chosen, models, networks)})
    plan = resolve(base, trainings, recipe.merge(changes, assigned), where=where)
    if "cache_limit" in options and not any(how.cached for how in plan.transfer.values()):
        received = "arms that keep none" if plan.transfer else "it alone"
        raise ValueError(f"--cache-limit is of features of --transfer. Received: {received}")
    return plan


def _with_names(changes: dict[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a person's own models, which are named by their place, names for tables and files."""
    models, networks = changes.get("models"), changes.get("networks", {})
    if not isinstance(models, list | tuple) or not isinstance(networks, Mapping):
        return changes
    named = [str(model) for model in models]
    if not any(map(own.is_reference, named)):
        return changes
    taken = (*registry.names(), *base.get("networks", {}))
    models, networks = own.with_names(named, networks, taken)
    return {**changes, "models": models, "networks": networks}


def _check_names(given: Mapping[str, Any], models: Sequence[str], base: Mapping[str, Any]) -> None:
    """Raises ValueError if an option would make a model another one than its name says.

    The app names models by what differs between them: `relu` and `tanh` by their activation.
    """
    own = base.get("networks", {})
    settings = [base.get("settings", {}).get(model, {}) for model in own]
    for name in given:
        values = [one.get(name) for one in settings]
        named = [model for model in models if model in own]
        if named and any(value != values[0] for value in values):
            raise ValueError(
                f"--{name.replace('_', '-')} is what tells {', '.join(own)} apart. Received: it, "
                f"for {', '.join(named)}; use it with --models {own[named[0]]}"
            )


def _settings(
    given: Mapping[str, Any], models: Sequence[str], networks: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Returns the settings that options give, for each model whose network has them.

    Raises:
        ValueError: If no chosen model has one of them.
    """
    # As a TOML file would give them: the same recipe either way.
    given = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
    found = {}
    for model in models:
        known = registry.get(str(networks.get(model, model))).setting_names()
        found[model] = {name: value for name, value in given.items() if name in known}
    for name in given:
        if not any(name in settings for settings in found.values()):
            raise ValueError(
                f"--{name.replace('_', '-')} is no setting of any chosen model. "
                f"Received: the models {', '.join(models)}"
            )
    return {model: settings for model, settings in found.items() if settings}
