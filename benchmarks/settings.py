"""TensorFlow's kernels and threads on this processor: which pay for which network.

    python benchmarks/settings.py [--rounds 5] [--cases mlp64,lenet5] [--busy 2]

Every arm is a process of its own that trains the same steps of random images in float32. It
gives two numbers: seconds of the epochs after the first, which traces, and processor seconds
of the whole training, of all threads. The table of arms is what the rule in `kerasdl/kernels.py`
rests on; with `--busy N` as many processes that only count run beside each arm (row P5).
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys

import arms
from rich.console import Console
from rich.table import Table

# Name: (network, settings, image shape, batch size, steps an epoch)
CASES = {
    "mlp64": ("mlp1", {"width": 64}, (28, 28, 1), 32, 300),
    "mlp256": ("mlp1", {"width": 256}, (28, 28, 1), 32, 300),
    "widths": ("mlp1", {}, (28, 28, 1), 32, 100),
    "lenet5": ("lenet5", {}, (32, 32, 3), 128, 20),
    "smallnet": ("smallnet", {}, (32, 32, 3), 128, 5),
    "resnet20": ("resnet20", {}, (32, 32, 3), 128, 4),
}
WIDTHS = range(60, 601, 60)

# Name: (TF_ENABLE_ONEDNN_OPTS, whether waiting threads spin, as TensorFlow's do by themselves)
ARMS = {
    "Eigen, spinning": ("0", True),
    "Eigen, sleeping": ("0", False),
    "oneDNN, spinning": ("1", True),
    "oneDNN, sleeping": ("1", False),
}


def child(case, spinning):
    """Trains in this process; prints seconds of the later epochs and processor seconds."""
    import time

    from kerasdl import kernels
    from kerasdl.training.environment import start_keras

    if spinning:
        kernels.let_threads_sleep = lambda: None
    start_keras()
    import keras
    import numpy as np

    from kerasdl.datasets.dataset import Examples
    from kerasdl.models import registry
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.packed.training import Packed
    from kerasdl.training.settings import Training

    name, settings, shape, batch_size, steps = CASES[case]
    n = batch_size * steps
    generator = np.random.default_rng(0)
    train = Examples(
        generator.integers(0, 256, (n, *shape), dtype=np.uint8),
        generator.integers(0, 10, n).astype(np.int32),
    )
    training = Training(epochs=4, batch_size=batch_size, optimizer="adam", schedule="constant")
    later = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            later.append(time.perf_counter() - self.started)

    keras.utils.set_random_seed(0)
    started = time.process_time()
    if case == "widths":
        models = [registry.build(name, shape, 10, width=width) for width in WIDTHS]
        Packed(models, [training] * len(models)).fit(train, seed=0, callbacks=[Watch()])
    else:
        model = registry.build(name, shape, 10, **settings)
        compile_model(model, training, n)
        Engine(model).fit(train, training, seed=0, callbacks=[Watch()])
    print(sum(later[1:]), time.process_time() - started)


@contextlib.contextmanager
def beside(count):
    """Keeps `count` processes busy that do nothing else than count."""
    loop = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(loop) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def arm(case, onednn, spinning, busy, processor):
    """Returns what `arms.interleave` calls; `processor` collects the processor seconds."""
    command = [sys.executable, __file__, "--child", case, *(["--spinning"] if spinning else [])]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": onednn}

    def run():
        with beside(busy):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            )
        seconds, used = map(float, done.stdout.split()[-2:])
        processor.append(used)
        return seconds

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--arms", default=",".join(str(n) for n in range(len(ARMS))))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--spinning", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.spinning)
        return
    chosen = [list(ARMS)[int(number)] for number in options.arms.split(",")]
    table = Table(title=f"{options.rounds} rounds, {options.busy} busy processes beside, medians")
    for heading in (
        "case",
        "arm",
        "seconds",
        "first arm / this",
        "processor seconds",
        "this/first",
    ):
        table.add_column(heading, justify="left" if heading in ("case", "arm") else "right")
    for case in options.cases.split(","):
        used = {title: [] for title in chosen}
        made = {title: arm(case, *ARMS[title], options.busy, used[title]) for title in chosen}
        seconds = arms.interleave(made, options.rounds)
        for title in chosen:
            table.add_row(
                case,
                title,
                f"{statistics.median(seconds[title]):.2f}",
                arms.ratio(seconds[chosen[0]], seconds[title]),
                f"{statistics.median(used[title]):.2f}",
                arms.ratio(used[title], used[chosen[0]]),
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
