"""MNIST: one hidden layer, any multilayer perceptron, and a small convolutional network.

    python -m kerasdl.apps.mnist
    python -m kerasdl.apps.mnist --models mlp --units 512,256 --activation tanh --classes 0,1,2
    python -m kerasdl.apps.mnist predict my_digit.png --run runs/mnist

Expected, from `--preset full --models mlp1,deformed,mlp,cnn --seeds 3`: one hidden layer of 800
units 98.47 ± 0.02 % and, with deformed digits, 99.26 ± 0.03 %, two hidden layers 98.43 ± 0.01 %,
the small CNN 99.42 ± 0.05 %; two cores of an AMD EPYC with AVX-512 BF16 and other work on them,
TensorFlow 2.21, Keras 3.15.1. The record is in apps/mnist/.
"""

import sys
from collections.abc import Sequence

import msgspec

from kerasdl.experiments.cuts import study as cuts
from kerasdl.record import Reported
from kerasdl.sections import Section
from kerasdl.studies import command
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.mlp_settings import MlpSettings
from kerasdl.studies.options import App
from kerasdl.training.settings import Training

_PLAIN = Training(
    epochs=20, batch_size=64, optimizer="adamw", learning_rate=1e-3, schedule="cosine"
)
# What makes a perceptron blind to where exactly the ink is (Simard, Steinkraus, Platt 2003).
_DEFORMED = msgspec.structs.replace(_PLAIN, epochs=40, batch_size=128, shift=1, elastic=1.0)
TRAINING = {
    "mlp1": _PLAIN,
    "dropout": msgspec.structs.replace(_PLAIN, epochs=40, weight_decay=1e-2),
    "deformed": _DEFORMED,
    "mlp": _PLAIN,
    # Report B trains for 10 epochs.
    "cnn": msgspec.structs.replace(_PLAIN, epochs=10, batch_size=128, learning_rate=2e-3, shift=1),
    "lenet5": msgspec.structs.replace(
        _PLAIN, epochs=10, batch_size=128, learning_rate=2e-3, shift=1
    ),
}

# 5 000 validation images, as most publications hold out.
_COMMON = {
    "networks": {"dropout": "mlp1", "deformed": "mlp1"},
    "settings": {
        "mlp1": {"width": 800},
        "dropout": {"width": 800, "dropout": 0.5},
        "deformed": {"width": 800},
        "mlp": {"units": [256, 128]},
    },
}

APP = App(
    name="mnist",
    description="Compare perceptrons and small networks on MNIST and write a report.",
    training=TRAINING,
    augmentation={"shift": 1},
    settings=MlpSettings,
    titles={
        "dropout": "One hidden layer, dropout",
        "deformed": "One hidden layer, deformed digits",
    },
    presets={
        # Five minutes on two slow cores, four of them the CNN's; `full` has the whole trainings.
        "default": {
            **_COMMON,
            "models": ["mlp1", "mlp", "cnn"],
            "training": {
                "mlp1": {"epochs": 8, "minimum_images": 200_000},
                "mlp": {"epochs": 8, "minimum_images": 200_000},
                "cnn": {"epochs": 3, "minimum_images": 100_000},
            },
            "data": {"dataset": "mnist", "validation_fraction": 1 / 12},
        },
        "full": {
            **_COMMON,
            "models": ["mlp1", "dropout", "deformed", "mlp", "cnn", "lenet5"],
            "data": {"dataset": "mnist", "validation_fraction": 1 / 12},
            "seeds": 5,
        },
    },
    conclude="kerasdl.apps.mnist:conclude",
    reported=[
        Reported("Simard et al. 2003, 800 units", "mlp1", 0.984),
        Reported("Simard et al. 2003, 800 units", "deformed", 0.993),
    ],
    experiments=[cuts.of("mnist")],
)


def conclude(comparison: Comparison) -> list[Section]:
    """Returns what the figures say of what reports A, B and C describe without figures."""
    if not comparison.real("mnist"):
        return []
    text = [
        "Reports A (row 3: one hidden ReLU layer, its width searched for), B (row 5: a Sequential "
        "model, 10 epochs) and C (row 7: a configurable perceptron) describe these networks and "
        "print no accuracy, so that there is nothing to be right or wrong about. What such "
        "networks come to:"
    ]
    for summary in comparison.record.summary:
        epochs = comparison.runs(summary.model)[0].epochs
        score = comparison.score(summary.model)
        text.append(f"{summary.title}: {score} of the test images after {epochs} epochs.")
    return [Section(title="What the reports claim", text=text)]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return command.main(APP, argv)


if __name__ == "__main__":
    sys.exit(main())
