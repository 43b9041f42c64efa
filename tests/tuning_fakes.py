"""Outcomes of trials as a search would leave them, with invented scores."""

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.tuning.outcomes import Execution, Outcome, pack_answers

IMAGES = 2000

INFO = DatasetInfo(
    name="mnist",
    title="MNIST",
    source="local",
    verified=True,
    partial=None,
    train=55000,
    validation=IMAGES,
    test=10000,
    sha256="0" * 64,
    image_shape=(28, 28, 1),
    class_names=[str(i) for i in range(10)],
)


def execution(seed, wrong, *, images=IMAGES, epochs=6, shift=0, loss=None):
    """A training that answers `wrong` images wrongly, from image `shift` on."""
    right = np.ones(images, bool)
    right[(np.arange(wrong) + shift) % images] = False
    accuracy = float(np.float32(right.mean()))
    loss = (1 - accuracy) * 3 if loss is None else loss
    rise = [1 - 0.5 ** (epoch + 1) * 0.2 for epoch in range(epochs)]
    rise[-1] = 1.0
    history = {
        "loss": [2 * loss / part for part in rise],
        "accuracy": [accuracy * part for part in rise],
        "val_loss": [loss / part for part in rise],
        "val_accuracy": [accuracy * part for part in rise],
    }
    scores = {key: values[-1] for key, values in history.items()}
    return Execution(seed, history, epochs - 1, scores, pack_answers(right))


def outcome(number, values, executions, *, parameters=None, message=None):
    """A trial; with a message it failed."""
    return Outcome(
        trial_id=f"{number:04d}",
        values=values,
        status="COMPLETED" if message is None else "FAILED",
        message=message,
        parameters=1000 + number if parameters is None else parameters,
        seconds=1.5 + number,
        packed=4,
        executions=executions,
    )


def trial(number, values, wrong, **more):
    """A completed trial; `wrong` has the number of wrong answers for each seed."""
    shift = more.pop("shift", 0)
    runs = [execution(seed, count, shift=shift) for seed, count in enumerate(wrong)]
    return outcome(number, values, runs, **more)


def noisy(number, values, level, *, seeds=3, images=IMAGES, rng=None, epochs=12, **more):
    """A completed trial with noise: the share `level` of right answers on average."""
    rng = rng or np.random.default_rng(number)
    hard = np.random.default_rng(99).normal(size=images)
    runs = []
    for seed in range(seeds):
        threshold = np.quantile(hard, level) + 0.02 * rng.normal()
        right = hard + 0.15 * rng.normal(size=images) < threshold
        accuracy = float(right.mean())
        t = np.arange(1, epochs + 1)
        curve = accuracy * (1 - 0.12 * np.exp(-t / 2)) + 0.002 * rng.normal(size=epochs)
        curve[-1] = accuracy
        loss = 0.05 + 3 * (1 - curve)
        history = {
            "loss": (loss * 0.5).tolist(),
            "accuracy": np.minimum(1, curve + 0.01).tolist(),
            "val_loss": loss.tolist(),
            "val_accuracy": curve.tolist(),
        }
        scores = {key: values_[-1] for key, values_ in history.items()}
        runs.append(Execution(seed, history, epochs - 1, scores, pack_answers(right)))
    return outcome(number, values, runs, **more)
