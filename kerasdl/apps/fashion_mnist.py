"""Fashion-MNIST: activations of a perceptron, and the same network in three programs.

python -m kerasdl.apps.fashion_mnist
python -m kerasdl.apps.fashion_mnist --preset full           # the report's own training
python -m kerasdl.apps.fashion_mnist --study scratch         # by hand, Keras, scikit-learn
"""

import sys
from collections.abc import Sequence

from kerasdl.record import Reported
from kerasdl.studies import command, from_scratch
from kerasdl.studies.mlp_settings import MlpSettings
from kerasdl.studies.options import App
from kerasdl.training.settings import Training

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")

_TRAINING = Training(
    epochs=30,
    batch_size=128,
    optimizer="adamw",
    learning_rate=2e-3,
    weight_decay=2e-2,
    schedule="cosine",
    warmup=0.1,
    flip=True,
)
TRAINING = {
    **dict.fromkeys(ACTIVATIONS, _TRAINING),
    "mlp": _TRAINING,
    "mlp1": _TRAINING,
    "cnn": _TRAINING,
    "lenet5": _TRAINING,
}

# Report E trains with plain gradient descent and a batch of 32, 50 and 100 epochs.
_REPORTS_TRAINING = {
    "epochs": 100,
    "batch_size": 32,
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "flip": False,
}

_COMMON = {
    "models": list(ACTIVATIONS),
    "networks": dict.fromkeys(ACTIVATIONS, "mlp"),
    "data": {"dataset": "fashion_mnist"},
}

APP = App(
    name="fashion_mnist",
    description="Compare the activations of a perceptron on Fashion-MNIST and write a report.",
    training=TRAINING,
    settings=MlpSettings,
    titles={
        "relu": "MLP, ReLU",
        "leaky_relu": "MLP, leaky ReLU",
        "tanh": "MLP, tanh",
        "sigmoid": "MLP, sigmoid",
        "linear": "MLP, linear",
    },
    presets={
        "default": {
            **_COMMON,
            "settings": {
                name: {"activation": name, "units": [256, 128, 64], "normalize": "standard"}
                for name in ACTIVATIONS
            },
        },
        "full": {
            **_COMMON,
            "settings": {
                name: {"activation": name, "units": [256, 128, 64]} for name in ACTIVATIONS
            },
            "training": dict.fromkeys(ACTIVATIONS, _REPORTS_TRAINING),
            "seeds": 3,
        },
    },
    reported=[
        Reported("E, own network, 100 epochs", "relu", 0.8865),
        Reported("E, own network, 100 epochs", "tanh", 0.8822),
        Reported("E, own network, 100 epochs", "sigmoid", 0.1012),
        Reported("E, own network, 100 epochs", "linear", 0.8172),
        Reported("E, scikit-learn, 100 epochs", "tanh", 0.8743),
        Reported("E, scikit-learn, 100 epochs", "sigmoid", 0.874),
        Reported("E, scikit-learn, 100 epochs", "relu", 0.0),
        Reported("E, scikit-learn, 100 epochs", "linear", 0.0),
    ],
    experiments=[from_scratch.EXPERIMENT],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return command.main(APP, argv)


if __name__ == "__main__":
    sys.exit(main())
