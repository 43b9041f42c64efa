"""Resident memory over a hundred trials: stock KerasTuner and the packed tuner.

    python benchmarks/search_memory.py [--trials 100]

A perceptron of 64..256 units on 2 000 random rows, one epoch a trial: memory does not depend on
what is learned. Each arm is a process of its own. Growth is the resident size after the last trial
minus that after the first fifth, by when TensorFlow's own pools are filled. Needs Linux.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ARMS = {"KerasTuner": None, "one by one": 1, "packed, 10 at a time": 10}


def resident():
    """The resident size of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def child(arm, trials):
    """Runs one arm and prints the resident size after each trial as JSON."""
    from kerasdl.training.environment import start_keras

    start_keras(convolutions=False)
    import keras
    import keras_tuner
    import numpy as np

    from kerasdl.tuning.oracles import make_oracle
    from kerasdl.tuning.packed_tuner import PackedTuner

    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2000, 784)).astype(np.float32)
    labels = generator.integers(0, 10, 2000)
    sizes = []

    def build(hp):
        layers = [keras.layers.Dense(hp.Int("width", 64, 256), "relu"), keras.layers.Dense(10)]
        model = keras.Sequential([keras.Input((784,)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
        return model

    def measured(tuner):
        class Measured(tuner):
            def on_trial_end(self, trial):
                super().on_trial_end(trial)
                sizes.append(resident())

        return Measured

    with tempfile.TemporaryDirectory() as folder:
        if ARMS[arm] is None:
            tuner = measured(keras_tuner.RandomSearch)(
                build, objective="val_accuracy", max_trials=trials, seed=1, directory=folder
            )
            options = {"verbose": 0}
        else:
            oracle = make_oracle("random", seed=1, max_trials=trials)
            tuner = measured(PackedTuner)(oracle, build, group_size=ARMS[arm], directory=folder)
            options = {}
        held_out = rows[:500], labels[:500]
        tuner.search(rows, labels, epochs=1, batch_size=128, validation_data=held_out, **options)
    print(json.dumps(sizes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--child", choices=ARMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.trials)
        return
    table = Table(title=f"Resident memory over {options.trials} trials, MiB", title_justify="left")
    for column in ("Arm", "After a fifth", "At the end", "Growth", "A trial"):
        table.add_column(column, justify="left" if column == "Arm" else "right")
    for arm in ARMS:
        command = [sys.executable, __file__, "--child", arm, "--trials", str(options.trials)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        sizes = json.loads(done.stdout.splitlines()[-1])
        first, last = sizes[len(sizes) // 5 - 1], sizes[-1]
        growth = last - first
        each = growth / (len(sizes) * 0.8)
        table.add_row(arm, f"{first:.0f}", f"{last:.0f}", f"{growth:.0f}", f"{each:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
