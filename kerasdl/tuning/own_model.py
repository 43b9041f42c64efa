"""Searches a person's own space: a function build(hp) or a HyperModel, as KerasTuner takes them.

    python -m kerasdl.tuning.own_model --build mine.py:build --dataset PHOTOS
    python -m kerasdl.tuning.own_model --build mine.py:build --algorithm hyperband --epochs 27

where mine.py has, for example:

    def build(hp, input_shape, num_classes):
        return keras.Sequential([
            keras.Input(input_shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(hp.Int("width", 32, 256, step=32), activation="relu"),
            keras.layers.Dense(num_classes),
        ])
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from kerasdl import command_line
from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment
from kerasdl.studies.plan import Data
from kerasdl.training.settings import Training
from kerasdl.tuning.plan import Search

PROGRAM = "python -m kerasdl.tuning.own_model"


class Recipe(Search, frozen=True, kw_only=True):
    """Which space is searched, and how."""

    build: Annotated[
        str,
        Meta(
            description="your build(hp), build(hp, input_shape, num_classes) or HyperModel: "
            "FILE.py:NAME or package.module:NAME"
        ),
    ] = ""
    data: Data = Data(dataset="mnist", validation_fraction=0.1)
    trials: Annotated[
        int, Meta(ge=0, description="the most trials; 0: all of a grid, 10 of random and bayesian")
    ] = 0
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each trial N times")] = 1
    training: Training = Training(epochs=10, batch_size=64, learning_rate=1e-3)

    def check(self) -> None:
        """Checks what types cannot say; see `Search.check`."""
        super().check()
        if not self.build:
            raise ValueError(
                "expected a space: build = FILE.py:FUNCTION, of a function build(hp) that returns "
                "a Keras model. Received: none"
            )

    def changes(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns nothing: the space is in `build` alone."""
        return {}


EXPERIMENT = Experiment(
    name="own_model",
    title="A search of your own space",
    description="Search your own build(hp), many trials and seeds at a time where the models "
    "allow it; say which are better beyond noise; train the winner again and score it on the "
    "test images.",
    recipe=Recipe,
    presets={"default": {}},
    function="kerasdl.tuning.study:own_model",
    timing="kerasdl.tuning.forecast:own_model",
    options={"training": Training},
    room="tuning",
    shared=True,
    # What is in a person's models is not known.
    convolutions=True,
)


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    return experiment_command.make_parser("own_model", EXPERIMENT)


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the search; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = make_parser()
    options = vars(parser.parse_args(arguments))
    if "build" in options:
        from kerasdl.tuning import own_space

        try:
            # With its fingerprint: a changed space is another search.
            options["build"], _ = own_space.find(options["build"])
        except (ValueError, OSError) as error:
            return command_line.fail(PROGRAM, error)
    return experiment_command.run("own_model", EXPERIMENT, parser, arguments, options)


if __name__ == "__main__":
    sys.exit(main())
