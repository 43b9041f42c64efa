"""Trains the models of a group: together where they can be packed, else one by one."""

import re
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import keras_tuner
import msgspec
import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.metrics import score
from kerasdl.training.engine import Engine
from kerasdl.training.packed import Packed, packable
from kerasdl.training.packed.chains import read_chain
from kerasdl.training.packed.histories import Keep
from kerasdl.training.packed.reader import front_key
from kerasdl.training.packed.training import OWN
from kerasdl.training.settings import Training

Say = Callable[[str], None]
MakeCallbacks = Callable[[str, int], list[keras.callbacks.Callback]]
"""From what is trained, in words, and the batch size to Keras callbacks, e.g. a progress bar."""


class Rows(NamedTuple):
    """Examples of any shape and number format; what `datasets.dataset.Examples` is for images.

    Args:
        images: Array (n, ...), what the models take.
        labels: int32 array (n,).
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.images)


class Job(NamedTuple):
    """A model to train.

    Args:
        name: Of the trial and seed, for messages.
        model: Built and compiled.
        training: Epochs, batch size, patience and augmentation.
        seed: Of its dropout.
        initial_epoch: The 0-based epoch to begin with, see `Packed.fit`.
    """

    name: str
    model: keras.Model
    training: Training
    seed: int
    initial_epoch: int = 0


class Trained(NamedTuple):
    """What a training left, besides the model's weights and optimizer.

    Args:
        history: Lists by name, one number an epoch.
        epoch: Which of these epochs the weights are of, counted from 0.
        right: Which validation images it answers rightly, bool (n,).
        error: Why it failed, or None.
        seconds: Wall time, or the share of it where several were trained together.
        packed: How many were trained together.
    """

    history: dict[str, list[float]]
    epoch: int
    right: npt.NDArray[np.bool_]
    error: str | None
    seconds: float
    packed: int


def train(
    jobs: Sequence[Job],
    examples: Rows,
    validation: Rows,
    *,
    seed: int,
    keep: Keep | None,
    states: bool,
    say: Say,
    told: set[str],
    callbacks: MakeCallbacks,
) -> list[Trained]:
    """Trains models; those that fit each other as one computation.

    Args:
        jobs: The models.
        examples: To fit on.
        validation: To score after every epoch.
        seed: Decides the order of the examples, the same for all.
        keep: As in `Packed.fit`.
        states: Whether the models' optimizers are to have their state, to go on with.
        say: Takes a sentence for the user: which models cannot be packed, and why.
        told: The reasons told so far; new ones are added.
        callbacks: Makes the callbacks of a training.

    Returns:
        One a job, in their order. The models have their trained weights and optimizers.
    """
    results: dict[int, Trained] = {}
    shared: dict[str, Any] = {"seed": seed, "keep": keep, "callbacks": callbacks}
    together: dict[Hashable, list[int]] = {}
    for place, job in enumerate(jobs):
        reason = packable(job.model)
        if reason is None:
            together.setdefault(_company(job), []).append(place)
            continue
        # Without the numbers that Keras gives the names of layers and models.
        reason = re.sub(r"_\d+\b", "", reason)
        if reason not in told:
            say(f"{job.name} and those like it are trained one by one: {reason}")
            told.add(reason)
        alone = partial(_alone, job, examples, validation, **shared)
        results[place] = _or_error(alone, validation)
    for places in together.values():
        company = [jobs[place] for place in places]
        found = _together(company, say, examples, validation, states=states, **shared)
        results.update(zip(places, found, strict=True))
    return [results[place] for place in range(len(jobs))]


def _or_error(training: Callable[[], Trained], validation: Rows) -> Trained:
    """Returns what a training left, be it an error."""
    started = time.perf_counter()
    try:
        return training()
    except keras_tuner.errors.FatalError:
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        nothing = np.zeros(len(validation), bool)
        return Trained({}, 0, nothing, message, time.perf_counter() - started, 1)


def _company(job: Job) -> Hashable:
    """Returns what must be equal for models to be one `Packed`."""
    rest = tuple(
        (field.name, getattr(job.training, field.name))
        for field in msgspec.structs.fields(Training)
        if field.name not in (*OWN, "patience")
    )
    shapes = tuple(job.model.input_shape[1:]), int(job.model.output_shape[-1])
    return shapes, front_key(read_chain(job.model).front), rest, job.initial_epoch


def _together(
    jobs: Sequence[Job], say: Say, examples: Rows, validation: Rows, **options: Any
) -> list[Trained]:
    """Trains models that fit each other; one by one where that raises."""
    if len(jobs) > 1:
        try:
            return _pack(jobs, examples, validation, **options)
        except keras_tuner.errors.FatalError:
            raise
        except Exception as error:
            # Whose fault it is shows one by one; the others are not to suffer.
            say(f"trained one by one after {type(error).__name__}: {error}")

    def train(job: Job) -> Trained:
        return _pack([job], examples, validation, **options)[0]

    return [_or_error(partial(train, job), validation) for job in jobs]


def _pack(
    jobs: Sequence[Job],
    examples: Any,
    validation: Any,
    *,
    seed: int,
    keep: Keep | None,
    states: bool,
    callbacks: MakeCallbacks,
) -> list[Trained]:
    packed = Packed([job.model for job in jobs], [job.training for job in jobs])
    title = jobs[0].name if len(jobs) == 1 else f"{jobs[0].name} and {len(jobs) - 1} more"
    started = time.perf_counter()
    histories = packed.fit(
        examples,
        seed=seed,
        seeds=[job.seed for job in jobs],
        initial_epoch=jobs[0].initial_epoch,
        keep=keep,
        validation=validation,
        callbacks=callbacks(title, jobs[0].training.batch_size),
    )
    seconds = time.perf_counter() - started
    packed.unpack(optimizers=states)
    right = packed.predict(validation.images).argmax(axis=2) == validation.labels
    count, epochs = len(jobs), packed.epochs - jobs[0].initial_epoch
    failed = [packed.failed.get(place) for place in range(count)]
    return [
        Trained(history, int(epoch), answers, error, seconds / count, count)
        for history, epoch, answers, error in zip(histories, epochs, right, failed, strict=True)
    ]


def _alone(
    job: Job,
    examples: Any,
    validation: Any,
    *,
    seed: int,
    keep: Keep | None,
    callbacks: MakeCallbacks,
) -> Trained:
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
    try:
        engine.fit(examples, training, seed=seed, callbacks=own, initial_epoch=job.initial_epoch)
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


def forget() -> None:
    """Lets go of finished models: memory stays flat over a search."""
    keras.backend.clear_session()  # and Python's garbage, of which they are part
