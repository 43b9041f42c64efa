"""Trains in child processes that are killed with SIGKILL, over and over, until one comes through.

Used by test_training_resume.py and, with more kills, by benchmarks/kills.py. The children are
forks of one process that has imported TensorFlow but not used it, which saves the import.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

SITES = ("write", "fsync", "replace", "replaced")
"""Where inside the writing of a checkpoint a child may end."""


def train(folder, result):
    """One training with everything that has a state; writes weights, history, predictions."""
    import keras
    import numpy as np

    from kerasdl.datasets.dataset import Examples
    from kerasdl.training.checkpoint import CheckpointStore
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.settings import Training

    def examples(n, seed):
        generator = np.random.default_rng(seed)
        labels = (generator.random(n) ** 2 * 3).astype(np.int32)  # rare and frequent classes
        images = generator.integers(0, 130, (n, 12, 12, 3), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[label * 4 : label * 4 + 4] += 8
        return Examples(images, labels)

    training = Training(
        epochs=12,
        batch_size=16,
        optimizer="adamw",
        learning_rate=0.05,
        weight_decay=0.05,
        warmup=0.2,
        label_smoothing=0.1,
        shift=1,
        rotation=5.0,
        cutout=3,
        flip=True,
        ema=0.9,
        class_weight="balanced",
        patience=2,
    )
    data = examples(150, 0)
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(6, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.3),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    compile_model(model, training, len(data))
    engine = Engine(model)
    engine.fit(
        data,
        training,
        seed=7,
        validation=examples(60, 1),
        checkpoints=CheckpointStore(folder, {"seed": 7}, seconds=0),
    )
    history = model.history
    np.savez(
        result,
        *model.get_weights(),
        predictions=engine.predict(examples(60, 2).images),
        epochs=history.epoch,
        **{f"history {name}": values for name, values in history.history.items()},
    )


def kill_inside_write(number, site):
    """Makes this process end itself inside the writing of its `number`-th checkpoint (from 0)."""
    from kerasdl.training import checkpoint as module

    atomic_open, fsync, replace = module.files.atomic_open, os.fsync, os.replace
    writes = 0

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def counted_open(path, mode="w"):
        nonlocal writes
        if writes == number:
            if site == "write":
                return open_and_die(path)
            os.fsync = lambda handle: die() if site == "fsync" else fsync(handle)

            def replace_and_die(source, target):
                if site == "replaced":
                    replace(source, target)
                if site in ("replace", "replaced"):
                    die()

            os.replace = replace_and_die
        writes += 1
        return atomic_open(path, mode)

    class open_and_die:
        def __init__(self, path):
            self.context = atomic_open(path, "wb")

        def __enter__(self):
            file = self.context.__enter__()
            file.write(b"kerasdl-checkpoint 1 ")
            file.flush()
            die()

        def __exit__(self, *error):
            pass

    module.files.atomic_open = counted_open


def start(folder, result, log, inside=None):
    """Forks a child that trains; returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if inside:
            kill_inside_write(*inside)
        train(folder, result)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(child):
    """Returns the exit status of a child: 0, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def survive(folder, kills, seed, say=print):
    """Trains once undisturbed, then until `kills` children were killed and one came through.

    Returns:
        The two results' files and the number of kills inside a write. More than one training
        may be needed for so many kills: each that comes through before is compared, too.
    """
    import keras  # noqa: F401 - before the forks
    import numpy as np

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    log, reference = folder / "log.txt", folder / "reference.npz"
    began = time.monotonic()
    child = start(folder / "undisturbed", reference, log)
    assert wait(child) == 0, log.read_text()
    duration = time.monotonic() - began
    say(f"undisturbed: {duration:.1f} s")
    chance = random.Random(seed)
    done = inside_write = rounds = 0
    while True:
        result = folder / f"result{rounds}.npz"
        inside = None
        if done < kills and chance.random() < 0.5:
            inside = (chance.randrange(6), chance.choice(SITES))
        child = start(folder / f"killed{rounds}", result, log, inside)
        if done < kills and inside is None:
            # Most of a child's time is its start; the first checkpoint must be possible.
            time.sleep(chance.uniform(0.3, 1.0) * duration)
            os.kill(child, signal.SIGKILL)
        status = wait(child)
        if status == -signal.SIGKILL:
            done += 1
            inside_write += inside is not None
            continue
        assert status == 0, log.read_text()
        with np.load(reference) as one, np.load(result) as other:
            assert one.files == other.files
            for name in one.files:
                np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        rounds += 1
        if done >= kills:
            say(f"{done} kills ({inside_write} inside a write), {rounds} trainings, all the same")
            return reference, done, inside_write, rounds


if __name__ == "__main__":
    survive(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
