"""The NumPy network against Keras's `fit` and scikit-learn's MLPClassifier: whole trainings.

    python benchmarks/scratch.py [--rounds 5] [--images 60000] [--epochs 2] [--data DIR]

784-256-128-64-10 on Fashion-MNIST, batches of 32, plain SGD with a rate of 0.1, float32, no
validation; the same rows of numbers 0..1 for all. Keras's tracing counts. NumPy and scikit-learn
run twice: with one thread for the matrix products (what `fit` takes by itself) and with
OpenBLAS's own choice, all cores (scikit-learn's default). The losses that all end at are printed,
so that nobody is fast by learning less.
"""

import argparse
import time
import warnings

import arms
import numpy as np
from rich.console import Console

from kerasdl.training.environment import start_keras

start_keras(convolutions=False)

import keras  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402

from kerasdl.datasets.load import load  # noqa: E402
from kerasdl.scratch import SGD, Network, fit  # noqa: E402
from kerasdl.scratch.threads import blas_threads  # noqa: E402

HIDDEN = (256, 128, 64)
RULES = {"relu": ("he", "he_normal", "relu"), "sigmoid": ("glorot", "glorot_uniform", "logistic")}


def make(activation, rows, labels, epochs, losses):
    by_hand, of_keras, name = RULES[activation]

    def ours(threads):
        def run():
            started = time.perf_counter()
            network = Network(rows.shape[1], HIDDEN, activation=activation, initializer=by_hand)
            history = fit(network, rows, labels, epochs=epochs, optimizer=SGD(0.1), threads=threads)
            losses["NumPy"] = history.loss[-1]
            return time.perf_counter() - started

        return run

    def stock():
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        started = time.perf_counter()
        stack = [keras.Input((rows.shape[1],))]
        stack += [keras.layers.Dense(n, activation, kernel_initializer=of_keras) for n in HIDDEN]
        model = keras.Sequential([*stack, keras.layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
        history = model.fit(rows, labels, batch_size=32, epochs=epochs, verbose=0)
        losses["Keras"] = history.history["loss"][-1]
        return time.perf_counter() - started

    def sklearn(threads):
        def run():
            started = time.perf_counter()
            classifier = MLPClassifier(
                HIDDEN,
                name,
                solver="sgd",
                alpha=0.0,
                batch_size=32,
                learning_rate_init=0.1,
                momentum=0.0,
                nesterovs_momentum=False,
                max_iter=epochs,
                n_iter_no_change=epochs,
                random_state=0,
            )
            with blas_threads(threads), warnings.catch_warnings():
                # It did not converge: that was not asked for.
                warnings.simplefilter("ignore", ConvergenceWarning)
                classifier.fit(rows, labels)
            losses["scikit-learn"] = classifier.loss_
            return time.perf_counter() - started

        return run

    return {
        "Keras fit": stock,
        "scikit-learn": sklearn(None),
        "scikit-learn, 1 thread": sklearn(1),
        "NumPy": ours(1),
        "NumPy, all threads": ours(None),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--data", help="folder of data sets; otherwise KERASDL_DATA or a download")
    options = parser.parse_args()
    train = load("fashion_mnist", data_dir=options.data).train
    rows = train.images[: options.images].reshape(-1, 784).astype(np.float32) / np.float32(255)
    labels = train.labels[: options.images]
    results, losses = {}, {}
    for activation in RULES:
        found = losses.setdefault(activation, {})
        contest = make(activation, rows, labels, options.epochs, found)
        results[activation] = arms.interleave(contest, options.rounds)
    title = f"Whole trainings of {options.epochs} epochs, {options.rounds} rounds, medians"
    for base in ("Keras fit", "scikit-learn"):
        arms.show(title, results, base=base)
    for activation, found in losses.items():
        text = ", ".join(f"{name} {loss:.3f}" for name, loss in found.items())
        Console(width=160).print(f"Last epoch's loss, {activation}: {text}")


if __name__ == "__main__":
    main()
