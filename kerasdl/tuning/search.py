"""Searches any fields of an app's recipe: the network's settings and its training.

    python -m kerasdl.tuning.search --app svhn --space space.toml
    python -m kerasdl.tuning.search --app mnist --model mlp --space space.toml --algorithm random

where space.toml has a table for each field, under `training` or `settings`:

    [training.learning_rate]
    min = 1e-4
    max = 1e-2
    sampling = "log"

    [settings.units]
    values = [[128], [256, 128]]
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kerasdl import command_line, recipe, suggest
from kerasdl.models import registry
from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment
from kerasdl.studies.plan import Data
from kerasdl.training.settings import Training
from kerasdl.tuning import space as spaces
from kerasdl.tuning.plan import Search

PROGRAM = "python -m kerasdl.tuning.search"
APPS = ("svhn", "mnist", "fashion_mnist", "cifar10", "gurmukhi")


class Recipe(Search, frozen=True, kw_only=True):
    """What is searched, and how."""

    network: Annotated[str, Meta(description="the network, see `python -m kerasdl.models`")] = (
        "lenet5"
    )
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    space: spaces.Space = msgspec.field(default_factory=dict)
    training: Training = Training()

    def check(self) -> None:
        """Checks what types cannot say; see `Search.check`."""
        super().check()
        known = registry.get(self.network).setting_names()
        for name in self.settings:
            if name not in known:
                raise ValueError(
                    f"{self.network} has the settings: {', '.join(known) or 'none'}. "
                    f"Received: {name!r}"
                )
        spaces.check(self.space, self.network)
        searched = self.space.get("training", {})
        if "ema" in searched:
            raise ValueError("a search has no moving average of weights. Received: space ... ema")
        for name in ("epochs", "patience"):
            if self.algorithm == "hyperband" and name in searched:
                raise ValueError(
                    f"hyperband chooses the epochs itself. Received: space.training.{name}"
                )

    @property
    def convolutions(self) -> bool:
        """Whether the network has convolutions, for the choice of kernels."""
        return registry.get(self.network).convolutions

    def changes(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns a trial's settings and training."""
        return spaces.changes(self.space, hp)


EXPERIMENT = Experiment(
    name="search",
    title="A search",
    description="Search fields of an app's recipe: --app NAME and --space FILE.toml; --model is "
    "one of the app's models (its first). "
    f"Apps: {', '.join(APPS)}. The recipe starts from what the app trains that model with.",
    recipe=Recipe,
    presets={"default": {}},
    function="kerasdl.tuning.study:fields",
    timing="kerasdl.tuning.forecast:fields",
    options={"training": Training},
    room="tuning",
    shared=True,
)


def make_parser() -> command_line.Parser:
    """Returns the parser: that of every search, and what a search's recipe starts from."""
    parser = experiment_command.make_parser("search", EXPERIMENT)
    group = parser.add_argument_group("what the recipe starts from")
    group.add_argument("--app", choices=APPS, metavar="NAME", help=f"an app: {', '.join(APPS)}")
    group.add_argument("--model", metavar="NAME", help="one of the app's models (its first)")
    group.add_argument("--space", metavar="FILE.toml", help="the fields to search")
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the search; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser()
    options = vars(parser.parse_args(arguments))
    app, model, space = (options.pop(name, None) for name in ("app", "model", "space"))
    try:
        base = {} if app is None else _base(app, model)
        if app is None and model is not None:
            raise ValueError("--model is a model of an app. Received: no --app")
        if space is not None:
            base["space"] = recipe.read_toml(space)
    except (ValueError, OSError) as error:
        return command_line.fail(PROGRAM, error)
    experiment = msgspec.structs.replace(EXPERIMENT, presets={"default": base})
    return experiment_command.run("search", experiment, parser, arguments, options)


def _base(name: str, model: str | None) -> dict[str, Any]:
    """Returns an app's recipe of one of its models, as that of a search."""
    app = importlib.import_module(f"kerasdl.apps.{name}").APP
    preset = app.presets["default"]
    model = model or preset["models"][0]
    if model not in app.training:
        raise ValueError(
            f"the app {name} has the models {', '.join(app.training)}. Received: {model!r}."
            f"{suggest.hint(model, app.training)}"
        )
    training = recipe.merge(
        msgspec.to_builtins(app.training[model]), preset.get("training", {}).get(model, {})
    )
    # Of the app's own defaults, not of a search's.
    data = {**recipe.to_dict(Data()), **preset.get("data", {})}
    if not data.get("validation_fraction", 0.1):
        # The app needs no validation images; a search judges by them.
        data["validation_fraction"] = 0.1
    return {
        "network": preset.get("networks", {}).get(model, model),
        "settings": dict(preset.get("settings", {}).get(model, {})),
        "training": training,
        "data": data,
        "precision": preset.get("precision", "auto"),
        "seeds": 1,
    }


if __name__ == "__main__":
    sys.exit(main())
