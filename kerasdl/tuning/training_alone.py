"""Trains one model of a search by the engine, where it cannot be packed."""

import time
from typing import Any

import keras
import msgspec

from kerasdl.evaluation.metrics import score
from kerasdl.training.engine import Engine
from kerasdl.training.packed.histories import Keep
from kerasdl.tuning.training_jobs import Job, MakeCallbacks, Trained, closing


def train_alone(
    job: Job,
    examples: Any,
    validation: Any,
    *,
    keep: Keep | None,
    callbacks: MakeCallbacks,
) -> Trained:
    """Trains a model by the engine, in the order of its own seed.

    Args:
        job: The model.
        examples: To fit on.
        validation: To score after every epoch.
        keep: By which score its best epoch is kept; None for the last epoch, but with patience.
        callbacks: Makes the callbacks of the training.
    """
    engine, training = Engine(job.model), job.training
    scorer = _Scores(engine, validation)
    own = [scorer, *callbacks(job.name, training.batch_size)]
    keeper = None
    if keep is not None or training.patience:
        # Of its own, since the engine's goes by the loss and always ends the training.
        monitor = keep or "val_loss"
        keeper = keras.callbacks.EarlyStopping(
            monitor=monitor,
            mode="min" if monitor == "val_loss" else "max",
            patience=training.patience or training.num_epochs(len(examples)),
            restore_best_weights=True,
        )
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
    right = engine.predict(validation.images).argmax(axis=1) == validation.labels
    return Trained(scorer.history, max(epoch, 0), right, error, seconds, 1)


class _Scores(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores the validation examples after every epoch, whether a model ends in a softmax or not.

    Args:
        engine: The model's.
        validation: The examples.
    """

    def __init__(self, engine: Engine, validation: Any) -> None:
        super().__init__()
        self._engine, self._validation = engine, validation
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the scores to the logs, for the callbacks that follow."""
        outputs = self._engine.predict(self._validation.images)
        logits = not _gives_probabilities(self.model)
        found = score(self._validation.labels, outputs, from_logits=logits)
        assert logs is not None
        logs["val_loss"], logs["val_accuracy"] = found.loss, found.accuracy
        # A model need not be compiled with a metric for the accuracy, nor under this name.
        for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
            if name in logs:
                self.history.setdefault(name, []).append(float(logs[name]))


def _gives_probabilities(model: keras.Model) -> bool:
    """Whether a compiled classifier gives probabilities; its loss says so."""
    if model.loss == "sparse_categorical_crossentropy":
        return True
    loss = model.loss
    known = isinstance(loss, keras.losses.SparseCategoricalCrossentropy)
    return known and not loss.get_config()["from_logits"]
