"""Searches of perceptrons: stock KerasTuner, the fast loop alone, and packed.

    python benchmarks/search.py --case width-32 [--rounds 5] [--images 20000] [--epochs 2]

Cases: `width-32` and `width-128`, ten hidden widths 60..600 on MNIST with batches of 32 or 128;
`strengths`, twelve strengths of L1, L2 and dropout at 256 units, batches of 128. One seed a trial,
5 000 validation images after every epoch, Adam 1e-3, the same float32 rows for all; a whole search
is timed: spaces, builds, tracing, trainings, files.

- `KerasTuner`: `keras_tuner.GridSearch`, models compiled with Keras's defaults (XLA).
- `KerasTuner, no XLA`: the same with `jit_compile=False`, which is faster for some.
- `one by one`: `PackedTuner` with groups of one trial: compiled epochs, fused updates.
- `packed`: `PackedTuner`.

The best validation accuracies are printed, so that nobody is fast by learning less.
"""

import argparse
import tempfile
import time

import arms
import numpy as np
from rich.console import Console

from kerasdl.training.environment import start_keras

start_keras(convolutions=False)

import keras  # noqa: E402
import keras_tuner  # noqa: E402

from kerasdl.datasets.load import load  # noqa: E402
from kerasdl.tuning.oracles import make_oracle  # noqa: E402
from kerasdl.tuning.packed_tuner import PackedTuner  # noqa: E402

CASES = {"width-32": 32, "width-128": 128, "strengths": 128}


class Width(keras_tuner.HyperModel):
    """Ten widths."""

    def __init__(self, jit):
        super().__init__()
        self.jit = jit

    def layers(self, hp):
        """The hidden layer."""
        return [keras.layers.Dense(hp.Int("width", 60, 600, step=60), "relu")]

    def build(self, hp):
        """A compiled perceptron."""
        model = keras.Sequential([keras.Input((784,)), *self.layers(hp), keras.layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.Adam(1e-3)
        model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=self.jit)
        return model


class Strengths(Width):
    """Twelve strengths of three regularisers."""

    def layers(self, hp):
        """Two hidden layers with a penalty, or with dropout after them."""
        kind, text = hp.Choice(
            "regulariser",
            [f"{kind} {s:g}" for kind in ("l1", "l2") for s in (1e-6, 1e-5, 1e-4, 1e-3)]
            + [f"dropout {share}" for share in (0.1, 0.2, 0.3, 0.5)],
        ).split()
        penalty = {
            "l1": keras.regularizers.L1,
            "l2": keras.regularizers.L2,
        }.get(kind, lambda strength: None)(float(text))
        layers = []
        for _ in range(2):
            layers.append(keras.layers.Dense(256, "relu", kernel_regularizer=penalty))
            if kind == "dropout":
                layers.append(keras.layers.Dropout(float(text)))
        return layers


def make(case, options, rows, labels, held_out, scores):
    space, batch_size = Strengths if case == "strengths" else Width, CASES[case]

    def stock(jit):
        def run():
            keras.backend.clear_session()
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                tuner = keras_tuner.GridSearch(
                    space(jit), objective="val_accuracy", directory=folder, seed=1
                )
                tuner.search(
                    rows,
                    labels,
                    epochs=options.epochs,
                    batch_size=batch_size,
                    validation_data=held_out,
                    verbose=0,
                )
                took = time.perf_counter() - started
                trials = tuner.oracle.get_best_trials(1)
                scores["KerasTuner"] = len(tuner.oracle.trials), trials[0].score
            return took

        return run

    def ours(group_size):
        def run():
            keras.backend.clear_session()
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                tuner = PackedTuner(
                    make_oracle("grid", seed=1),
                    space(False),
                    keep="best",
                    group_size=group_size,
                    directory=folder,
                )
                tuner.search(
                    rows,
                    labels,
                    epochs=options.epochs,
                    batch_size=batch_size,
                    validation_data=held_out,
                )
                took = time.perf_counter() - started
                trials = tuner.oracle.get_best_trials(1)
                scores["kerasdl"] = len(tuner.oracle.trials), trials[0].score
            return took

        return run

    return {
        "KerasTuner": stock("auto"),
        "KerasTuner, no XLA": stock(False),
        "one by one": ours(1),
        "packed": ours(None),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--arms", help="only these, e.g. KerasTuner,packed")
    parser.add_argument("--data", help="folder of data sets; otherwise KERASDL_DATA or a download")
    options = parser.parse_args()
    train = load("mnist", data_dir=options.data).train
    rows = train.images.reshape(-1, 784).astype(np.float32) / np.float32(255)
    held_out = rows[-5000:], train.labels[-5000:]
    rows, labels = rows[: options.images], train.labels[: options.images]
    results, found = {}, {}
    for case in options.case or CASES:
        scores = found.setdefault(case, {})
        contest = make(case, options, rows, labels, held_out, scores)
        if options.arms:
            contest = {name: contest[name] for name in options.arms.split(",")}
        results[case] = arms.interleave(contest, options.rounds)
    title = (
        f"Whole searches, {options.images} images, {options.epochs} epochs, {options.rounds} "
        "rounds, medians"
    )
    arms.show(title, results, base=next(iter(next(iter(results.values())))))
    for case, scores in found.items():
        text = ", ".join(f"{name}: {n} trials, best {s:.4f}" for name, (n, s) in scores.items())
        Console(width=160).print(f"{case}: {text}")


if __name__ == "__main__":
    main()
