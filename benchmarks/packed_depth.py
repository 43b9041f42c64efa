"""Depth × activation with statistics of every layer: one model at a time, and packed.

    python benchmarks/packed_depth.py [--rounds 3] [--images 10240] [--epochs 3] [--depths 1,4,7,10]

The networks of the depth study: images of 1 024 gray pixels, hidden layers of 256 units, 10
classes, batch 1 024, Adam 1e-3. Pixels are random: speed does not depend on them. Three arms,
each from built models to trained ones with statistics, tracing and compiling included:

- `fit`: Keras's `Model.fit`, one model after the other, with a callback that passes over the
  training images once more at the end of every epoch, batch by batch, with a second
  `GradientTape` inside a `tf.function`, for the gradients' norms and means, the weights' and the
  dead units, averaged over the epoch. `--eager` leaves the `tf.function` out, as such callbacks
  are mostly written; `--jit` lets Keras compile with XLA, its default.
- `engine`: `Engine.fit` with `LayerRecorder`, one model after the other.
- `packed`: `Packed` with `layer_statistics=True`.

The short training overstates the gain: more than a third of `fit`'s time in it is tracing. The
whole study is `--images 40000 --epochs 10 --rounds 1 --arms fit,packed` (a quarter of an hour).
There matrix products are three quarters of a packed step, near the processor's peak, and `fit`
has twice as many of them: no float32 step can be four times as fast as both of its passes.
`--precision mixed_bfloat16` builds the networks of all arms in it.
"""

import argparse
import time

import arms
import numpy as np

from kerasdl.training.environment import start_keras

start_keras(convolutions=False)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from kerasdl.datasets.dataset import Examples  # noqa: E402
from kerasdl.training.compiling import compile_model  # noqa: E402
from kerasdl.training.engine import Engine  # noqa: E402
from kerasdl.training.packed import Packed  # noqa: E402
from kerasdl.training.precision import policy  # noqa: E402
from kerasdl.training.recorder import LayerRecorder  # noqa: E402
from kerasdl.training.settings import Training  # noqa: E402

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu")
DEAD = {"sigmoid": (0.01, 0.99), "tanh": (-0.98, 0.98)}


def mlp(depth, activation):
    layers = [keras.Input((32, 32, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    layers += [keras.layers.Dense(256, activation=activation) for _ in range(depth - 1)]
    return keras.Sequential([*layers, keras.layers.Dense(10)])


class SecondTape(keras.callbacks.Callback):
    """What a person writes who wants gradients from `fit`: another pass after every epoch."""

    def __init__(self, train, batch_size, sides, eager):
        super().__init__()
        self.train, self.batch_size, self.sides = train, batch_size, sides
        self.gradients = self.of_batch if eager else tf.function(self.of_batch)
        self.epochs = []

    def on_train_begin(self, logs=None):
        """Makes a model that gives the hidden layers' outputs, too."""
        self.dense = [layer for layer in self.model.layers if hasattr(layer, "kernel")]
        outputs = [self.model.outputs[0], *(layer.output for layer in self.dense[:-1])]
        self.parts = keras.Model(self.model.inputs[0], outputs)

    def of_batch(self, images, labels):
        """Returns norms and means of gradients and weights, and who is dead in this batch."""
        kernels = [layer.kernel.value for layer in self.dense]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            outputs = self.parts(images, training=True)
            # Keras gives a single output without a list around it.
            logits, *hidden = outputs if isinstance(outputs, list) else [outputs]
            loss = self.model.compute_loss(images, labels, logits)
        gradients = tape.gradient(loss, kernels)
        low, high = self.sides
        rows = [
            [tf.norm(g), tf.reduce_mean(g), tf.norm(w), tf.reduce_mean(w)]
            for g, w in zip(gradients, kernels, strict=True)
        ]
        stuck = [tf.reduce_all(h <= low, axis=0) | tf.reduce_all(h >= high, axis=0) for h in hidden]
        return tf.convert_to_tensor(rows), stuck

    def on_epoch_end(self, epoch, logs=None):
        """Passes over the training images once more."""
        rows, stuck = [], []
        for first in range(0, len(self.train), self.batch_size):
            batch = slice(first, first + self.batch_size)
            table, units = self.gradients(self.train.images[batch], self.train.labels[batch])
            rows.append(table.numpy())
            stuck.append([unit.numpy() for unit in units])
        dead = [np.all(units, axis=0).mean() for units in zip(*stuck, strict=True)]
        self.epochs.append((np.mean(rows, axis=0), dead))


def make(depths, options):
    generator = np.random.default_rng(0)
    train = Examples(
        generator.integers(0, 256, (options.images, 32, 32, 1), dtype=np.uint8),
        generator.integers(0, 10, options.images).astype(np.int32),
    )
    training = Training(
        epochs=options.epochs,
        batch_size=1024,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="constant",
    )
    cases = [(depth, activation) for depth in depths for activation in ACTIVATIONS]

    def prepared():
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        with policy(options.precision):
            return [mlp(*case) for case in cases]

    def fit():
        models = prepared()
        started = time.perf_counter()
        for model, (_, activation) in zip(models, cases, strict=True):
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            jit = "auto" if options.jit else False
            model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=jit)
            sides = DEAD.get(activation, (0.0, np.inf))
            callback = SecondTape(train, training.batch_size, sides, options.eager)
            model.fit(
                train.images,
                train.labels,
                batch_size=training.batch_size,
                epochs=training.epochs,
                verbose=0,
                callbacks=[callback],
            )
        return time.perf_counter() - started

    def engine():
        models = prepared()
        started = time.perf_counter()
        for model in models:
            compile_model(model, training, len(train))
            Engine(model).fit(train, training, seed=0, callbacks=[LayerRecorder()])
        return time.perf_counter() - started

    def packed():
        models = prepared()
        started = time.perf_counter()
        one = Packed(models, [training] * len(models), layer_statistics=True)
        one.fit(train, seed=0)
        one.unpack()
        return time.perf_counter() - started

    return {"fit": fit, "engine": engine, "packed": packed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--depths", default="1,4,7,10")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--jit", action="store_true")
    parser.add_argument("--precision", default="float32", choices=("float32", "mixed_bfloat16"))
    parser.add_argument("--arms", default="fit,engine,packed")
    options = parser.parse_args()
    depths = [int(depth) for depth in options.depths.split(",")]
    chosen = {name: arm for name, arm in make(depths, options).items() if name in options.arms}
    title = (
        f"{4 * len(depths)} of the study's 40 networks (depths {options.depths} x 4 activations), "
        f"{options.images} of 40000 images, {options.epochs} of 10 epochs, "
        f"{options.precision}, {options.rounds} rounds, medians"
    )
    arms.show(title, {"whole trainings": arms.interleave(chosen, options.rounds)}, base="fit")


if __name__ == "__main__":
    main()
