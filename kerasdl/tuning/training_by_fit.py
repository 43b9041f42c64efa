"""Trains one model of a search as KerasTuner does: by `HyperModel.fit`, Keras's or one's own."""

import time
import zlib
from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.src.engine import tuner_utils

from kerasdl.training.compiling import class_loss
from kerasdl.training.packed.histories import Keep
from kerasdl.tuning.compiled_metrics import scalars
from kerasdl.tuning.objectives import with_sum
from kerasdl.tuning.search_arguments import SearchArguments
from kerasdl.tuning.training_alone import keeper_of
from kerasdl.tuning.training_jobs import Job, MakeCallbacks, Trained, closing


def train_by_fit(
    job: Job,
    arguments: SearchArguments,
    *,
    hypermodel: Any,
    objective: Any,
    keep: Keep | None,
    callbacks: MakeCallbacks,
    users_callbacks: Callable[[Job], list[keras.callbacks.Callback]],
) -> Trained:
    """Trains a model by its HyperModel's `fit`, which gets what the search was given.

    Args:
        job: The model.
        arguments: Of the search.
        hypermodel: KerasTuner's.
        objective: KerasTuner's.
        keep: By which score the best epoch is kept, as KerasTuner keeps it; None for what `fit`
            leaves.
        callbacks: Makes callbacks of the training, e.g. a progress bar.
        users_callbacks: Makes copies of those that the search was given.

    Raises:
        keras_tuner.errors.FatalError: If `fit` returns what KerasTuner cannot use.
    """
    recorder = _Recorder(objective, keep)
    own = [*users_callbacks(job), recorder, *callbacks(job.name, job.training.batch_size)]
    if job.training.patience:
        own.insert(0, keeper_of(keep, job.training.patience))
    options = {**arguments.options, "callbacks": own}
    if job.hp is not None and "tuner/epochs" in job.hp.values:
        options |= {"epochs": job.training.epochs, "initial_epoch": job.initial_epoch}
    if not has_own_fit(hypermodel):
        options.setdefault("verbose", 0)
    # Here again: many models may have been built since this one.
    keras.utils.set_random_seed(job.seed)
    started = time.perf_counter()
    with closing(own):
        results = hypermodel.fit(job.hp, job.model, *arguments.args, **options)
    seconds = time.perf_counter() - started
    tuner_utils.validate_trial_results(results, objective, "HyperModel.fit()")
    recorder.restore_best()
    if isinstance(results, keras.callbacks.History):
        history = _columns(results.history, objective)
        count = max(map(len, history.values()), default=0)
        epoch = recorder.best(history) if keep else recorder.epoch_left(count)
    else:
        scores = scalars(tuner_utils.convert_to_metrics_dict(results, objective))
        history, epoch = {name: [value] for name, value in scores.items()}, 0
    right = _right(job.model, arguments)
    return Trained(history, epoch, right, None, seconds, 1)


def has_own_fit(hypermodel: Any) -> bool:
    """Whether a HyperModel has a `fit` other than KerasTuner's, which is Keras's."""
    if not isinstance(hypermodel, keras_tuner.HyperModel):
        return False
    return type(hypermodel).fit is not keras_tuner.HyperModel.fit or "fit" in vars(hypermodel)


def _columns(history: Any, objective: Any) -> dict[str, list[float]]:
    """Returns a History's columns of numbers, and what several objectives come to."""
    columns = {
        name: [float(value) for value in values]
        for name, values in history.items()
        if not any(map(np.ndim, values))
    }
    whole = with_sum(objective, {name: np.array(values) for name, values in columns.items()})
    return {name: np.asarray(values).tolist() for name, values in whole.items()}


def _right(model: keras.Model, arguments: SearchArguments) -> Any:
    """Returns which validation images are classified correctly; none where nobody can say."""
    if arguments.validation is None or class_loss(model.loss) is None:
        return np.zeros(0, bool)
    rows = arguments.validation.rows
    return model.predict(rows.images, verbose=0).argmax(axis=-1) == rows.labels


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the best epoch's weights, or finds out of which epoch the last ones are.

    Args:
        objective: KerasTuner's.
        keep: As of `train_by_fit`.
    """

    def __init__(self, objective: Any, keep: Keep | None) -> None:
        super().__init__()
        self._objective, self._keep = objective, keep
        self._marks: list[int] = []
        self._best: tuple[float, list[Any]] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the weights of an epoch."""
        if self._keep is None:
            self._marks.append(_mark(self.model))
            return
        if not self._objective.has_value(logs):
            # As KerasTuner: what is computed after `fit` is that of its end.
            self._best = None
            return
        value = float(self._objective.get_value(logs))
        if self._best is None or self._objective.better_than(value, self._best[0]):
            self._best = value, self.model.get_weights()

    def restore_best(self) -> None:
        """Puts the best epoch's weights back, if they are wanted and known."""
        if self._best is not None:
            self.model.set_weights(self._best[1])

    def best(self, history: dict[str, list[float]]) -> int:
        """Returns the best epoch of a history."""
        values = history.get(self._objective.name, [0.0])
        pick = np.nanargmin if self._objective.direction == "min" else np.nanargmax
        return int(pick(values)) if not np.isnan(values).all() else len(values) - 1

    def epoch_left(self, count: int) -> int:
        """Returns of which of the last `count` epochs the model's weights are, from 0.

        An EarlyStopping with restore_best_weights, for one, leaves those of an earlier one.
        """
        marks = self._marks[-count:]
        mark = _mark(self.model)
        for epoch in reversed(range(len(marks))):
            if marks[epoch] == mark:
                return epoch
        return max(count - 1, 0)


def _mark(model: keras.Model) -> int:
    """Returns a checksum of a model's weights."""
    mark = 0
    for weight in model.get_weights():
        mark = zlib.crc32(np.ascontiguousarray(weight).tobytes(), mark)
    return mark
