"""Killed at any moment and started again, a training ends with the bits of an undisturbed one."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasdl.training.checkpoint import Checkpoint, CheckpointStore
from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import Engine
from kerasdl.training.settings import Training

TRAINING = Training(
    epochs=4, batch_size=16, learning_rate=0.01, shift=1, flip=True, ema=0.9, patience=2
)
IDENTITY = {"model": "small", "seed": 3, "widths": (1, 2)}


class Stop(keras.callbacks.Callback):
    """Ends a training in the middle, as if the process had died there."""

    class Died(Exception):
        pass

    def __init__(self, calls):
        super().__init__()
        self._calls = calls

    def on_train_batch_end(self, batch, logs=None):
        self._calls -= 1
        if self._calls == 0:
            raise Stop.Died


class Once(keras.callbacks.Callback):
    """Does something after the first checkpoint of a training can have been written."""

    def __init__(self, action):
        super().__init__()
        self._action, self._calls = action, 0

    def on_train_batch_end(self, batch, logs=None):
        self._calls += 1
        if self._calls == 3:
            self._action()


def train(examples, folder=None, callbacks=(), training=TRAINING, said=None, identity=IDENTITY):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Dropout(0.2),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    compile_model(model, training, 60)
    notify = print if said is None else said.append
    store = folder and CheckpointStore(folder, identity, seconds=0, notify=notify)
    history = Engine(model).fit(
        examples(60),
        training,
        seed=3,
        validation=examples(30, seed=1),
        callbacks=callbacks,
        checkpoints=store,
    )
    return model, history


def assert_same(one, other):
    for left, right in zip(one[0].get_weights(), other[0].get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert one[1].history == other[1].history
    assert one[1].epoch == other[1].epoch


# Calls 1 and 2 are one step each, 3 the rest of the first epoch, then each is an epoch:
# the first case goes on in the middle of an epoch, the second at the end of one.
@pytest.fixture(scope="module", params=[3, 5], ids=["in an epoch", "after an epoch"])
def died(examples, tmp_path_factory, request):
    """A folder in which a training died and left its last two checkpoints."""
    folder = tmp_path_factory.mktemp("died") / "checkpoints"
    with pytest.raises(Stop.Died):
        train(examples, folder, [Stop(request.param)])
    assert len(paths(folder)) == 2
    return folder


@pytest.fixture
def interrupted(died, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(died, tmp_path / "checkpoints")


@pytest.fixture(scope="module")
def undisturbed(examples):
    """The training that nothing ends."""
    return train(examples)


def paths(folder):
    return sorted(folder.glob("*.ckpt"))


@pytest.mark.parametrize(("kills", "inside"), [(3, 1), pytest.param(30, 5, marks=pytest.mark.slow)])
def test_kills_change_no_bit(run_python, tmp_path, kills, inside):
    script = Path(__file__).with_name("killing.py")
    done = run_python(script, tmp_path, kills, 0, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) kills \((\d+) inside a write\), (\d+) trainings", done.stdout)
    assert int(found[1]) >= kills
    assert int(found[2]) >= inside
    with np.load(tmp_path / "reference.npz") as result:
        # It stopped early, and the best epoch was not its last.
        assert len(result["epochs"]) < 12
        assert result["history val_loss"].argmin() < len(result["epochs"]) - 1
    for folder in tmp_path.glob("killed*"):
        # Three where the last kill came between the newest one and the removal of the oldest.
        assert 1 <= len(paths(folder)) <= 3
        assert not list(folder.glob(".epoch*"))


def test_a_training_goes_on_where_it_died(examples, interrupted, undisturbed):
    assert_same(train(examples, interrupted), undisturbed)


def test_a_finished_training_is_only_taken_up(examples, tmp_path):
    first = train(examples, tmp_path / "c")
    again = train(examples, tmp_path / "c", [Stop(1)])  # no step is made
    assert_same(first, again)


def test_callbacks_decide_their_own_state(examples, tmp_path):
    class Counter(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self._epochs = []

        def on_epoch_end(self, epoch, logs=None):
            self._epochs.append(epoch)

        def checkpoint_state(self):
            return {"epochs": self._epochs}

        def restore_state(self, state):
            self._epochs = state["epochs"]

    folder = tmp_path / "with counter"
    with pytest.raises(Stop.Died):
        train(examples, folder, [Counter(), Stop(5)])
    counter = Counter()
    train(examples, folder, [counter])
    assert counter._epochs == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-7] + bytes(7),
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: b"PK\x03\x04" + content[4:],
    ],
    ids=["torn", "empty", "end zeroed", "one bit", "another format"],
)
def test_a_damaged_checkpoint_is_named_and_the_older_one_used(
    examples, interrupted, undisturbed, damage
):
    latest = paths(interrupted)[-1]
    latest.write_bytes(damage(latest.read_bytes()))
    said = []
    assert_same(train(examples, interrupted, said=said), undisturbed)
    assert len(said) == 1
    assert str(latest) in said[0]
    assert "older" in said[0]
    assert latest.with_suffix(".unusable").exists()


def test_without_any_good_checkpoint_the_training_starts_anew(examples, interrupted, undisturbed):
    for path in paths(interrupted):
        path.write_bytes(b"nothing")
    said = []
    assert_same(train(examples, interrupted, said=said), undisturbed)
    assert len(said) == 2


def test_a_checkpoint_of_another_training_is_not_used(examples, interrupted, undisturbed):
    said = []
    other = {**IDENTITY, "seed": 4, "widths": (1, 3)}
    assert_same(train(examples, interrupted, said=said, identity=other), undisturbed)
    assert "seed: 3 -> 4; widths: [1, 2] -> [1, 3]" in said[0]


@pytest.mark.parametrize(
    "rest",
    ['"epoch": 1', '"arrays": [], "epoch": "1", "step": 0, "state": {}', '"a": ' + "[" * 10**5,
     f'"arrays": [["int8", [0, {10**30}]]]', '"arrays": [["no such", [1]]]'],
)  # fmt: skip
def test_a_description_that_is_none_is_refused(tmp_path, rest):
    body = f'{{"identity": {{}}, {rest}}}\n'.encode()
    path = tmp_path / "epoch00001-step0000000.ckpt"
    path.write_bytes(
        b"kerasdl-checkpoint 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    )
    said = []
    assert CheckpointStore(tmp_path, {}, notify=said.append).latest() is None
    assert "cannot be used" in said[0]


def test_what_is_saved_comes_back(tmp_path):
    store = CheckpointStore(tmp_path, IDENTITY)
    arrays = [np.float32(3.5), np.arange(6, dtype=np.int64).reshape(2, 3), np.zeros((0, 2), bool)]
    for step in (5, 12, 7):
        store.save(Checkpoint(2, step, arrays, {"a": [1, None, float("inf")]}))
    assert [path.name for path in paths(tmp_path)] == [
        "epoch00002-step0000007.ckpt",
        "epoch00002-step0000012.ckpt",
    ]
    found = store.latest()
    assert (found.epoch, found.step) == (2, 12)
    assert found.state == {"a": [1, None, float("inf")]}
    for one, other in zip(arrays, found.arrays, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    store.clear()
    assert not tmp_path.exists()


def test_checkpoints_are_as_rare_as_asked_and_cost_little(tmp_path):
    store = CheckpointStore(tmp_path, IDENTITY, seconds=1000)
    assert not store.is_due()
    often = CheckpointStore(tmp_path, IDENTITY, seconds=0)
    assert often.is_due()
    slow = CheckpointStore(tmp_path, IDENTITY, seconds=1e-9)
    slow._cost = 60.0  # a slow disk: one write of a minute may come once in 50
    assert not slow.is_due()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_ends_with_an_error_and_the_older_checkpoint(
    examples, interrupted, undisturbed
):
    import resource
    import signal

    before = {path: path.read_bytes() for path in paths(interrupted)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            train(examples, interrupted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in paths(interrupted)} == before
    assert not list(interrupted.glob(".epoch*"))
    assert_same(train(examples, interrupted), undisturbed)


def test_no_permission_ends_with_an_error_and_the_older_checkpoint(
    examples, interrupted, undisturbed, monkeypatch
):
    def refuse(source, target):
        raise PermissionError(13, "Permission denied", str(target))

    before = paths(interrupted)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        train(examples, interrupted)
    monkeypatch.undo()
    assert paths(interrupted) == before
    assert_same(train(examples, interrupted), undisturbed)


def test_a_vanished_folder_is_not_made_anew(examples, tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    with pytest.raises(FileNotFoundError, match="was removed or renamed"):
        train(examples, folder, [Once(lambda: shutil.rmtree(tmp_path / "run"))])
    assert not (tmp_path / "run").exists()


def test_patience_without_validation_images_is_refused(examples):
    model = keras.Sequential([keras.Input((12, 12, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    compile_model(model, TRAINING, 60)
    with pytest.raises(ValueError, match="--validation-fraction"):
        Engine(model).fit(examples(60), TRAINING, seed=0)


def test_the_average_is_validated_and_kept_and_the_raw_weights_go_on(examples):
    class Spy(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.kernels = []

        def on_epoch_end(self, epoch, logs=None):
            self.kernels.append(self.model.get_weights()[0])

    # One step an epoch, so that every step's weights are seen.
    settings = {"epochs": 5, "batch_size": 60, "learning_rate": 0.01}
    raw, averaged = Spy(), Spy()
    train(examples, training=Training(**settings), callbacks=[raw])
    model, _ = train(examples, training=Training(**settings, ema=0.8), callbacks=[averaged])
    average = raw.kernels[0]
    for kernel, seen in zip(raw.kernels, averaged.kernels, strict=True):
        average = 0.8 * average + 0.2 * kernel
        np.testing.assert_allclose(seen, average, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model.get_weights()[0], averaged.kernels[-1])
