"""How wide must the hidden layer of a perceptron on MNIST be? Row 3 of docs/reports.md, its card.

python -m kerasdl.tuning.mnist_width
python -m kerasdl.tuning.mnist_width --preset full        # 20 epochs, 5 seeds
python -m kerasdl.tuning.mnist_width --jobs 2             # in two processes
python -m kerasdl.tuning.mnist_width --algorithm hyperband --seeds 1
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment
from kerasdl.training.settings import Training
from kerasdl.tuning.plan import Search


class Recipe(Search, frozen=True, kw_only=True):
    """The widths, and how they are searched."""

    smallest: Annotated[int, Meta(ge=1, description="the smallest width, in neurons")] = 60
    largest: Annotated[int, Meta(ge=1, description="the largest width")] = 600
    step: Annotated[int, Meta(ge=1, description="from one width to the next")] = 60
    activation: Annotated[
        Literal["relu", "tanh", "sigmoid"], Meta(description="of the hidden layer")
    ] = "relu"
    training: Training = Training(
        epochs=20, batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="cosine"
    )

    def check(self) -> None:
        """Checks what types cannot say; see `Search.check`."""
        super().check()
        if self.smallest > self.largest:
            raise ValueError(
                f"expected smallest <= largest. Received: {self.smallest} and {self.largest}"
            )

    def changes(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns a trial's settings."""
        width = hp.Int("width", self.smallest, self.largest, step=self.step)
        return {"settings": {"width": width, "activation": self.activation}}


EXPERIMENT = Experiment(
    name="mnist_width",
    title="The width of the hidden layer",
    description="Search the width of a one-hidden-layer perceptron on MNIST, many widths and "
    "seeds trained at a time; say which widths are better beyond noise; retrain the winner and "
    "score it on the test images.",
    recipe=Recipe,
    # Minutes on two slow cores.
    presets={"default": {"training": {"epochs": 4}, "seeds": 3}, "full": {}},
    function="kerasdl.tuning.study:mnist_width",
    timing="kerasdl.tuning.forecast:mnist_width",
    options={"training": Training},
    room="tuning",
    shared=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the search; returns the exit code."""
    return experiment_command.main("mnist_width", EXPERIMENT, argv)


if __name__ == "__main__":
    sys.exit(main())
