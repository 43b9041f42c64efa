"""The engine against stock `Model.fit`: same model, images, batches, epochs and precision.

    python benchmarks/engine.py [--rounds 5] [--images 20000]

Each round builds the model anew and counts tracing in. Pixels are random: speed
does not depend on them. Three arms, so that each gain has its cause: Keras's
`fit`, the engine with Keras's own BatchNorm, the engine as it is.
"""

import argparse
import contextlib
import time
from unittest import mock

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


def mlp(units):
    def build(shape):
        layers = [keras.Input(shape), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(10)]
        return keras.Sequential(layers)

    return build


def network(name):
    return lambda shape: models.build(name, shape, 10)


# name: (build, image shape, batch size, epochs, dtype policy, share of --images)
CASES = {
    "MLP 64 units, batch 32": (mlp(64), (28, 28, 1), 32, 3, "float32", 1.0),
    "MLP 256 units, batch 32": (mlp(256), (28, 28, 1), 32, 3, "float32", 1.0),
    "LeNet-5, batch 128": (network("lenet5"), (32, 32, 3), 128, 3, "float32", 0.5),
    "SmallNet, batch 128": (network("smallnet"), (32, 32, 3), 128, 2, "mixed_bfloat16", 0.3),
}


def make(case, num_images):
    build, shape, batch_size, epochs, precision, share = CASES[case]
    generator = np.random.default_rng(0)
    n = int(num_images * share)
    examples = Examples(
        generator.integers(0, 256, (n, *shape), dtype=np.uint8),
        generator.integers(0, 10, n).astype(np.int32),
    )
    training = Training(epochs=epochs, batch_size=batch_size, optimizer="adam")

    def prepared():
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        with policy(precision):
            model = build(shape)
        compile_model(model, training, n)
        return model

    def stock():
        model = prepared()
        started = time.perf_counter()
        model.fit(examples.images, examples.labels, batch_size=batch_size, epochs=epochs, verbose=0)
        return time.perf_counter() - started

    def engine(fused):
        def run():
            model = prepared()
            plain = mock.patch(
                "kerasdl.training.engine.fused_kernels", return_value=contextlib.nullcontext()
            )
            started = time.perf_counter()
            with contextlib.nullcontext() if fused else plain:
                Engine(model).fit(examples, training, seed=0)
            return time.perf_counter() - started

        return run

    found = {"fit": stock, "engine, Keras kernels": engine(False), "engine": engine(True)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    results = {case: arms.interleave(make(case, options.images), options.rounds) for case in CASES}
    arms.show(f"Whole trainings, {options.rounds} rounds, medians", results, base="fit")


if __name__ == "__main__":
    main()
