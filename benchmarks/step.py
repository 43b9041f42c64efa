"""Where a training step's time goes, and what bounds it: input, forward, backward, update, Python.

    python benchmarks/profile.py [--models lenet5,smallnet,resnet20] [--rounds 5]

Nested arms of one compiled loop, each with one part more; a part's time is the difference of the
medians. The bound is what the machine itself was measured to do in the same run: a matrix product
of 2048 x 2048 in the training's number format, and copying memory for the update.
"""

import argparse
import itertools
import statistics
import time

import arms
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from kerasdl.training.environment import start_keras

start_keras()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from kerasdl.datasets.dataset import Examples  # noqa: E402
from kerasdl.models import costs, registry  # noqa: E402
from kerasdl.training import augment  # noqa: E402
from kerasdl.training.compiling import compile_model  # noqa: E402
from kerasdl.training.engine import Engine  # noqa: E402
from kerasdl.training.kernels import fused_kernels  # noqa: E402
from kerasdl.training.precision import policy, resolve  # noqa: E402
from kerasdl.training.settings import Training  # noqa: E402

# Name: (network, its settings, shape, batch size, training)
CASES = {
    "mlp64": (None, {"units": 64}, (28, 28, 1), 32),
    "mlp256": (None, {"units": 256}, (28, 28, 1), 32),
    "lenet5": ("lenet5", {}, (32, 32, 3), 128),
    "smallnet": ("smallnet", {}, (32, 32, 3), 256),
    "smallnet-wide": ("smallnet", {"widths": (64, 256, 256)}, (32, 32, 3), 256),
    "resnet20": ("resnet20", {}, (32, 32, 3), 128),
}


def build(case):
    name, settings, shape, _ = CASES[case]
    keras.utils.set_random_seed(0)
    if name is None:
        return keras.Sequential(
            [
                keras.Input(shape),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Flatten(),
                keras.layers.Dense(settings["units"], "relu"),
                keras.layers.Dense(10),
            ]
        )
    return registry.build(name, shape, 10, **settings)


def seconds_of(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def make(case, precision, steps):
    """Returns arms that each do `steps` steps, and the model."""
    name, _, shape, batch_size = CASES[case]
    with policy(precision):
        model = build(case)
    n = batch_size * steps
    training = Training(
        epochs=1,
        batch_size=batch_size,
        optimizer="adam" if name in (None, "lenet5") else "sgd",
        learning_rate=1e-4,
        weight_decay=0.0 if name is None else 1e-4,
        shift=0 if name is None else 2,
        flip=name not in (None, "lenet5"),
    )
    compile_model(model, training, n)
    generator = np.random.default_rng(0)
    train = Examples(
        generator.integers(0, 256, (n, *shape), dtype=np.uint8),
        generator.integers(0, 10, n).astype(np.int32),
    )
    images, labels = tf.constant(train.images), tf.constant(train.labels)
    order = tf.range(n)
    Engine(model).fit(train, training, seed=0)  # builds the optimizer and the metrics

    def inputs(index):
        batch = order[index * batch_size : (index + 1) * batch_size]
        x, y = tf.gather(images, batch), tf.gather(labels, batch)
        if augment.is_active(training):
            uniform = augment.random_numbers(batch_size, 0, tf.cast(index, "int64"), training)
            x = augment.augment(x, uniform, uniform[:, 0] < 0.5, training)
        return x, y

    def loss(x, y):
        return tf.reduce_mean(model.compute_loss(x, y, model(x, training=True)))

    def compiled(step):
        @tf.function
        def run():
            total = tf.constant(0.0)
            for index in tf.range(steps):
                total += step(index)
            return total

        def call():
            with fused_kernels(model):
                run().numpy()

        call()  # traces
        return lambda: seconds_of(call)

    def backward(index):
        x, y = inputs(index)
        with tf.GradientTape() as tape:
            value = loss(x, y)
        gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
        # Their sums, or else nothing would need them.
        return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

    def update(index):
        model.train_step(inputs(index))
        return tf.constant(0.0)

    def everything():
        engine.fit(train, training, seed=0, callbacks=[watch])
        return watch.seconds

    class Watch(keras.callbacks.Callback):
        """Times whole epochs after the first, which traces."""

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.started

    training = msgspec.structs.replace(training, epochs=2)
    engine, watch = Engine(model), Watch()
    return {
        "input": compiled(lambda index: tf.reduce_sum(tf.cast(inputs(index)[0], "float32"))),
        "+ forward": compiled(lambda index: loss(*inputs(index))),
        "+ backward": compiled(backward),
        "+ update, metrics": compiled(update),
        "+ Python (the engine)": everything,
    }, model


def peak(dtype, rounds):
    """FLOP/s of a product of two 2048 x 2048 matrices."""
    a = tf.cast(tf.random.normal([2048, 2048]), dtype)

    @tf.function
    def product():
        b = a
        for _ in range(4):
            b = tf.matmul(a, b)
        return tf.reduce_sum(b)

    product()
    best = min(seconds_of(lambda: product().numpy()) for _ in range(rounds))
    return 4 * 2 * 2048**3 / best


def bandwidth(rounds):
    """Bytes/s of a copy (read and written bytes counted)."""
    a = np.ones(2**27, np.uint8)
    b = np.empty_like(a)
    return 2 * a.nbytes / min(seconds_of(lambda: np.copyto(b, a)) for _ in range(rounds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="mlp64,mlp256,lenet5,smallnet,smallnet-wide,resnet20")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    peaks = {dtype: peak(dtype, options.rounds) for dtype in ("float32", "bfloat16")}
    copied = bandwidth(options.rounds)
    print(
        f"Measured here: {peaks['float32'] / 1e9:.0f} GFLOP/s float32, "
        f"{peaks['bfloat16'] / 1e9:.0f} bfloat16, {copied / 1e9:.1f} GB/s"
    )
    table = Table(title=f"A step in milliseconds, medians of {options.rounds} rounds")
    for heading in (
        "case",
        "precision",
        "input",
        "forward",
        "backward",
        "update",
        "Python",
        "step",
    ):
        table.add_column(heading)
    table.add_column("GFLOP/s")
    table.add_column("of the peak")
    for case in options.models.split(","):
        precision = resolve(options.precision) if CASES[case][0] else "float32"
        parts, model = make(case, precision, options.steps)
        results = arms.interleave(parts, options.rounds)
        times = [1000 * statistics.median(values) / options.steps for values in results.values()]
        each = [
            times[0],
            *(after - before for before, after in itertools.pairwise(times)),
        ]
        # Forward once, backward twice: with respect to the weights and to the inputs.
        work = 3 * 2 * costs.multiply_accumulates(model) * CASES[case][3]
        rate = work / (times[-1] / 1000)
        share = rate / peaks["bfloat16" if precision == "mixed_bfloat16" else "float32"]
        table.add_row(
            case,
            precision,
            *(f"{value:.2f}" for value in each),
            f"{times[-1]:.2f}",
            f"{rate / 1e9:.0f}",
            f"{100 * share:.0f} %",
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
