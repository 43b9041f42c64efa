"""Small trainings, alone or as one of several workers: `python FILE ADDRESSES RANK OUT`."""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
from patience import PATIENCE

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
    # One process was interrupted after the second step of the second epoch.
    "resumed": (37, Training(**COMMON, epochs=3, ema=0.8)),
}


def run_cases(strategy, folder, *, writes, interrupt=False):
    """Returns {case: (weights, history, first epoch and step)}.

    Args:
        strategy: The strategy.
        folder: Where the checkpoints of "resumed" are.
        writes: Whether this process writes them.
        interrupt: Only begin "resumed", and leave a checkpoint.
    """
    import keras

    from kerasdl.datasets.dataset import Examples
    from kerasdl.training.checkpoint import CheckpointStore
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine

    class Places(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self._seen = []

        def on_epoch_begin(self, epoch, logs=None):
            self._epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            self._seen.append([self._epoch, batch])
            if interrupt and self._seen[-1] == [1, 2]:
                raise KeyboardInterrupt

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
        store = None
        if case == "resumed" and folder is not None:
            store = CheckpointStore(folder, {"seed": 0}, seconds=0, write=writes)
        places = Places()
        if interrupt and case != "resumed":
            continue
        # Every step a call of its own, so that a checkpoint can be in the middle of an epoch.
        engine = Engine(model, strategy, seconds_per_call=0)
        with contextlib.suppress(KeyboardInterrupt):
            engine.fit(
                train,
                training,
                seed=0,
                validation=validation,
                callbacks=[places],
                checkpoints=store,
            )
        results[case] = (model.get_weights(), model.history.history, places._seen[0])
    return results


def main(addresses, rank, out):
    with joined(find_cluster("multiworker", addresses, int(rank), {}), {}, PATIENCE) as workers:
        from kerasdl.training.strategy import describe, make_strategy

        strategy = make_strategy("multiworker", workers=workers)
        results = run_cases(strategy, Path(out) / "checkpoints", writes=workers.is_chief)
        weights = {
            f"{case} {i}": array
            for case, (arrays, *_) in results.items()
            for i, array in enumerate(arrays)
        }
        np.savez(Path(out) / f"{rank}.npz", **weights)
        report = {case: [history, first] for case, (_, history, first) in results.items()}
        print(json.dumps({"strategy": describe(strategy), "cases": report}))
    return 0


if __name__ == "__main__":
    sys.exit(end(main(*sys.argv[1:])))
