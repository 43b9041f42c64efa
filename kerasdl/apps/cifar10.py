"""CIFAR-10: networks against published figures, and two experiments on perceptrons.

    python -m kerasdl.apps.cifar10                                  # a first look, in minutes
    python -m kerasdl.apps.cifar10 --preset full --models lenet5,smallnet
    python -m kerasdl.apps.cifar10 --study activations
    python -m kerasdl.apps.cifar10 --study depth

Expected of `--preset full --models lenet5,smallnet`, three seeds on the whole set: SmallNet (at
the paper's widths) 93.1 ± 0.2 % in 25 minutes a seed while other work shared the cores, LeNet-5
71.1 ± 0.8 % in 2; two cores of an AMD EPYC with AVX-512 BF16, TensorFlow 2.21, Keras 3.15.1. The
record is in apps/cifar10/.

Expected of `activations` (gray images, 1024-256-256-256-10, 10 epochs, 3 seeds, PyTorch's first
weights): sigmoid 29.9 ± 0.6 %, tanh 34.4 ± 2.7, ReLU 35.9 ± 0.6, leaky ReLU 35.9 ± 0.6; processor
time tied, within 1 % in the median. The record is in apps/cifar10/activations/.

Expected of `depth` with `--preset full --train-size 10000 --batch-size 256 --seeds 1`: sigmoid
networks learn nothing from depth 8 on from PyTorch's first weights and at depth 10 from Glorot's,
and come to 16 % at depth 10 from He's. The record is in apps/cifar10/depth/.

`--preset full` of both is the reports' own setting with seeds.
"""

import sys
from collections.abc import Sequence

import msgspec

from kerasdl.experiments.activations import study as activations
from kerasdl.experiments.cuts import study as cuts
from kerasdl.experiments.depth import study as depth
from kerasdl.record import Reported
from kerasdl.studies import command
from kerasdl.studies.options import App
from kerasdl.training.settings import Training

_RESNET = Training(
    epochs=100,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.1,
    weight_decay=5e-3,
    schedule="cosine",
    warmup=0.1,
    shift=4,
    flip=True,
)
TRAINING = {
    "smallnet": Training(
        epochs=18,
        batch_size=256,
        optimizer="sgd",
        learning_rate=0.5,
        weight_decay=1e-2,
        schedule="triangular",
        warmup=0.2,
        label_smoothing=0.1,
        shift=2,
        flip=True,
    ),
    "lenet5": Training(
        epochs=30,
        batch_size=128,
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=1e-2,
        schedule="cosine",
        warmup=0.1,
        shift=2,
        flip=True,
    ),
    # Without BatchNorm it diverges at the others' rate.
    "alexnet": msgspec.structs.replace(_RESNET, learning_rate=0.01),
    "vgg16": _RESNET,
    "resnet18": _RESNET,
    # Ends within the hour on two cores.
    "resnet20": msgspec.structs.replace(_RESNET, epochs=55),
    "resnet50": _RESNET,
    "resnet101": _RESNET,
    "shufflenet": _RESNET,
}

# The paper's widths: with the same arithmetic, fewer epochs of them beat more of our narrow ones
# (7 epochs 91.8 %, 12 epochs of 64-128-256 91.6 %, one seed each).
WIDE = {"smallnet": {"widths": [64, 256, 256]}}

APP = App(
    name="cifar10",
    description="Compare networks on CIFAR-10 and write a report.",
    training=TRAINING,
    augmentation={"shift": 4, "flip": True},
    presets={
        # Five minutes on two slow cores without 16-bit arithmetic; the networks at their best are
        # those of `full`. A small set in CIFAR-10's place is passed more often.
        "default": {
            "models": ["lenet5", "smallnet"],
            "settings": {"smallnet": {"widths": [32, 64, 64]}},
            "training": {
                "lenet5": {"epochs": 4, "minimum_images": 200_000},
                "smallnet": {"epochs": 2, "minimum_images": 90_000},
            },
            # The validation images only watch the training here: nothing is chosen by them.
            "data": {"dataset": "cifar10", "validation_fraction": 0.0},
        },
        "full": {
            "models": [
                "lenet5",
                "alexnet",
                "shufflenet",
                "vgg16",
                "resnet20",
                "resnet18",
                "resnet50",
                "resnet101",
                "smallnet",
            ],
            "settings": WIDE,
            "data": {"dataset": "cifar10", "validation_fraction": 0.0},
            "seeds": 3,
        },
    },
    # Published figures for the same networks, from their papers or public stores.
    reported=[
        Reported("He et al. 2016, table 6", "resnet20", 0.9125),
    ],
    experiments=[activations.EXPERIMENT, depth.EXPERIMENT, cuts.of("cifar10")],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return command.main(APP, argv)


if __name__ == "__main__":
    sys.exit(main())
