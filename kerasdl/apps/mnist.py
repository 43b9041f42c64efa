"""MNIST: one hidden layer, any multilayer perceptron, and a small convolutional network.

python -m kerasdl.apps.mnist
python -m kerasdl.apps.mnist --models mlp --units 512,256 --activation tanh --classes 0,1,2
python -m kerasdl.apps.mnist predict my_digit.png --run runs/mnist
"""

import sys
from collections.abc import Sequence

from kerasdl.studies import command
from kerasdl.studies.mlp_settings import MlpSettings
from kerasdl.studies.options import App
from kerasdl.training.settings import Training

_PLAIN = Training(
    epochs=10, batch_size=128, optimizer="adam", learning_rate=1e-3, schedule="cosine"
)
TRAINING = {
    "mlp1": _PLAIN,
    "mlp": _PLAIN,
    "cnn": _PLAIN,
    "lenet5": _PLAIN,
}

APP = App(
    name="mnist",
    description="Compare perceptrons and small networks on MNIST and write a report.",
    training=TRAINING,
    settings=MlpSettings,
    presets={
        "default": {"models": ["mlp1", "mlp", "cnn"], "data": {"dataset": "mnist"}},
        "full": {"models": ["mlp1", "mlp", "cnn"], "data": {"dataset": "mnist"}, "seeds": 5},
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the app; returns the exit code."""
    return command.main(APP, argv)


if __name__ == "__main__":
    sys.exit(main())
