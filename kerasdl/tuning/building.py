"""The models of a group of trials, as a person's build(hp) makes them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import keras_tuner
import msgspec

from kerasdl.training.settings import Training
from kerasdl.tuning.training_jobs import Job


class Built(NamedTuple):
    """What there is to train.

    Args:
        jobs: The models.
        owners: The place of each one's trial.
        errors: Why there is no model, by the place of the trial.
    """

    jobs: list[Job]
    owners: list[int]
    errors: dict[int, str]


def build(
    names: Sequence[str],
    spaces: Sequence[Any],
    seeds: Iterable[int],
    *,
    make: Callable[[Any], Any],
    training: Callable[[Any], Training],
) -> Built:
    """Builds the models of trials, each with every seed.

    Args:
        names: The trials' ids.
        spaces: KerasTuner's HyperParameters of each; a build may ask for more.
        seeds: Of the first weights.
        make: From HyperParameters to a compiled model.
        training: From HyperParameters to how it is trained.

    Raises:
        keras_tuner.errors.FatalError: If a build raises it; any other error is its trial's.
    """
    built = Built([], [], {})
    for place, (name, hp) in enumerate(zip(names, spaces, strict=True)):
        jobs = []
        try:
            for seed in seeds:
                keras.utils.set_random_seed(seed)
                model = make(hp)
                check_model(model)
                jobs.append(_job(name, hp, model, training(hp), seed))
        except keras_tuner.errors.FatalError:
            raise
        except Exception as error:
            # A person's own build(hp) may raise whatever it likes.
            built.errors[place] = f"{type(error).__name__}: {error}"
            continue
        built.jobs.extend(jobs)
        built.owners.extend([place] * len(jobs))
    return built


def _job(name: str, hp: Any, model: keras.Model, training: Training, seed: int) -> Job:
    """Returns what KerasTuner's Hyperband, if it is that, wants of a training."""
    if "tuner/epochs" in hp.values:
        epochs = int(hp.values["tuner/epochs"])
        training = msgspec.structs.replace(training, epochs=epochs, minimum_images=0)
    first = int(hp.values.get("tuner/initial_epoch", 0))
    return Job(f"trial {name}", model, training, seed, first)


def check_model(model: Any) -> None:
    """Checks what a person's build(hp) returned.

    Raises:
        TypeError: If it is no built, compiled Keras model.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"build(hp) must return a Keras model. Received: {model!r}")
    if not model.built or not model.compiled:
        raise TypeError(
            "build(hp) must return a built and compiled model (with a keras.Input, and after "
            f"model.compile). Received: built = {model.built}, compiled = {model.compiled}"
        )
