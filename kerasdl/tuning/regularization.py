"""How strong should L1, L2 and dropout be? On MNIST, Fashion-MNIST or Gurmukhi digits.

    python -m kerasdl.tuning.regularization                            # MNIST
    python -m kerasdl.tuning.regularization --dataset fashion_mnist
    python -m kerasdl.tuning.regularization --dataset gurmukhi --epochs 60
    python -m kerasdl.tuning.regularization --train-size 5000          # where it matters more
    python -m kerasdl.tuning.regularization --preset full              # finer, 30 epochs

Expected, from `--preset full`: with `--dataset gurmukhi --epochs 60` all nineteen are tied within
noise; with `--train-size 10000` on MNIST dropout 0.2 is best, 96.30 ± 0.08 % on validation against
95.86 without, four others tied; on Fashion-MNIST dropout 0.2, 88.06 ± 0.07 %, eleven others tied.
The records are in tuning/regularization/.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment
from kerasdl.training.settings import Training
from kerasdl.tuning.plan import Search

_Strength = Annotated[float, Meta(gt=0, le=1e38)]


class Recipe(Search, frozen=True, kw_only=True):
    """The strengths, and how they are searched."""

    l1: Annotated[
        tuple[_Strength, ...], Meta(description="L1 penalties of the kernels, e.g. 1e-5,1e-4")
    ] = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4)
    l2: Annotated[tuple[_Strength, ...], Meta(description="L2 penalties of the kernels")] = (
        1e-6,
        1e-5,
        1e-4,
        3e-4,
        1e-3,
        3e-3,
    )
    dropout: Annotated[
        tuple[Annotated[float, Meta(gt=0, lt=1)], ...],
        Meta(description="shares of the hidden outputs dropped, e.g. 0.2,0.5"),
    ] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    units: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...], Meta(description="neurons of each hidden layer")
    ] = (256, 256)
    training: Training = Training(
        epochs=30, batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="cosine"
    )

    def check(self) -> None:
        """Checks what types cannot say; see `Search.check`."""
        super().check()
        if self.winner == "simplest":
            raise ValueError(
                "no strength is simpler than another: all have equal parameters. Received: "
                "winner = simplest"
            )
        families = self.families
        if not families:
            raise ValueError("expected strengths of at least one of l1, l2 and dropout")
        for name, values in families.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must differ from each other. Received: {values}")

    @property
    def families(self) -> dict[str, tuple[float, ...]]:
        """The strengths of each regulariser that has any."""
        named = {"l1": self.l1, "l2": self.l2, "dropout": self.dropout}
        return {name: values for name, values in named.items() if values}

    def changes(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns a trial's settings: one regulariser at one strength, or none."""
        settings: dict[str, Any] = {"units": self.units}
        family = hp.Choice("regulariser", ["none", *self.families])
        for name, values in self.families.items():
            with hp.conditional_scope("regulariser", [name]):
                if family == name:
                    settings[name] = hp.Choice(f"{name}_strength", list(values), ordered=True)
        return {"settings": settings}


# Minutes on two slow cores.
_SMALL = {
    "l1": [1e-5, 1e-4],
    "l2": [1e-4, 1e-3],
    "dropout": [0.1, 0.3, 0.5],
    "seeds": 3,
    "training": {"epochs": 3},
}

EXPERIMENT = Experiment(
    name="regularization",
    title="Regularisers and their strengths",
    description="Search the strengths of L1, L2 and dropout of a perceptron, many strengths and "
    "seeds trained at a time; say which are better beyond noise; retrain the winner and score "
    "it on the test images.",
    recipe=Recipe,
    presets={"default": _SMALL, "full": {}},
    function="kerasdl.tuning.study:regularization",
    timing="kerasdl.tuning.forecast:regularization",
    options={"training": Training},
    room="tuning",
    shared=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the search; returns the exit code."""
    return experiment_command.main("regularization", EXPERIMENT, argv)


if __name__ == "__main__":
    sys.exit(main())
