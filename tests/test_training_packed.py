"""Packed training is each model's own training: weights and histories are the Engine's."""

import keras
import numpy as np
import pytest

from kerasdl.datasets.dataset import Examples, Features
from kerasdl.training.checkpoint import CheckpointStore
from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import Engine
from kerasdl.training.packed import Packed
from kerasdl.training.packed.histories import Keep
from kerasdl.training.schedules import WarmupDecay
from kerasdl.training.settings import Training

SHAPE = (6, 6, 1)
ADAM = Training(epochs=2, batch_size=16, optimizer="adam", learning_rate=3e-3, schedule="constant")


def mlp(*units, activation="relu", norm=False, skip=False, regularizer=None, dropout=0.0, seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    for width in units:
        before = x
        x = keras.layers.Dense(width, kernel_regularizer=regularizer, use_bias=not norm)(x)
        if norm:
            x = keras.layers.BatchNormalization(momentum=0.8)(x)
        x = keras.layers.Activation(activation)(x)
        if skip and before.shape == x.shape:
            x = keras.layers.Add()([before, x])
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    outputs = keras.layers.Dense(3, kernel_regularizer=regularizer)(x)
    return keras.Model(inputs, outputs)


def sequential(*units, activation="relu", seed=0):
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(width, activation=activation) for width in units]
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), *hidden]
    return keras.Sequential([keras.Input(SHAPE), *layers, keras.layers.Dense(3)])


def assert_each_is_its_own_training(makers, trainings, train, tolerance, validation=None):
    """Trains all packed, then each alone by the Engine, and compares."""
    packed = Packed([make() for make in makers], trainings)
    histories = packed.fit(train, seed=3, validation=validation)
    models = packed.unpack()
    assert not packed.failed
    for make, training, model, history in zip(makers, trainings, models, histories, strict=True):
        alone = make()
        if not alone.compiled:
            compile_model(alone, training, len(train))
        fitted = Engine(alone).fit(train, training, seed=3, validation=validation)
        for one, other in zip(model.weights, alone.weights, strict=True):
            np.testing.assert_allclose(one, other, **tolerance, err_msg=one.path)
        assert sorted(history) == sorted(fitted.history)
        for name, values in fitted.history.items():
            # Keras's own means are float32.
            np.testing.assert_allclose(history[name], values, rtol=1e-5, atol=1e-6, err_msg=name)
    return packed


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


# An epsilon above Keras's 1e-7: where the parts of a gradient cancel out, Adam divides what
# rounding leaves of it by epsilon.
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(3e-3, epsilon=1e-4),
    "adamw": lambda: keras.optimizers.AdamW(
        WarmupDecay(3e-3, 8, 0.3, "cosine"), weight_decay=0.3, epsilon=1e-4
    ),
    "nesterov": lambda: keras.optimizers.SGD(3e-2, momentum=0.9, nesterov=True, weight_decay=0.1),
    "momentum": lambda: keras.optimizers.SGD(3e-2, momentum=0.9),
    "sgd": lambda: keras.optimizers.SGD(3e-2),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_in_float64_the_weights_agree_to_nine_digits(optimizer, float64, examples):
    makers = [
        lambda: sequential(60),
        lambda: sequential(600, activation="tanh"),
        lambda: sequential(60, 60),
        lambda: sequential(60, 60, 60, seed=1),
        lambda: mlp(8, 8, norm=True),
        lambda: mlp(8, 8, norm=True, seed=1),
        lambda: mlp(8, regularizer=keras.regularizers.L1L2(1e-3, 1e-2)),
    ]

    def compiled(make):
        def made():
            model = make()
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(OPTIMIZERS[optimizer](), loss, metrics=["accuracy"], jit_compile=False)
            return model

        return made

    makers = [compiled(make) for make in makers]
    train = examples(50, SHAPE)  # 16 + 16 + 16 + 2: the last batch is a partial one
    assert_each_is_its_own_training(
        makers, [ADAM] * len(makers), train, {"rtol": 1e-9, "atol": 1e-9}
    )


def test_learning_rates_schedules_and_optimizers_of_their_own(examples):
    changes = [
        {"learning_rate": 1e-2},
        {"learning_rate": 1e-3},
        {"learning_rate": 2e-4, "weight_decay": 1.0, "optimizer": "adamw"},
        {"schedule": "cosine", "warmup": 0.2, "learning_rate": 2e-3},
        {"schedule": "cosine", "warmup": 0.2, "learning_rate": 7e-3},
        {"schedule": "triangular", "optimizer": "sgd", "learning_rate": 1e-2},
        {"optimizer": "sgd", "label_smoothing": 0.2},
    ]
    trainings = [Training(**{"epochs": 2, "batch_size": 16, **change}) for change in changes]
    makers = [lambda: sequential(8)] * len(changes)
    packed = assert_each_is_its_own_training(
        makers, trainings, examples(50, SHAPE), {"rtol": 1e-4, "atol": 2e-6}, examples(20, SHAPE)
    )
    # Constant rates together, whatever they are; each schedule, and SGD, apart.
    assert [len(pack.indices) for pack in packed._packs] == [3, 2, 1, 1]


def test_depths_activations_and_skips(examples):
    makers = [
        *(lambda n=n, a=a: sequential(*[8] * n, activation=a) for n in (0, 1, 3, 9) for a in ACTS),
        *(lambda n=n: mlp(*[8] * n, skip=True, norm=True) for n in (2, 4)),
        lambda: mlp(8, 7, skip=True),
    ]
    assert_each_is_its_own_training(
        makers, [ADAM] * len(makers), examples(40, SHAPE), {"rtol": 1e-3, "atol": 3e-5}
    )


ACTS = ("sigmoid", "leaky_relu")


def test_compiled_models_keep_their_optimizer_and_loss(examples):
    def make():
        model = sequential(8)
        model.add(keras.layers.Softmax())
        loss = keras.losses.SparseCategoricalCrossentropy()
        optimizer = keras.optimizers.SGD(0.1)
        model.compile(optimizer, loss, metrics=["accuracy"])
        return model

    assert_each_is_its_own_training(
        [make, make], [ADAM] * 2, examples(40, SHAPE), {"rtol": 1e-4, "atol": 1e-6}
    )


def test_augmentation_and_class_weights_are_those_of_the_engine(examples):
    training = Training(
        epochs=2, batch_size=16, shift=1, rotation=10.0, flip=True, class_weight="balanced"
    )
    assert_each_is_its_own_training(
        [lambda: sequential(8), lambda: sequential(5)],
        [training] * 2,
        examples(50, SHAPE),
        {"rtol": 1e-4, "atol": 1e-6},
    )


def test_dropout_does_not_depend_on_the_other_models(examples):
    train = examples(50, SHAPE)
    makers = [lambda: mlp(8, 8, dropout=0.5), lambda: mlp(8, 8, dropout=0.2)] * 2
    seeds = [0, 1, 2, 2]
    together = Packed([make() for make in makers], [ADAM] * 4)
    together.fit(train, seed=3, seeds=seeds)
    models = together.unpack()
    for make, model, seed in zip(makers, models, seeds, strict=True):
        alone = Packed([make()], [ADAM])
        alone.fit(train, seed=3, seeds=[seed])
        for one, other in zip(model.get_weights(), alone.unpack()[0].get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert not np.allclose(models[0].get_weights()[0], models[2].get_weights()[0], atol=1e-4)


def test_dropout_keeps_its_share_and_the_mean(examples):
    from kerasdl.training.packed.forward import Forward

    packed = Packed([mlp(100, dropout=0.3), mlp(100, dropout=0.6)], [ADAM] * 2)
    packed.fit(examples(4, SHAPE), seed=0, seeds=[0, 1])
    layout = packed._packs[0].layout
    (part,) = (part for part in layout.parts() if part.node.dropout)
    forward = Forward(layout, None, {}, np.int64(5), np.array([0, 1]))
    out = forward._dropped(part, np.ones((2, 500, 100), np.float32))
    np.testing.assert_allclose(np.mean(np.asarray(out) == 0, axis=(1, 2)), [0.3, 0.6], atol=0.01)
    np.testing.assert_allclose(np.mean(out, axis=(1, 2)), 1.0, atol=0.02)


def test_a_model_that_fails_does_not_harm_the_others(examples):
    train, held_out = examples(50, SHAPE), examples(20, SHAPE, seed=1)
    training = Training(epochs=3, batch_size=16, optimizer="sgd", schedule="constant")
    models = [sequential(8, 8, seed=seed) for seed in range(3)]
    models[1].layers[2].kernel.assign(np.full((36, 8), 1e38))
    packed = Packed(models, [training] * 3)
    histories = packed.fit(train, seed=3, validation=held_out)
    assert list(packed.failed) == [1]
    assert "became nan or infinite in epoch 1" in packed.failed[1]
    assert np.isnan(histories[1]["val_loss"]).all()
    good = Packed([sequential(8, 8, seed=seed) for seed in (0, 2)], [training] * 2)
    expected = good.fit(train, seed=3, validation=held_out)
    for place, other in ((0, 0), (2, 1)):
        assert len(histories[place]["loss"]) == 3
        for name, values in expected[other].items():
            np.testing.assert_allclose(histories[place][name], values, rtol=1e-5)


def test_patience_keeps_the_best_epoch_as_the_engine_does(examples):
    train, other = examples(30, SHAPE), examples(20, SHAPE, seed=1)
    # What is learned makes the validation worse.
    held_out = Examples(other.images, (other.labels + 1) % 3)
    base = {"epochs": 12, "batch_size": 8, "optimizer": "adam", "schedule": "constant"}
    trainings = [
        Training(**base, learning_rate=0.3, patience=2),
        Training(**base, learning_rate=1e-4, patience=2),
        Training(**base, learning_rate=0.3),
    ]
    makers = [lambda: sequential(8)] * 3
    tolerance = {"rtol": 1e-3, "atol": 1e-4}
    packed = assert_each_is_its_own_training(makers, trainings, train, tolerance, held_out)
    lengths = [len(history["loss"]) for history in packed.histories]
    assert lengths[0] < 12
    assert lengths[2] == 12


@pytest.mark.parametrize(("column", "best"), [("val_loss", np.argmin), ("val_accuracy", np.argmax)])
def test_the_best_epochs_weights_can_be_kept_without_an_early_end(column, best, examples):
    train, other = examples(30, SHAPE), examples(21, SHAPE, seed=1)
    # What is learned makes the validation worse.
    held_out = Examples(other.images, (other.labels + 1) % 3)
    training = Training(epochs=6, batch_size=8, learning_rate=0.1, schedule="constant")
    packed = Packed([sequential(8, seed=seed) for seed in range(4)], [training] * 4)
    keep = Keep(column, "min" if column == "val_loss" else "max")
    histories = packed.fit(train, seed=0, validation=held_out, keep=keep)
    assert [len(history["loss"]) for history in histories] == [6] * 4
    assert packed.epochs.tolist() == [best(history[column]) for history in histories]
    assert set(packed.epochs.tolist()) != {5}
    kept = packed.evaluate(held_out)[column.removeprefix("val_")]
    ends = zip(histories, packed.epochs, strict=True)
    expected = [history[column][epoch] for history, epoch in ends]
    np.testing.assert_allclose(kept, expected, rtol=1e-5)
    packed.fit(train, seed=0, validation=held_out)
    assert packed.epochs.tolist() == [5] * 4


def test_callbacks_see_the_means_and_can_stop(examples):
    class Spy(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.logs = []

        def on_epoch_end(self, epoch, logs=None):
            self.logs.append((epoch, logs))
            self.model.stop_training = epoch == 1

    spy = Spy()
    packed = Packed([sequential(8), sequential(4)], [Training(epochs=5, batch_size=16)] * 2)
    histories = packed.fit(examples(50, SHAPE), seed=0, callbacks=[spy])
    assert [epoch for epoch, _ in spy.logs] == [0, 1]
    assert len(histories[0]["loss"]) == 2
    expected = np.mean([history["loss"][1] for history in histories])
    assert spy.logs[1][1]["loss"] == pytest.approx(expected)


def test_predict_and_evaluate_are_those_of_the_unpacked_models(examples):
    train = examples(50, SHAPE)
    packed = Packed([sequential(8), mlp(8, norm=True), sequential(8, seed=1)], [ADAM] * 3)
    packed.fit(train, seed=0)
    logits, scores = packed.predict(train.images, batch_size=7), packed.evaluate(train)
    assert logits.shape == (3, 50, 3)
    for place, model in enumerate(packed.unpack()):
        engine = Engine(model)
        np.testing.assert_allclose(
            logits[place], engine.predict(train.images), rtol=1e-4, atol=1e-5
        )
        for name, value in engine.evaluate(train).items():
            assert scores[name][place] == pytest.approx(value, rel=1e-5)
    assert packed.predict(train.images[:0]).shape == (3, 0, 3)


def test_many_packs_compute_what_one_computes(examples, monkeypatch):
    train = examples(50, SHAPE)
    results = []
    for size in (1, 1 << 30):
        monkeypatch.setattr("kerasdl.training.packed.plan.PACK_BYTES", size)
        packed = Packed([sequential(*[8] * n) for n in (2, 0, 1, 2)], [ADAM] * 4)
        packed.fit(train, seed=0)
        results.append((len(packed._packs), packed.predict(train.images)))
    assert [count for count, _ in results] == [4, 1]
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-5)


def test_mixed_bfloat16_trains_in_bfloat16(examples):
    from kerasdl.training.precision import policy

    with policy("mixed_bfloat16"):
        models = [sequential(8), sequential(8, seed=1)]
    packed = Packed(models, [Training(epochs=8, batch_size=16, learning_rate=1e-2)] * 2)
    histories = packed.fit(examples(60, SHAPE), seed=0)
    assert all(history["loss"][-1] < 0.7 * history["loss"][0] for history in histories)
    assert {weight.dtype for model in packed.unpack() for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_survivors_go_on_as_if_all_had(optimizer, float64, examples):
    """Some of the models, packed anew with their optimizers' state, end at the same weights."""
    train = examples(50, SHAPE)

    def models():
        made = [sequential(20), sequential(30), mlp(8, norm=True, dropout=0.3), sequential(20, 9)]
        for number, model in enumerate(made):
            rule = OPTIMIZERS[optimizer]()
            if not isinstance(rule._learning_rate, WarmupDecay):
                # Of its own: a pack holds such weights, and momentum, in its own units.
                rule.learning_rate = 1e-3 * (number + 1)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(rule, loss, jit_compile=False)
        return made

    whole = Training(epochs=4, batch_size=16)
    undisturbed = Packed(models(), [whole] * 4)
    undisturbed.fit(train, seed=3, seeds=[0, 1, 2, 3])
    expected = undisturbed.unpack()
    first = Packed(models(), [Training(epochs=2, batch_size=16)] * 4)
    first.fit(train, seed=3, seeds=[0, 1, 2, 3])
    survivors = first.unpack(optimizers=True)[2:0:-1]
    second = Packed(survivors, [whole] * 2)
    history = second.fit(train, seed=3, seeds=[2, 1], initial_epoch=2)
    assert [len(one["loss"]) for one in history] == [2, 2]
    for model, other in zip(second.unpack(), (expected[2], expected[1]), strict=True):
        for one, two in zip(model.weights, other.weights, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9, err_msg=one.path)


def test_a_pack_that_goes_on_ends_where_the_engine_does(float64, examples):
    train = examples(48, SHAPE)
    long, short = Training(epochs=2, batch_size=16), Training(epochs=1, batch_size=16)

    def model():
        made = sequential(12)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        made.compile(OPTIMIZERS["adam"](), loss, metrics=["accuracy"], jit_compile=False)
        return made

    alone = model()
    Engine(alone).fit(train, long, seed=3)
    packed = Packed([model(), model()], [short] * 2)
    packed.fit(train, seed=3)
    (going, _) = packed.unpack(optimizers=True)
    assert int(going.optimizer.iterations.numpy()) == 3
    # Alone now, in the order of the second epoch.
    again = Packed([going], [long])
    again.fit(train, seed=3, initial_epoch=1)
    for one, two in zip(again.unpack()[0].weights, alone.weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_an_initial_epoch_lies_within_the_training(examples):
    packed = Packed([sequential(4)], [ADAM])
    for epoch in (-1, 2):
        with pytest.raises(ValueError, match=r"initial_epoch < 2\. Received"):
            packed.fit(examples(20, SHAPE), seed=0, initial_epoch=epoch)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_features_of_a_frozen_base_are_packed_as_the_engine_trains_on_them(dtype, tmp_path):
    import ml_dtypes

    def head(units, seed):
        keras.utils.set_random_seed(seed)
        hidden = [keras.layers.Dense(width, activation="relu") for width in units]
        return keras.Sequential([keras.Input((20,)), *hidden, keras.layers.Dense(3)])

    generator = np.random.default_rng(0)
    labels = (np.arange(60) % 3).astype(np.int32)
    rows = generator.normal(size=(60, 20)) + 2.0 * (np.arange(20) % 3 == labels[:, None])
    number_format = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float32)
    rows.astype(number_format).tofile(tmp_path / "rows")
    # As from the cache of features: mapped into memory and read-only.
    mapped = np.memmap(tmp_path / "rows", np.uint8, "r").view(number_format).reshape(60, 20)
    train = Features(mapped, labels)
    makers = [lambda: head((), 0), lambda: head((8,), 1), lambda: head((8, 8), 2)]
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    packed = assert_each_is_its_own_training(makers, [ADAM] * 3, train, tolerance, train)
    assert packed.predict(mapped).shape == (3, 60, 3)


class Killed(BaseException):
    """As a kill: nothing catches it."""


class KillAt(keras.callbacks.Callback):
    """Ends the process, as it were, after some calls."""

    def __init__(self, calls):
        super().__init__()
        self._calls = calls

    def on_train_batch_end(self, batch, logs=None):
        self._calls -= 1
        if self._calls < 0:
            raise Killed


@pytest.mark.parametrize("patience", [0, 2])
def test_a_killed_training_ends_with_the_bits_of_an_uninterrupted_one(examples, tmp_path, patience):
    train, held_out = examples(48, SHAPE), examples(24, SHAPE, seed=9)

    def models():
        made = [mlp(12, dropout=0.3), sequential(9, seed=1), mlp(5, norm=True, seed=2)]
        made[1].compile(
            keras.optimizers.Nadam(1e-2),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        return made

    # Shifts draw numbers, and the rate depends on the step: both go on where they were.
    training = Training(epochs=5, batch_size=16, learning_rate=1e-2, shift=1, patience=patience)
    trainings = [training] * 3
    shared = {"seed": 3, "seeds": [0, 1, 2], "validation": held_out, "seconds_per_call": 0}
    whole = Packed(models(), trainings)
    expected = whole.fit(train, **shared)

    def store():
        return CheckpointStore(tmp_path / "here", {"what": "three"}, seconds=0)

    kills = 0
    while True:
        packed = Packed(models(), trainings)
        try:
            found = packed.fit(train, **shared, checkpoints=store(), callbacks=[KillAt(4)])
        except Killed:
            kills += 1
            continue
        break
    assert kills >= 2
    assert found == expected
    assert packed.epochs.tolist() == whole.epochs.tolist()
    for one, other in zip(packed.unpack(), whole.unpack(), strict=True):
        for mine, theirs in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)


def test_a_checkpoint_of_other_models_is_refused(examples, tmp_path):
    train = examples(48, SHAPE)
    store = CheckpointStore(tmp_path / "here", {}, seconds=0)
    Packed([sequential(8)], [ADAM]).fit(train, seed=0, checkpoints=store)
    with pytest.raises(ValueError, match="shapes"):
        Packed([sequential(9)], [ADAM]).fit(train, seed=0, checkpoints=store)
    with pytest.raises(ValueError, match="layer statistics"):
        Packed([sequential(8)], [ADAM], layer_statistics=True).fit(train, seed=0, checkpoints=store)


def test_models_in_the_place_of_others_are_trained_as_if_these_had_never_been(examples):
    train = examples(48, SHAPE)
    other = examples(48, SHAPE, seed=5)

    def models(seed):
        return [mlp(12, dropout=0.4, seed=seed), sequential(9, seed=seed), sequential(9, seed=8)]

    trainings = [ADAM, ADAM, Training(epochs=2, batch_size=16, optimizer="nadam")]
    reused = Packed(models(0), trainings)
    reused.fit(train, seed=0)
    step = reused._compiled
    for seed, data in ((1, train), (2, train), (2, other)):
        reused.replace(models(seed))
        found = reused.fit(data, seed=seed)
        fresh = Packed(models(seed), trainings)
        assert found == fresh.fit(data, seed=seed)
        for one, two in zip(reused.unpack(), fresh.unpack(), strict=True):
            for mine, theirs in zip(one.weights, two.weights, strict=True):
                np.testing.assert_array_equal(mine, theirs, err_msg=mine.path)
    assert reused._compiled is step
    # Another width is another program.
    reused.replace([sequential(7), sequential(9), sequential(9, seed=8)])
    reused.fit(train, seed=0)
    assert reused._compiled is not step
    with pytest.raises(ValueError, match="expected 3 models"):
        reused.replace(models(0)[:2])
