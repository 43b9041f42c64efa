"""A frozen base: its features computed once, against `Model.fit` that computes them every epoch.

    python benchmarks/transfer.py [--base resnet50] [--size 32] [--images 2000] [--epochs 10,30]
                                  [--rounds 5] [--arms fit,stock,cached,cached16]

Every arm starts with a built model and ends with a trained head; compiling, tracing, the
feature pass and writing it to the disk are counted in. Weights and pixels are random:
speed does not depend on them. The arms:

    fit       Keras alone: `Model.fit` of the whole model on pixels, base frozen, float32
    fit16     the same in mixed_bfloat16
    stock     Keras alone, but features once: `Model.predict`, then `fit` of the head, float32
    cached    kerasdl: `Extractor` with an empty cache, then the engine on the head, float32
    cached16  the same with the base in mixed_bfloat16
    again     like cached, with the features in the cache: what a second run takes
"""

import argparse
import tempfile
import time
from pathlib import Path

import arms
import numpy as np

from kerasdl.training.environment import start_keras

start_keras()

import keras  # noqa: E402

from kerasdl.datasets.dataset import Features  # noqa: E402
from kerasdl.models import transfer  # noqa: E402
from kerasdl.training.compiling import compile_model  # noqa: E402
from kerasdl.training.engine import Engine  # noqa: E402
from kerasdl.training.features import Extractor, FeatureCache  # noqa: E402
from kerasdl.training.precision import policy  # noqa: E402
from kerasdl.training.settings import Training  # noqa: E402

SHAPE, CLASSES = (32, 32, 3), 10
ARMS = ("fit", "fit16", "stock", "cached", "cached16", "again")


def make(options, epochs):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (options.images, *SHAPE), dtype=np.uint8)
    labels = generator.integers(0, CLASSES, options.images).astype(np.int32)
    training = Training(epochs=epochs, batch_size=options.batch_size, optimizer="adam")
    loop = {"batch_size": options.batch_size, "epochs": epochs, "verbose": 0}

    def build(name):
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        with policy("mixed_bfloat16" if name.endswith("16") else "float32"):
            model = transfer.transfer(
                SHAPE,
                CLASSES,
                base=options.base,
                weights="random",
                freeze="none",
                size=options.size,
                head=options.head,
            )
        transfer.set_trainable(model, "conv")
        return model

    def fit(model):
        compile_model(model, training, len(images))
        model.fit(images, labels, **loop)

    def stock(model):
        features = transfer.features_model(model).predict(
            images, batch_size=options.batch_size, verbose=0
        )
        head = transfer.head_model(model)
        compile_model(head, training, len(images))
        head.fit(features, labels, **loop)

    def cached(model, folder):
        extractor = Extractor(
            transfer.features_model(model), {}, cache=FeatureCache(folder, limit=10**12)
        )
        features = extractor.features(images)
        head = transfer.head_model(model)
        compile_model(head, training, len(images))
        Engine(head).fit(Features(features, labels), training, seed=0)

    def arm(name):
        def run():
            model = build(name)
            with tempfile.TemporaryDirectory() as folder:
                if name == "again":
                    cached(model, Path(folder))
                    model = build(name)
                started = time.perf_counter()
                if name in ("fit", "fit16"):
                    fit(model)
                elif name == "stock":
                    stock(model)
                else:
                    cached(model, Path(folder))
                return time.perf_counter() - started

        return run

    return {name: arm(name) for name in options.arms}


def numbers(text):
    return [int(part) for part in text.split(",") if part]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="resnet50")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--head", type=numbers, default=[256], help="hidden layers, e.g. 256,128")
    parser.add_argument("--epochs", type=numbers, default=[10, 30])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--arms", type=lambda text: text.split(","), default=["fit", "stock", "cached", "cached16"]
    )
    options = parser.parse_args()
    unknown = sorted(set(options.arms) - set(ARMS))
    if unknown or options.arms[0] != "fit":
        parser.error(f"--arms takes fit and others of {', '.join(ARMS)}. Received: {options.arms}")
    results = {
        f"{epochs} epochs": arms.interleave(make(options, epochs), options.rounds)
        for epochs in options.epochs
    }
    title = (
        f"{options.base} at {options.size} pixels, frozen, {options.images} images, "
        f"{options.rounds} rounds, medians"
    )
    arms.show(title, results, base="fit")


if __name__ == "__main__":
    main()
