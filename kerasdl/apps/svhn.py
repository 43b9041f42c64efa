"""SVHN, cropped digits: compare networks and write a report.

    python -m kerasdl.apps.svhn                     # LeNet-5 and SmallNet, minutes
    python -m kerasdl.apps.svhn --preset full       # the eight networks, hours (a GPU)

Expected, from `--preset full --models lenet5,resnet20,smallnet` on the part of SVHN with 4434
of 73257 training and 1952 of 26032 test images: SmallNet 92.7 ± 0.3 % in 1.8 minutes a seed,
ResNet-20 90.9 ± 0.4 % in 1.6, LeNet-5 85.1 ± 0.6 % in 0.5; two cores of an AMD EPYC with
AVX-512 BF16, TensorFlow 2.21, Keras 3.15.1. The record is in apps/svhn/.
"""

import sys
from collections.abc import Sequence

import msgspec

from kerasdl.experiments.cuts import study as cuts
from kerasdl.record import Reported
from kerasdl.studies import command
from kerasdl.studies.options import App
from kerasdl.training.settings import Training

# Digits are not mirrored; a small rotation and a shift leave them what they are. Wide networks
# want a tenth of CIFAR-10's rate here (Zagoruyko and Komodakis 2016, "Wide Residual Networks",
# section 3): at 0.1 and 0.05, ResNet-18 and VGG16 stayed at chance for 190 steps.
_RESNET = Training(
    epochs=30,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.01,
    weight_decay=5e-2,
    schedule="cosine",
    warmup=0.1,
    label_smoothing=0.1,
    shift=2,
)
_DEEP = msgspec.structs.replace(_RESNET, warmup=0.15, rotation=5.0)
TRAINING = {
    "smallnet": Training(
        epochs=6,
        minimum_images=160_000,
        batch_size=128,
        optimizer="sgd",
        learning_rate=0.4,
        weight_decay=1e-2,
        schedule="triangular",
        warmup=0.2,
        label_smoothing=0.1,
        shift=2,
        rotation=8.0,
        cutout=8,
    ),
    "lenet5": Training(
        epochs=10,
        minimum_images=400_000,
        batch_size=128,
        optimizer="adamw",
        learning_rate=4e-3,
        weight_decay=1e-2,
        schedule="cosine",
        warmup=0.1,
        label_smoothing=0.1,
        shift=2,
        rotation=8.0,
    ),
    "alexnet": _DEEP,
    "vgg16": _DEEP,
    "resnet18": _RESNET,
    "resnet20": msgspec.structs.replace(
        _RESNET, learning_rate=0.1, weight_decay=5e-3, minimum_images=120_000, rotation=8.0
    ),
    "resnet50": _RESNET,
    "resnet101": _RESNET,
    "shufflenet": _RESNET,
}

APP = App(
    name="svhn",
    description="Compare networks on SVHN (cropped street-view digits) and write a report.",
    training=TRAINING,
    augmentation={"shift": 2},
    presets={
        # Five minutes on two slow cores without 16-bit arithmetic, where LeNet-5 makes 3000 images
        # a second, SmallNet 200 and this narrower one 430; also on the whole set, passed once.
        "default": {
            "models": ["lenet5", "smallnet"],
            "settings": {"smallnet": {"widths": [32, 64, 64]}},
            "training": {
                "lenet5": {"epochs": 2, "minimum_images": 100_000},
                "smallnet": {"epochs": 1, "minimum_images": 64_000},
            },
            "data": {"dataset": "svhn"},
        },
        "full": {
            "models": [
                "lenet5",
                "alexnet",
                "shufflenet",
                "vgg16",
                "resnet18",
                "resnet50",
                "resnet101",
                "smallnet",
            ],
            "data": {"dataset": "svhn"},
            "seeds": 3,
        },
    },
    # Report A gives "94-95 %" for its three ResNets: the lower end stands here.
    reported=[
        Reported("A", "lenet5", 0.47),
        Reported("A", "vgg16", 0.94),
        Reported("A", "resnet18", 0.94),
        Reported("A", "resnet50", 0.94),
        Reported("A", "resnet101", 0.94),
        Reported("C", "shufflenet", 0.775),
        Reported("C", "lenet5", 0.89),
        Reported("C", "alexnet", 0.887),
        Reported("C", "resnet18", 0.953),
        Reported("C", "resnet50", 0.94),
        Reported("C", "resnet101", 0.96),
        Reported("C", "vgg16", 0.954),
    ],
    experiments=[cuts.of("svhn", train_size=3000)],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return command.main(APP, argv)


if __name__ == "__main__":
    sys.exit(main())
