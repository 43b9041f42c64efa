"""Two and three workers on this machine against one process, and how soon a death ends them.

    python benchmarks/workers.py [--images 1000] [--epochs 2] [--kills 3]

First table: the same training (global batch 128, float32, shifts and mirroring) by one
process and by several over loopback; how far weights and losses are apart, and the time of
an epoch. All share the cores of one machine: this measures agreement and the price of the
collectives, not a gain. Second table: three workers of which one is killed (SIGKILL) in the
middle of its training; seconds until the others have ended.
"""

import argparse
import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kerasdl.training.cluster import find_cluster
from kerasdl.training.settings import Training
from kerasdl.training.workers import end, joined

ARMS = [("lenet5", "sgd", 0.05), ("lenet5", "adamw", 2e-3), ("smallnet", "sgd", 0.05)]


def train(names, rank, out, images, epochs):
    """One worker, or alone where `names` is one address: all arms, weights and histories."""
    with joined(find_cluster("multiworker", names, rank, {}), {}, 120) as workers:
        from kerasdl.training.environment import start_keras

        start_keras()
        import keras

        from kerasdl import models
        from kerasdl.datasets.dataset import Examples
        from kerasdl.models.whitening import adapt
        from kerasdl.training.compiling import compile_model
        from kerasdl.training.engine import Engine
        from kerasdl.training.strategy import make_strategy

        class Clock(keras.callbacks.Callback):
            """The seconds of the last epoch; the first has the tracing."""

            def on_epoch_begin(self, epoch, logs=None):
                self.began = time.perf_counter()

            def on_epoch_end(self, epoch, logs=None):
                self.seconds = time.perf_counter() - self.began

        strategy = make_strategy("multiworker", workers=workers)
        generator = np.random.default_rng(0)
        examples = Examples(
            generator.integers(0, 256, (images, 32, 32, 3), dtype=np.uint8),
            generator.integers(0, 10, images).astype(np.int32),
        )
        for number, (name, optimizer, rate) in enumerate(ARMS):
            training = Training(
                epochs=epochs,
                batch_size=128,
                optimizer=optimizer,
                learning_rate=rate,
                weight_decay=1e-3,
                shift=2,
                flip=True,
            )
            keras.utils.set_random_seed(0)
            with strategy.scope():
                model = models.build(name, (32, 32, 3), 10)
                adapt(model, examples.images)
                compile_model(model, training, images)
            if workers.is_chief:
                print(f"arm {number}", flush=True)
            engine = Engine(model, strategy)
            clock = Clock()
            history = engine.fit(examples, training, seed=0, callbacks=[clock]).history
            if workers.is_chief:
                np.savez(f"{out}-{number}.npz", *model.get_weights())
                figures = {"losses": history["loss"], "seconds": clock.seconds}
                Path(f"{out}-{number}.json").write_text(json.dumps(figures))


@contextlib.contextmanager
def started(number, out, images, epochs):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        names = ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)
    children = [
        subprocess.Popen(
            [
                *(sys.executable, __file__, "--worker", names, str(rank), out),
                *("--images", str(images), "--epochs", str(epochs)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(number)
    ]
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


def agreement(folder, images, epochs):
    for number in (1, 2, 3):
        with started(number, f"{folder}/{number}", images, epochs) as children:
            for child in children:
                _, errors = child.communicate()
                if child.returncode:
                    sys.exit(errors)
    print("network   optimizer  workers  weights differ  losses differ  seconds/epoch")
    for arm, (name, optimizer, _) in enumerate(ARMS):
        weights = {n: list(np.load(f"{folder}/{n}-{arm}.npz").values()) for n in (1, 2, 3)}
        figures = {n: json.loads(Path(f"{folder}/{n}-{arm}.json").read_text()) for n in (1, 2, 3)}
        for n in (1, 2, 3):
            pairs = zip(weights[n], weights[1], strict=True)
            apart = max(float(np.abs(one - other).max()) for one, other in pairs)
            losses = np.abs(np.subtract(figures[n]["losses"], figures[1]["losses"])).max()
            print(
                f"{name:9} {optimizer:10} {n:7} {apart:15.1e} {losses:14.1e} "
                f"{figures[n]['seconds']:14.2f}"
            )


def kills(folder, count):
    chance = random.Random(0)
    print("\nkilled    the others ended after, s    they said")
    for round_ in range(count):
        victim = round_ % 3
        with started(3, f"{folder}/k", 2000, 100_000) as children:
            children[0].stdout.readline()
            time.sleep(10 + 5 * chance.random())
            others = [child for rank, child in enumerate(children) if rank != victim]
            if any(child.poll() is not None for child in children):
                sys.exit("a worker ended before its time: " + others[0].communicate()[1])
            children[victim].kill()
            killed = time.perf_counter()
            ended = {}
            while len(ended) < 2 and time.perf_counter() - killed < 120:
                for child in others:
                    if child.poll() is not None:
                        ended.setdefault(child.pid, time.perf_counter() - killed)
                time.sleep(0.02)
            last = others[0].communicate()[1].splitlines()[-1]
            seconds = " and ".join(f"{value:.1f}" for value in ended.values())
            print(f"worker {victim}  {seconds:27}  {last[:60]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        names, rank, out = options.worker
        try:
            train(names, int(rank), out, options.images, options.epochs)
        except ConnectionError as error:
            print(error, file=sys.stderr)
            return end(1)
        return end(0)
    with tempfile.TemporaryDirectory() as folder:
        agreement(folder, options.images, options.epochs)
        kills(folder, options.kills)
    return 0


if __name__ == "__main__":
    sys.exit(main())
