"""Training steps in mixed_bfloat16 against float32, network by network.

    python benchmarks/precision.py [--models lenet5,smallnet,resnet20] [--rounds 5]

Each arm is a compiled model that trains `--steps` steps of 128 random images
32x32x3 a round; tracing is done before the first round.
"""

import argparse
import time

import arms
import numpy as np

from kerasdl.training.environment import start_keras

start_keras()

import keras  # noqa: E402

from kerasdl import models  # noqa: E402
from kerasdl.datasets.dataset import Examples  # noqa: E402
from kerasdl.training.compiling import compile_model  # noqa: E402
from kerasdl.training.engine import Engine  # noqa: E402
from kerasdl.training.precision import policy  # noqa: E402
from kerasdl.training.settings import Training  # noqa: E402


def make(name, precision, steps):
    generator = np.random.default_rng(0)
    n = 128 * steps
    examples = Examples(
        generator.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8),
        generator.integers(0, 10, n).astype(np.int32),
    )
    # Two epochs: the first has the tracing, the second is timed.
    training = Training(epochs=2, batch_size=128, optimizer="sgd", learning_rate=1e-3)
    with policy(precision):
        model = models.build(name, (32, 32, 3), 10)

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.started

    def run():
        compile_model(model, training, n)
        watch = Watch()
        Engine(model).fit(examples, training, seed=0, callbacks=[watch])
        return watch.seconds

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="lenet5,smallnet,resnet20,shufflenet,vgg16,resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    results = {}
    for name in options.models.split(","):
        pair = {p: make(name, p, options.steps) for p in ("float32", "mixed_bfloat16")}
        results[name] = arms.interleave(pair, options.rounds)
    title = f"{options.steps} training steps of 128 images, {options.rounds} rounds, medians"
    arms.show(title, results, base="float32")


if __name__ == "__main__":
    main()
