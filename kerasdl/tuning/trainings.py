"""Trains the models of a group: together where they can be packed, else one by one."""

import dataclasses
import math
import re
import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import keras
import keras_tuner
import numpy as np

from kerasdl.training.compiling import class_loss
from kerasdl.training.packed import Packed, packable
from kerasdl.training.packed.chains import read_chain
from kerasdl.training.packed.company import company
from kerasdl.training.packed.histories import Keep
from kerasdl.tuning.compiled_metrics import packed_scores
from kerasdl.tuning.objectives import parts
from kerasdl.tuning.search_arguments import SearchArguments
from kerasdl.tuning.training_alone import train_alone
from kerasdl.tuning.training_by_fit import train_by_fit
from kerasdl.tuning.training_jobs import Job, MakeCallbacks, Say, Trained, closing


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all trainings of a search have in common.

    Args:
        arguments: Of the search.
        hypermodel: KerasTuner's.
        objective: KerasTuner's.
        keep: As in `Packed.fit`.
        seed: Decides the order of the examples of those that are packed; others have their own.
        states: Whether the models' optimizers are to have their state, to go on with.
        say: Takes a sentence for the user: which models cannot be packed, and why.
        callbacks: Makes the callbacks of a training.
        users_callbacks: Makes copies of those that the search was given.
    """

    arguments: SearchArguments
    hypermodel: Any
    objective: Any
    keep: Keep | None
    seed: int
    states: bool
    say: Say
    callbacks: MakeCallbacks
    users_callbacks: Callable[[Job], list[keras.callbacks.Callback]]


def train(jobs: Sequence[Job], setting: Setting, told: set[str]) -> list[Trained]:
    """Trains models; those that fit each other as one computation.

    Args:
        jobs: The models.
        setting: Of the search.
        told: The reasons told so far why models are trained alone; new ones are added.

    Returns:
        One a job, in their order. The models have their trained weights and optimizers.
    """
    results: dict[int, Trained] = {}
    together: dict[Hashable, list[int]] = {}
    for place, job in enumerate(jobs):
        reason, training = _alone(job, setting)
        if reason is None:
            key = company(read_chain(job.model), job.training), job.initial_epoch
            together.setdefault(key, []).append(place)
            continue
        # Without the numbers that Keras gives the names of layers and models.
        reason = re.sub(r"_\d+\b", "", reason)
        if reason not in told:
            setting.say(f"{job.name} and those like it are trained one by one: {reason}")
            told.add(reason)
        results[place] = _or_error(training, setting)
    for places in together.values():
        found = _together([jobs[place] for place in places], setting)
        results.update(zip(places, found, strict=True))
    return [results[place] for place in range(len(jobs))]


def by_fit(model: keras.Model, arguments: SearchArguments, objective: Any) -> str | None:
    """Returns why only `HyperModel.fit` can train a model, or None.

    Args:
        model: Compiled.
        arguments: Of the search.
        objective: KerasTuner's.
    """
    if arguments.why is not None:
        return arguments.why
    if not model.built:
        return f"{model.name} has no keras.Input"
    if class_loss(model.loss) is None:
        return f"the loss is no cross-entropy of classes: {model.loss}"
    names = {part.name for part in parts(objective)} - {"loss", "accuracy"}
    if others := sorted(name for name in names if not name.startswith("val_")):
        return f"the objective is {others[0]} on the training examples"
    return None


def _alone(job: Job, setting: Setting) -> tuple[str | None, Callable[[], Trained]]:
    """Returns why a model is trained alone, or None, and what trains it then."""
    arguments, objective = setting.arguments, setting.objective
    shared = {"objective": objective, "keep": setting.keep, "callbacks": setting.callbacks}
    reason = by_fit(job.model, arguments, objective)
    if reason is not None:
        given = {"hypermodel": setting.hypermodel, "users_callbacks": setting.users_callbacks}
        return reason, partial(train_by_fit, job, arguments, **shared, **given)
    train: Any = arguments.train
    validation: Any = arguments.validation
    return packable(job.model), partial(train_alone, job, train, validation, **shared)


def _or_error(training: Callable[[], Trained], setting: Setting) -> Trained:
    """Returns what a training left, be it an error."""
    started = time.perf_counter()
    try:
        return training()
    except keras_tuner.errors.FatalError:
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        validation = setting.arguments.validation
        nothing = np.zeros(0 if validation is None else len(validation.rows), bool)
        return Trained({}, 0, nothing, message, time.perf_counter() - started, 1)


def _together(jobs: Sequence[Job], setting: Setting) -> list[Trained]:
    """Trains models that fit each other; one by one where that raises."""
    if len(jobs) > 1:
        try:
            return _pack(jobs, setting)
        except keras_tuner.errors.FatalError:
            raise
        except Exception as error:
            # Whose fault it is shows one by one; the others are not to suffer.
            setting.say(f"trained one by one after {type(error).__name__}: {error}")

    def train(job: Job) -> Trained:
        return _pack([job], setting)[0]

    return [_or_error(partial(train, job), setting) for job in jobs]


def _pack(jobs: Sequence[Job], setting: Setting) -> list[Trained]:
    train, validation = setting.arguments.train, setting.arguments.validation
    assert train is not None
    assert validation is not None
    examples: Any = train.rows
    held_out: Any = validation.rows
    packed = Packed([job.model for job in jobs], [job.training for job in jobs])
    title = jobs[0].name if len(jobs) == 1 else f"{jobs[0].name} and {len(jobs) - 1} more"
    own = setting.callbacks(title, jobs[0].training.batch_size)
    started = time.perf_counter()
    with closing(own):
        histories = packed.fit(
            examples,
            seed=setting.seed,
            seeds=[job.seed for job in jobs],
            initial_epoch=jobs[0].initial_epoch,
            keep=setting.keep,
            validation=held_out,
            more_scores=packed_scores(packed.models, validation.targets, setting.objective),
            callbacks=own,
        )
    seconds = time.perf_counter() - started
    packed.unpack(optimizers=setting.states)
    right = packed.predict(held_out.images).argmax(axis=2) == held_out.labels
    count, epochs = len(jobs), packed.epochs - jobs[0].initial_epoch
    failed = [packed.failed.get(place) for place in range(count)]
    return [
        Trained(_own(history), int(epoch), answers, error, seconds / count, count)
        for history, epoch, answers, error in zip(histories, epochs, right, failed, strict=True)
    ]


def _own(history: dict[str, list[float]]) -> dict[str, list[float]]:
    """Returns a history without the columns of metrics that only other models of a pack have."""
    shared = ("loss", "accuracy", "val_loss", "val_accuracy")
    return {
        name: values
        for name, values in history.items()
        if name in shared or not all(map(math.isnan, values))
    }


def forget() -> None:
    """Lets go of finished models: memory stays flat over a search."""
    keras.backend.clear_session()  # and Python's garbage, of which they are part
