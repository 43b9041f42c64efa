"""Trains one model of a search by the engine, where it cannot be packed."""

import time
from typing import Any

import keras
import msgspec

from kerasdl.evaluation.metrics import score
from kerasdl.training.compiling import class_loss
from kerasdl.training.engine import Engine
from kerasdl.training.packed.histories import Keep
from kerasdl.tuning.compiled_metrics import scalars, validation_scores
from kerasdl.tuning.objectives import with_sum
from kerasdl.tuning.search_arguments import Labelled
from kerasdl.tuning.training_jobs import Job, MakeCallbacks, Rows, Trained, closing


def train_alone(
    job: Job,
    train: Labelled,
    validation: Labelled,
    *,
    objective: Any,
    keep: Keep | None,
    callbacks: MakeCallbacks,
) -> Trained:
    """Trains a model by the engine, in the order of its own seed.

    Args:
        job: The model.
        train: To fit on.
        validation: To score after every epoch.
        objective: KerasTuner's.
        keep: By which score its best epoch is kept; None for the last epoch, but with patience.
        callbacks: Makes the callbacks of the training.
    """
    engine, training = Engine(job.model), job.training
    # The loss takes them so.
    examples: Any = Rows(train.rows.images, train.targets)
    scorer = _Scores(engine, validation, objective)
    own = [scorer, *callbacks(job.name, training.batch_size)]
    keeper = None
    if keep is not None or training.patience:
        # Of its own, since the engine's goes by the loss and always ends the training.
        keeper = keeper_of(keep, training.patience or training.num_epochs(len(examples)))
        own.append(keeper)
        training = msgspec.structs.replace(training, patience=0)
    started = time.perf_counter()
    error = None
    given: dict[str, Any] = {"seed": job.seed, "initial_epoch": job.initial_epoch}
    try:
        with closing(own):
            engine.fit(examples, training, callbacks=own, **given)
    except FloatingPointError as failure:
        error = str(failure)
    seconds = time.perf_counter() - started
    epoch = len(scorer.history.get("loss", [])) - 1
    if keeper is not None and keeper.best_weights is not None and error is None:
        epoch = keeper.best_epoch - job.initial_epoch
    rows = validation.rows
    right = engine.predict(rows.images).argmax(axis=1) == rows.labels
    return Trained(scorer.history, max(epoch, 0), right, error, seconds, 1)


def keeper_of(keep: Keep | None, patience: int) -> keras.callbacks.EarlyStopping:
    """Returns what keeps the best epoch's weights, and ends a training without a better one.

    Args:
        keep: By which score; None for the validation loss.
        patience: Epochs without a better one, >= 1.
    """
    monitor = keep or Keep("val_loss", "min")
    return keras.callbacks.EarlyStopping(
        monitor=monitor.column, mode=monitor.direction, patience=patience, restore_best_weights=True
    )


class _Scores(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores the validation examples after every epoch, whether a model ends in a softmax or not.

    Args:
        engine: The model's.
        validation: The examples.
        objective: KerasTuner's.
    """

    def __init__(self, engine: Engine, validation: Labelled, objective: Any) -> None:
        super().__init__()
        self._engine, self._validation, self._objective = engine, validation, objective
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the scores to the logs, for the callbacks that follow."""
        rows, targets, _ = self._validation
        outputs = self._engine.predict(rows.images)
        # A classifier's loss says what it gives; that of a SmoothedCrossentropy is logits.
        config = class_loss(self.model.loss).get_config()
        found = score(rows.labels, outputs, from_logits=config.get("from_logits", True))
        assert logs is not None
        logs |= validation_scores(self.model, targets, outputs)
        logs["val_loss"], logs["val_accuracy"] = found.loss, found.accuracy
        logs |= with_sum(self._objective, logs)
        for name, value in scalars(logs).items():
            self.history.setdefault(name, []).append(value)
