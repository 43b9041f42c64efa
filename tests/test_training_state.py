"""Keras's own callbacks go on after a checkpoint as if nothing had happened."""

import keras
import numpy as np
import pytest

from kerasdl.training import engine
from kerasdl.training.checkpoint import CheckpointStore
from kerasdl.training.compiling import compile_model
from kerasdl.training.settings import Training

TRAINING = Training(epochs=6, batch_size=16, learning_rate=0.01, schedule="constant")
STEPS = 4


class Died(Exception):
    pass


class DieAfter(keras.callbacks.Callback):
    """Ends a training after so many calls of one step each, as if the process had died."""

    def __init__(self, steps):
        super().__init__()
        self._left = steps

    def on_train_batch_begin(self, batch, logs=None):
        if self._left == 0:
            raise Died
        self._left -= 1


def train(examples, callbacks, folder=None):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((12, 12, 3)), keras.layers.Rescaling(1 / 255)])
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(3))
    compile_model(model, TRAINING, 60)
    store = folder and CheckpointStore(folder, {}, seconds=0)
    # Every step a call of its own, so that the steps can be counted.
    one = engine.Engine(model, seconds_per_call=0)
    history = one.fit(
        examples(60),
        TRAINING,
        seed=3,
        validation=examples(30, seed=1),
        callbacks=callbacks,
        checkpoints=store,
    )
    return model.get_weights(), history.history, history.epoch


def assert_goes_on(examples, folder, make, steps):
    with pytest.raises(Died):
        train(examples, [*make(), DieAfter(steps)], folder)
    (weights, *rest), (expected, *others) = train(examples, make(), folder), train(examples, make())
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert rest == others


@pytest.mark.parametrize("steps", [2 * STEPS, 2 * STEPS + 2], ids=["after an epoch", "in an epoch"])
@pytest.mark.parametrize(
    "make",
    [
        # Between the falls of the loss with its sign and with the wrong one.
        lambda: [keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=1.0)],
        lambda: [keras.callbacks.EarlyStopping(patience=2, min_delta=1.0)],
        lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate)],
    ],
    ids=["plateau", "early stopping", "scheduler"],
)
def test_callbacks_of_keras_go_on(examples, tmp_path, make, steps):
    assert_goes_on(examples, tmp_path, make, steps)


def test_a_training_stopped_in_an_epoch_ends_that_epoch_after_a_restart(examples, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations.numpy() == STEPS + 2:
                self.model.stop_training = True

    class DieAtTheEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise Died

    with pytest.raises(Died):
        train(examples, [Stop(), DieAtTheEnd()], tmp_path)
    _, history, epochs = train(examples, [Stop()], tmp_path)
    assert epochs == [0, 1]
    assert len(history["val_loss"]) == 2


def test_a_worker_that_stops_after_an_epoch_stops_all(examples, monkeypatch):
    # As `agree` answers where another worker has set `stop_training`.
    monkeypatch.setattr(engine, "agree", lambda _, own: (*own[:-1], 1) if len(own) == 2 else own)
    *_, epochs = train(examples, [])
    assert epochs == [0]
