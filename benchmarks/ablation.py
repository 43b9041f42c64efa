"""What each trick of SmallNet's CIFAR-10 recipe is worth: a few epochs, all arms alike.

    python benchmarks/ablation.py --data DIR [--epochs 4] [--seeds 1]

Every arm changes one thing of the base recipe. Scored on 5 000 held-out training images,
never on the test set: the recipe was chosen by this table.
"""

import argparse
import statistics
import time

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from kerasdl.training.environment import start_keras

start_keras()

import keras  # noqa: E402

from kerasdl.apps.cifar10 import TRAINING  # noqa: E402
from kerasdl.datasets.load import load  # noqa: E402
from kerasdl.datasets.splits import split  # noqa: E402
from kerasdl.models import registry, whitening  # noqa: E402
from kerasdl.models.smallnet import Dirac  # noqa: E402
from kerasdl.training.compiling import compile_model  # noqa: E402
from kerasdl.training.engine import Engine  # noqa: E402
from kerasdl.training.precision import policy  # noqa: E402


def no_dirac(model):
    """Gives Dirac's filters the initial values of the others."""
    for layer in model.layers:
        if isinstance(getattr(layer, "kernel_initializer", None), Dirac):
            plain = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
            layer.kernel.assign(plain(layer.kernel.shape))


def slow_statistics(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9


# Name: (changes of the training, changes of the model after `adapt`, whether to whiten, precision)
BASE = ({}, None, True, "mixed_bfloat16")
ARMS = {
    "the recipe": BASE,
    "plain first convolution (no whitening)": ({}, None, False, "mixed_bfloat16"),
    "no Dirac initialisation": ({}, no_dirac, True, "mixed_bfloat16"),
    "BatchNorm momentum 0.9 instead of 0.6": ({}, slow_statistics, True, "mixed_bfloat16"),
    "no label smoothing": ({"label_smoothing": 0.0}, *BASE[1:]),
    "label smoothing 0.2": ({"label_smoothing": 0.2}, *BASE[1:]),
    "no mirroring": ({"flip": False}, *BASE[1:]),
    "no shift": ({"shift": 0}, *BASE[1:]),
    "cutout 8": ({"cutout": 8}, *BASE[1:]),
    "moving average 0.99": ({"ema": 0.99}, *BASE[1:]),
    "half the learning rate": ({"learning_rate": 0.5}, *BASE[1:]),
    "half the weight decay": ({"weight_decay": 0.5}, *BASE[1:]),
    "constant learning rate": ({"schedule": "constant"}, *BASE[1:]),
    "Adam, 2e-3": ({"optimizer": "adamw", "learning_rate": 2e-3, "weight_decay": 0.2}, *BASE[1:]),
    "float32": (*BASE[:3], "float32"),
}
RELATIVE = ("half the learning rate", "half the weight decay")


def train(parts, arm, seed, epochs, widths):
    changes, change_model, whiten, precision = ARMS[arm]
    base = msgspec.structs.replace(TRAINING["smallnet"], epochs=epochs)
    if arm in RELATIVE:
        changes = {name: getattr(base, name) * factor for name, factor in changes.items()}
    training = msgspec.structs.replace(base, **changes)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    with policy(precision):
        model = registry.build("smallnet", (32, 32, 3), 10, widths=widths)
    if whiten:
        whitening.adapt(model, parts.train.images)
    if change_model:
        change_model(model)
    compile_model(model, training, len(parts.train))
    engine = Engine(model)
    engine.fit(parts.train, training, seed=seed)
    return engine.evaluate(parts.validation)["accuracy"], engine.train_seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="as the apps' --data")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--widths", type=int, nargs=3, default=(64, 128, 128))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    options = parser.parse_args()
    dataset = load("cifar10", data_dir=options.data, seed=0)
    parts = split(dataset, validation_fraction=0.1, seed=0)
    found = {arm: [] for arm in options.arms}
    for seed in range(options.seeds):
        for arm in options.arms:
            began = time.strftime("%H:%M:%S")
            accuracy, seconds = train(parts, arm, seed, options.epochs, tuple(options.widths))
            found[arm].append(accuracy)
            print(
                f"{began} {arm}, seed {seed}: {100 * accuracy:.2f} % in {seconds:.0f} s", flush=True
            )
    base = np.array(found[options.arms[0]])
    # The spread that chance alone gives an accuracy on so many images.
    noise = 100 * (base.mean() * (1 - base.mean()) / len(parts.validation)) ** 0.5
    table = Table(title=f"{options.epochs} epochs, widths {options.widths}, {options.seeds} seeds")
    for heading in ("arm", "validation accuracy, %", f"against {options.arms[0]}"):
        table.add_column(heading)
    for arm, values in found.items():
        mean = 100 * statistics.mean(values)
        table.add_row(arm, f"{mean:.2f}", f"{mean - 100 * base.mean():+.2f}")
    Console(width=120).print(table)
    print(f"Sampling error of one accuracy: {noise:.2f} points")


if __name__ == "__main__":
    main()
