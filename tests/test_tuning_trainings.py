"""Trainings of a search: what is trained alone, in which order, and what an error leaves."""

import io

import keras
import numpy as np
import pytest
import tuner_fakes as fakes
from rich.console import Console

from kerasdl.training.engine import Engine
from kerasdl.training.progress import RichProgress
from kerasdl.tuning import training_alone


def test_what_cannot_be_packed_is_trained_alone_with_a_message(tmp_path):
    said = []
    made = fakes.tuner(tmp_path, fakes.convolution, seeds=2, say=said.append)
    outcomes = fakes.run(made)
    assert [(one.status, one.packed) for one in outcomes] == [("COMPLETED", 1)] * 2
    assert len(said) == 2
    assert "trained one by one" in said[1]
    assert "Conv2D" in said[1]
    assert sorted(outcomes[0].executions[0].scores) == ["loss", "val_accuracy", "val_loss"]
    x, y = fakes.data(30, seed=1)
    (model,) = made.get_best_models()
    right = (model.predict(x, verbose=0).argmax(axis=1) == y).mean()
    assert right == max(score for one in outcomes for score in one.scores("val_accuracy"))


def test_a_group_of_what_cannot_be_packed_is_one_trial(tmp_path):
    assert fakes.tuner(tmp_path / "alone", fakes.convolution).group_size == 1
    assert fakes.tuner(tmp_path / "packed").group_size > 1
    assert fakes.tuner(tmp_path / "chosen", fakes.convolution, group_size=3).group_size == 3


def test_what_is_trained_alone_has_the_order_of_its_own_seed(tmp_path, monkeypatch):
    orders, fit = [], Engine.fit

    def noted(self, examples, training, *, seed, **options):
        orders.append(seed)
        return fit(self, examples, training, seed=seed, **options)

    monkeypatch.setattr(training_alone.Engine, "fit", noted)
    oracle = fakes.make_oracle("grid", seed=1)
    options = {"directory": str(tmp_path), "say": lambda text: None}
    fakes.run(fakes.PackedTuner(oracle, fakes.convolution, seeds=2, seed=5, **options), epochs=1)
    assert orders == [5, 6, 5, 6]


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("build", [fakes.widths, fakes.convolution])
@pytest.mark.parametrize("ended", ["diverged", "interrupted"])
def test_no_progress_bar_is_left_of_a_training_that_ended_early(build, ended, tmp_path):
    console = Console(force_terminal=True, file=io.StringIO())
    shown = []

    def callbacks(title, batch_size):
        shown.append(RichProgress(console, title, 60, batch_size))
        return [*shown[-1:], *([Interrupt()] if ended == "interrupted" else [])]

    def make(hp):
        model = build(hp)
        if ended == "diverged":
            model.weights[0].assign(np.full(model.weights[0].shape, np.inf))
        return model

    made = fakes.tuner(tmp_path, make, callbacks=callbacks)
    if ended == "interrupted":
        with pytest.raises(KeyboardInterrupt):
            fakes.run(made)
    else:
        assert {one.status for one in fakes.run(made)} == {"FAILED"}
    assert shown
    assert all(one._bar is None for one in shown)
    assert not getattr(console, "_live_stack", console.__dict__.get("_live"))
