"""Kills trainings with SIGKILL: kerasdl's checkpoints, and Keras's BackupAndRestore beside them.

    python benchmarks/kills.py [--kills 200] [--backups 20] [--seed 0]

Both arms train a small network (dropout, moving average, early stopping with the best weights),
are killed at random moments, half of them while they save, and started again. Counted is what
the restarted training came to, against one that was left alone.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import keras
import killing
import numpy as np
from rich.console import Console
from rich.table import Table

ARMS = {
    "BackupAndRestore, each epoch": {"save_freq": "epoch"},
    "BackupAndRestore, every 4 steps": {"save_freq": 4},
    "BackupAndRestore, every 4 steps, double": {"save_freq": 4, "double_checkpoint": True},
}


def fit(folder, result, options, inside=None):
    """The training of the Keras arm; `inside` = (which save, share of its time) to die in."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 64)).astype("float32")
    y = (x[:, :3].argmax(axis=1)).astype("int32")
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(256, "relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(3),
        ]
    )
    optimizer = keras.optimizers.Adam(3e-3, use_ema=True, ema_momentum=0.9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    backup = keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False, **options)
    if inside is not None:
        die_while_saving(backup, *inside)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    # In a fixed order: with shuffling, a restarted `fit` has another one anyway.
    history = model.fit(
        x[:300],
        y[:300],
        batch_size=16,
        epochs=30,
        shuffle=False,
        verbose=0,
        validation_data=(x[300:], y[300:]),
        callbacks=[backup, stop],
    )
    np.savez(result, *model.get_weights(), losses=history.history["loss"])


def die_while_saving(backup, number, share):
    save, seen, took = backup._save_model, 0, 0.0

    def counted():
        nonlocal seen, took
        if seen == number:
            # As long into the save as its share of the last one's time.
            threading.Timer(share * took, os.kill, (os.getpid(), signal.SIGKILL)).start()
        started = time.perf_counter()
        save()
        took = time.perf_counter() - started
        seen += 1

    backup._save_model = counted


def fork(log, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 2)
        fit(*arguments)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def backups(folder, options, kills, chance):
    """Kills `kills` trainings once each; counts how they ended after their restart."""
    folder.mkdir()
    log, reference = folder / "log.txt", folder / "reference.npz"
    began = time.monotonic()
    assert killing.wait(fork(log, str(folder / "0"), reference, options)) == 0, log.read_text()
    duration = time.monotonic() - began
    with np.load(reference) as file:
        one = {name: file[name] for name in file.files}
    counts = {"same bits": 0, "other weights": 0, "no restart": 0}
    while sum(counts.values()) < kills:
        number = sum(counts.values()) + 1
        place, result = str(folder / str(number)), folder / f"{number}.npz"
        inside = (chance.randrange(1, 8), chance.random()) if number % 2 else None
        child = fork(log, place, result, options, inside)
        if inside is None:
            time.sleep(chance.uniform(0.3, 1.0) * duration)
            os.kill(child, signal.SIGKILL)
        if killing.wait(child) == 0:
            continue  # it was through before
        if killing.wait(fork(log, place, result, options)) != 0:
            counts["no restart"] += 1
            continue
        with np.load(result) as other:
            weights = [name for name in one if name != "losses"]
            same = all(np.array_equal(one[name], other[name]) for name in weights)
        counts["same bits" if same else "other weights"] += 1
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of kerasdl's training")
    parser.add_argument("--backups", type=int, default=20, help="of each Keras arm")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table(title="Killed and started again")
    for heading in ("arm", "kills", "same bits", "other weights", "no restart"):
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as folder:
        chance = random.Random(options.seed)
        for number, (arm, settings) in enumerate(ARMS.items()):
            found = backups(Path(folder) / str(number), settings, options.backups, chance)
            table.add_row(arm, str(options.backups), *map(str, found.values()))
            print(arm, found, flush=True)
        # Raises if one training came to other bits or could not be started again.
        _, kills, inside, rounds = killing.survive(
            Path(folder) / "ours", options.kills, options.seed
        )
        table.add_row(
            "kerasdl", f"{kills} ({inside} in a write)", f"all {rounds} trainings", "0", "0"
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
