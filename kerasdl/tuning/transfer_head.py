"""Which head suits a pre-trained network? Width, depth, dropout, L2 and learning rate, searched.

    python -m kerasdl.tuning.transfer_head --dataset cifar10 --transfer mobilenet_0.75 --size 96
    python -m kerasdl.tuning.transfer_head --dataset svhn --train-size 5000 --algorithm bayesian
    python -m kerasdl.tuning.transfer_head --transfer vgg16 --weights runs/pretrained --trials 60

The base is frozen: its features are computed once (docs/transfer.md), and the heads of all trials
and seeds train on them together. The winner is one ordinary model from pixels to logits, the one
that `--transfer NAME --head ... --dropout ...` of an app builds.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from kerasdl.models import bases
from kerasdl.studies import experiment_command
from kerasdl.studies.experiment import Experiment
from kerasdl.studies.plan import Data
from kerasdl.training.settings import AUGMENTATION, Precision, Training
from kerasdl.tuning.plan import Search

_Strength = Annotated[float, Meta(ge=0, le=1e38)]


class Recipe(Search, frozen=True, kw_only=True):
    """The base, the heads, and how they are searched."""

    data: Data = Data(dataset="cifar10", validation_fraction=0.1)
    transfer: Annotated[str, Meta(description="the base: mobilenet_0.75, vgg16, resnet50, ...")] = (
        "mobilenet_0.75"
    )
    weights: Annotated[
        str, Meta(description="imagenet, a file (.h5, .weights.h5, .keras) or a run's folder")
    ] = "imagenet"
    weights_sha256: Annotated[
        str, Meta(description="refuse weights whose digest is another; empty: any")
    ] = ""
    size: Annotated[
        int, Meta(ge=0, le=4096, description="resize images to N pixels a side; 0: their own size")
    ] = 0
    features: Annotated[
        str, Meta(description="the base's layer whose output is used, e.g. block3_pool; its last")
    ] = ""
    pooling: Annotated[
        Literal["average", "max", "flatten"], Meta(description="from feature maps to numbers")
    ] = "average"
    widths: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(min_length=1, description="neurons of a hidden layer, e.g. 128,256"),
    ] = (64, 128, 256, 512)
    depths: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=10)], ...],
        Meta(min_length=1, description="hidden layers of equal width; 0: a linear head"),
    ] = (0, 1, 2)
    dropouts: Annotated[
        tuple[Annotated[float, Meta(ge=0, lt=1)], ...],
        Meta(min_length=1, description="shares of the inputs of each layer of the head dropped"),
    ] = (0.0, 0.2, 0.5)
    l2: Annotated[
        tuple[_Strength, ...],
        Meta(min_length=1, description="L2 penalties of the head's kernels"),
    ] = (0.0, 1e-5, 1e-4, 1e-3)
    learning_rates: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=1e6)], ...],
        Meta(min_length=1, description="peak learning rates, e.g. 3e-4,1e-3"),
    ] = (3e-4, 1e-3, 3e-3)
    precision: Annotated[Precision, Meta(description="number format of base and heads")] = "auto"
    # Steps on features cost little, and a head that has not come to its end tells nothing.
    training: Training = Training(
        epochs=20,
        minimum_images=200_000,
        batch_size=256,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="cosine",
        warmup=0.05,
    )

    def check(self) -> None:
        """Checks what types cannot say; see `Search.check`."""
        super().check()
        base = bases.get(self.transfer)
        if 0 < self.size < base.minimum:
            raise ValueError(
                f"{base.name} takes images of {base.minimum} pixels or more. "
                f"Received: size {self.size}"
            )
        if self.weights == "random":
            raise ValueError(
                "the base is frozen: nothing is learned by freezing random weights. Received: "
                "weights random"
            )
        for name in ("widths", "depths", "dropouts", "l2", "learning_rates"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must differ from each other. Received: {values}")
        for name in AUGMENTATION:
            if getattr(self.training, name):
                raise ValueError(
                    "features are of images as they are and know no augmentation. "
                    f"Received: {name} {getattr(self.training, name)}"
                )

    def changes(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns a trial's head and its training."""
        depth = hp.Choice("depth", list(self.depths), ordered=True)
        units: list[int] = []
        with hp.conditional_scope("depth", [one for one in self.depths if one]):
            if depth:
                units = [hp.Choice("width", list(self.widths), ordered=True)] * depth
        head = {
            "head": units,
            "dropout": hp.Choice("dropout", list(self.dropouts), ordered=True),
            "l2": hp.Choice("l2", list(self.l2), ordered=True),
        }
        rate = hp.Choice("learning_rate", list(self.learning_rates), ordered=True)
        return {"settings": head, "training": {"learning_rate": rate}}


EXPERIMENT = Experiment(
    name="transfer_head",
    title="The head of a pre-trained network",
    description="Search the head on a frozen base from keras.applications, many heads and seeds "
    "trained at a time on features that are computed once; say which are better beyond noise; "
    "retrain the winner, score it on the test images, and save it as one model from pixels.",
    recipe=Recipe,
    presets={
        # Minutes on two slow cores.
        "default": {
            "algorithm": "random",
            "trials": 12,
            "seeds": 3,
            "widths": [64, 128, 256],
            "training": {"epochs": 5, "minimum_images": 60_000},
        },
        "full": {"algorithm": "random", "trials": 100},
    },
    function="kerasdl.tuning.study:transfer_head",
    timing="kerasdl.tuning.forecast:transfer_head",
    options={"training": Training},
    room="tuning",
    shared=True,
    convolutions=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the search; returns the exit code."""
    return experiment_command.main("transfer_head", EXPERIMENT, argv)


if __name__ == "__main__":
    sys.exit(main())
