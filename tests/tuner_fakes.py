"""Small searches with `PackedTuner`, for its tests."""

import keras
import keras_tuner
import numpy as np

from kerasdl.tuning import identity, trainings
from kerasdl.tuning.oracles import make_oracle
from kerasdl.tuning.packed_tuner import PackedTuner
from kerasdl.tuning.training_jobs import Trained

SHAPE = (6, 6, 1)


def data(n=60, seed=0, shape=SHAPE):
    """Learnable examples of three classes: x as float32 of about unit size, y."""
    generator = np.random.default_rng(seed)
    y = (np.arange(n) % 3).astype(np.int32)
    x = generator.normal(size=(n, *shape)).astype(np.float32)
    for image, label in zip(x, y, strict=True):
        image[2 * label : 2 * label + 2] += 0.7
    return x, y


def perceptron(width=4, rate=0.01, *, shape=SHAPE, dropout=0.0, l2=0.0, softmax=False, **compiled):
    """A compiled perceptron."""
    regularizer = keras.regularizers.L2(l2) if l2 else None
    layers = [
        keras.layers.Flatten(),
        keras.layers.Dense(width, activation="relu", kernel_regularizer=regularizer),
        *([keras.layers.Dropout(dropout)] if dropout else []),
        keras.layers.Dense(3, activation="softmax" if softmax else None),
    ]
    model = keras.Sequential([keras.Input(shape), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax)
    # An epsilon above Keras's 1e-7: Adam divides by it what rounding leaves of a gradient.
    optimizer = keras.optimizers.Adam(rate, epsilon=1e-4)
    model.compile(optimizer, loss, **{"metrics": ["accuracy"], **compiled})
    return model


def widths(hp):
    """A space of four widths."""
    return perceptron(hp.Int("width", 2, 5))


def two(hp):
    """A space of a width and a learning rate."""
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    return perceptron(hp.Int("width", 2, 9), rate)


def convolution(hp):
    """Not packable, and compiled without a metric."""
    layers = [keras.layers.Conv2D(hp.Int("filters", 1, 2), 3), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input(SHAPE), *layers, keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    return model


def tuner(folder, build=widths, algorithm="grid", *, seed=1, objective="val_accuracy", **options):
    """A tuner in a folder; oracle's and tuner's options as they come."""
    own = {name: options.pop(name) for name in ("max_trials", "max_epochs") if name in options}
    oracle = make_oracle(algorithm, objective=objective, seed=seed, **own)
    options = {"say": lambda text: None, **options}
    return PackedTuner(oracle, build, directory=str(folder), project_name="search", **options)


def run(made, epochs=2, **options):
    """Searches; returns the outcomes."""
    made.search(*data(), epochs=epochs, batch_size=16, validation_data=data(30, seed=1), **options)
    return made.outcomes


def table(outcomes):
    """What must be the same after a kill: all but the time that it took."""
    return [
        (
            one.trial_id,
            one.values,
            one.status,
            one.message,
            one.packed,
            [(run.seed, run.history, run.epoch, run.scores, run.right) for run in one.executions],
        )
        for one in outcomes
    ]


class Fitted:
    """Counts the models that are trained, by the names in their titles."""

    def __init__(self):
        self.titles = []

    def __call__(self, title, batch_size):
        self.titles.append(title)
        return []


def stock(folder, kind=keras_tuner.GridSearch, build=widths, **options):
    """One of KerasTuner's own tuners on a tuner's folder."""
    return kind(
        build, objective="val_accuracy", directory=str(folder), project_name="search", **options
    )


def pretend(monkeypatch):
    """Has trials "trained" at once: scores that the first weights decide, and weights that move."""
    monkeypatch.setattr(trainings, "train", _train)
    # Collecting garbage would take most of the time.
    for module in (trainings, identity):
        monkeypatch.setattr(module, "forget", lambda: keras.backend.clear_session(False))


def _train(jobs, setting, told):
    validation = setting.arguments.validation.rows
    if jobs:
        setting.callbacks(f"{jobs[0].name} and {len(jobs) - 1} more", 16)
    results = []
    for job in jobs:
        history = {}
        for _ in range(job.initial_epoch, job.training.epochs):
            job.model.optimizer.build(job.model.trainable_variables)
            job.model.optimizer.iterations.assign_add(1)
            job.model.weights[0].assign_add(np.full(job.model.weights[0].shape, 0.125))
            score = float(np.abs(job.model.get_weights()[0]).sum() % 1)
            for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
                history.setdefault(name, []).append(score)
        right = np.arange(len(validation)) < score * len(validation)
        last = len(history["loss"]) - 1
        results.append(Trained(history, last, right, None, 0.1, len(jobs)))
    return results
