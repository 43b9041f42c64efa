"""Trains the models of a group: together where they can be packed, else one by one."""

import re
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import keras
import keras_tuner
import msgspec
import numpy as np

from kerasdl.training.packed import Packed, packable
from kerasdl.training.packed.chains import read_chain
from kerasdl.training.packed.histories import Keep
from kerasdl.training.packed.reader import front_key
from kerasdl.training.packed.training import OWN
from kerasdl.training.settings import Training
from kerasdl.tuning.training_alone import train_alone
from kerasdl.tuning.training_jobs import Job, MakeCallbacks, Rows, Say, Trained, closing


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
        seed: Decides the order of the examples of those that are packed; others have their own.
        keep: As in `Packed.fit`.
        states: Whether the models' optimizers are to have their state, to go on with.
        say: Takes a sentence for the user: which models cannot be packed, and why.
        told: The reasons told so far; new ones are added.
        callbacks: Makes the callbacks of a training.

    Returns:
        One a job, in their order. The models have their trained weights and optimizers.
    """
    results: dict[int, Trained] = {}
    shared: dict[str, Any] = {"keep": keep, "callbacks": callbacks}
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
        alone = partial(train_alone, job, examples, validation, **shared)
        results[place] = _or_error(alone, validation)
    shared |= {"seed": seed, "states": states}
    for places in together.values():
        company = [jobs[place] for place in places]
        found = _together(company, say, examples, validation, **shared)
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
    own = callbacks(title, jobs[0].training.batch_size)
    started = time.perf_counter()
    with closing(own):
        histories = packed.fit(
            examples,
            seed=seed,
            seeds=[job.seed for job in jobs],
            initial_epoch=jobs[0].initial_epoch,
            keep=keep,
            validation=validation,
            callbacks=own,
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


def forget() -> None:
    """Lets go of finished models: memory stays flat over a search."""
    keras.backend.clear_session()  # and Python's garbage, of which they are part
