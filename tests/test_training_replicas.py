"""Three logical devices give what one gives: weights, metrics, statistics."""

import json
import textwrap

import pytest
from patience import PATIENCE

# One process for all cases: starting TensorFlow takes longer than they do.
PROGRAM = """
    import contextlib, json, tempfile
    from pathlib import Path
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    import keras
    from kerasdl.datasets.dataset import Examples
    from kerasdl.training.checkpoint import CheckpointStore
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.settings import Training
    from kerasdl.training.steps import compile_steps
    from kerasdl.training.strategy import make_strategy

    generator = np.random.default_rng(0)
    one = tf.distribute.get_strategy()
    three = make_strategy("mirrored", devices=["CPU:0", "CPU:1", "CPU:2"])

    def examples(n):
        images = generator.integers(0, 255, (n, 12, 12, 3), dtype=np.uint8)
        # Classes of unequal size.
        return Examples(images, (np.arange(n) % 5 % 3).astype(np.int32))

    def model_of(strategy, training, n, *layers):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = keras.Sequential([
                keras.Input((12, 12, 3)), keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
                *[layer() for layer in layers],
                keras.layers.Flatten(), keras.layers.Dense(3),
            ])
            compile_model(model, training, n)
        return model

    def pair(training, train, *layers):
        runs = []
        for strategy in (one, three):
            model = model_of(strategy, training, len(train), *layers)
            history = Engine(model, strategy).fit(train, training, seed=0).history
            runs.append((model.get_weights(), history))
        (w1, h1), (w3, h3) = runs
        return {
            "difference": max(float(np.abs(a - b).max()) for a, b in zip(w1, w3)),
            "histories": [h1, h3],
        }

    results = {}
    common = dict(epochs=3, batch_size=16, optimizer="adamw", learning_rate=0.01)
    # 33 = 16 + 16 + 1: two of three replicas have nothing of the last batch.
    for n in (33, 37):
        training = Training(**common, class_weight="balanced", ema=0.9, shift=2, flip=True)
        results[f"weighted {n}"] = pair(training, examples(n))
    norm = lambda: keras.layers.BatchNormalization(synchronized=True)
    # Equal shares: statistics over three replicas are then those of the batch.
    results["synchronized"] = pair(Training(**common), examples(36 + 12), norm)

    # Begun on one device and stopped within the second epoch, it goes on on three.
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self._epoch = epoch
        def on_train_batch_begin(self, batch, logs=None):
            if stopping and (self._epoch, batch) == (1, 2):
                raise KeyboardInterrupt
            seen.append((self._epoch, batch))
    training, train = Training(**common, ema=0.9), examples(37)
    with tempfile.TemporaryDirectory() as folder:
        for strategy, stopping in ((one, True), (three, False)):
            store = CheckpointStore(Path(folder), {}, seconds=0)
            model, seen = model_of(strategy, training, 37), []
            engine = Engine(model, strategy, seconds_per_call=0)
            with contextlib.suppress(KeyboardInterrupt):
                engine.fit(train, training, seed=0, callbacks=[Stop()], checkpoints=store)
    results["went on at"] = seen[0]
    whole = model_of(one, training, 37)
    history = Engine(whole).fit(train, training, seed=0).history
    pairs = zip(whole.get_weights(), model.get_weights())
    results["resumed"] = {
        "difference": max(float(np.abs(a - b).max()) for a, b in pairs),
        "histories": [history, model.history.history],
    }

    # Without synchronisation: the moving mean is still that of all the images.
    training = Training(epochs=1, batch_size=12, optimizer="sgd", learning_rate=1e-12)
    train = examples(36)
    means = []
    for strategy in (one, three):
        model = model_of(strategy, training, 36, keras.layers.BatchNormalization)
        Engine(model, strategy).fit(train, training, seed=0)
        means.append(model.layers[2].moving_mean.numpy())
        if strategy is three:
            copies = [v.numpy() for v in model.layers[2].moving_variance.value.values]
            results["copies"] = max(float(np.abs(copies[0] - c).max()) for c in copies)
    results["moving mean"] = float(np.abs(means[0] - means[1]).max())

    # Dropout: the same image on all replicas, so that equal masks would give equal outputs.
    seen = []
    class Spy(keras.layers.Layer):
        def call(self, x):
            context = tf.distribute.get_replica_context()
            if context is not None:  # it is None while the model is built
                keep = lambda replica, v: seen.append((int(replica), v.numpy().tobytes()))
                tf.py_function(keep, [context.replica_id_in_sync_group, x], [])
            return x
    train = Examples(np.full((3, 12, 12, 3), 99, np.uint8), np.zeros(3, np.int32))
    training = Training(epochs=1, batch_size=3)
    model = model_of(three, training, 3, lambda: keras.layers.Dropout(0.5), Spy)
    state = model.layers[2].seed_generator.state
    run, steps = compile_steps(model, three, train, training, 0)
    before = [v.numpy().tolist() for v in state.value.values]
    with three.scope():
        run(np.arange(3, dtype=np.int32), 0, 0, 1)
    results["masks"] = len({mask for _, mask in seen})
    results["replicas"] = sorted(replica for replica, _ in seen)
    after = [v.numpy().tolist() for v in state.value.values]
    results["seeds"] = [before, after]
    print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", ["weighted 33", "weighted 37", "synchronized", "resumed"])
def test_three_devices_give_the_weights_and_the_history_of_one(results, case):
    assert results[case]["difference"] < 2e-5
    one, three = results[case]["histories"]
    assert one["accuracy"] == pytest.approx(three["accuracy"], abs=1e-6)
    assert one["loss"] == pytest.approx(three["loss"], rel=1e-5)


def test_three_devices_went_on_within_the_epoch(results):
    assert results["went on at"] == [1, 2]


def test_moving_statistics_are_those_of_all_replicas_and_the_same_on_each(results):
    assert results["moving mean"] < 1e-6
    assert results["copies"] == 0


def test_each_replica_drops_out_units_of_its_own(results):
    assert results["replicas"] == [0, 1, 2]
    assert results["masks"] == 3
    # Outside the compiled steps the copies are equal: a checkpoint keeps one of them.
    before, after = results["seeds"]
    assert before[0] == before[1] == before[2]
    assert after == [[before[0][0], before[0][1] + 1]] * 3
