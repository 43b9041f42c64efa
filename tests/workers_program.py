"""Three small trainings, alone or as one of several workers: `python FILE ADDRESSES RANK OUT`."""

import json
import sys
from pathlib import Path

import numpy as np

from kerasdl.training.cluster import find_cluster
from kerasdl.training.settings import Training
from kerasdl.training.workers import end, joined

COMMON = {"batch_size": 16, "optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 0.1}
CASES = {
    # 37 = 16 + 16 + 5: the last batch is partial and does not divide by the workers.
    "all at once": (
        37,
        Training(
            **COMMON,
            epochs=8,
            patience=1,
            label_smoothing=0.1,
            ema=0.8,
            class_weight="balanced",
            shift=2,
            rotation=5.0,
            cutout=3,
            flip=True,
        ),
    ),
    # 33 = 16 + 16 + 1: some have nothing of the last batch.
    "an idle worker": (33, Training(**{**COMMON, "optimizer": "adamw"}, epochs=3)),
    # Shares of equal size, which normalise by the statistics of the whole batch.
    "synchronized": (48, Training(**COMMON, epochs=3)),
}


def run_cases(strategy):
    """Returns {case: (weights, history)}."""
    import keras

    from kerasdl.datasets.dataset import Examples
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine

    generator = np.random.default_rng(0)

    def examples(n):
        images = generator.integers(0, 255, (n, 12, 12, 3), dtype=np.uint8)
        return Examples(images, (np.arange(n) % 5 % 3).astype(np.int32))

    results = {}
    for case, (n, training) in CASES.items():
        train, validation = examples(n), examples(10)
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = keras.Sequential(
                [
                    keras.Input((12, 12, 3)),
                    keras.layers.Rescaling(1 / 255),
                    keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
                    keras.layers.BatchNormalization(synchronized=True)
                    if case == "synchronized"
                    else keras.layers.Activation("linear"),
                    # Drops nothing, but draws: every worker from a seed of its own.
                    keras.layers.Dropout(1e-9),
                    keras.layers.Flatten(),
                    keras.layers.Dense(3),
                ]
            )
            compile_model(model, training, n)
        history = Engine(model, strategy).fit(train, training, seed=0, validation=validation)
        results[case] = (model.get_weights(), history.history)
    return results


def main(addresses, rank, out):
    with joined(find_cluster("multiworker", addresses, int(rank), {}), {}, 120) as workers:
        from kerasdl.training.strategy import describe, make_strategy

        strategy = make_strategy("multiworker", workers=workers)
        results = run_cases(strategy)
        weights = {
            f"{case} {i}": array
            for case, (arrays, _) in results.items()
            for i, array in enumerate(arrays)
        }
        np.savez(Path(out) / f"{rank}.npz", **weights)
        report = {case: history for case, (_, history) in results.items()}
        print(json.dumps({"strategy": describe(strategy), "histories": report}))
    return 0


if __name__ == "__main__":
    sys.exit(end(main(*sys.argv[1:])))
