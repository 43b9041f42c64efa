"""The models of a group of trials, as a person's build(hp) makes them."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import keras_tuner
import msgspec

from kerasdl.training.compiling import class_loss
from kerasdl.training.settings import Training
from kerasdl.tuning.search_arguments import NO_CLASSES, SearchArguments
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
    check: Callable[[Any], None],
) -> Built:
    """Builds the models of trials, each with every seed.

    Args:
        names: The trials' ids.
        spaces: KerasTuner's HyperParameters of each; a build may ask for more.
        seeds: Of the first weights.
        make: From HyperParameters to a compiled model.
        training: From HyperParameters to how it is trained.
        check: Raises for a model that cannot be trained; builds it where it has no input yet.

    Raises:
        keras_tuner.errors.FatalError: If a build raises it; any other error is its trial's.
    """
    built = Built([], [], {})
    for place, (name, hp) in enumerate(zip(names, spaces, strict=True)):
        jobs = []
        try:
            for seed in seeds:
                fresh_names()
                keras.utils.set_random_seed(seed)
                model = make(hp)
                check(model)
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
    return Job(f"trial {name}", model, training, seed, first, name, hp)


def fresh_names() -> None:
    """Lets Keras count names anew: a model's second metrics.AUC() would be "auc_1", else."""
    policy = keras.config.dtype_policy()
    keras.backend.clear_session(free_memory=False)
    # Forgotten with the names.
    keras.config.set_dtype_policy(policy)


def check_model(
    model: Any,
    arguments: SearchArguments,
    *,
    own_fit: bool = False,
    max_model_size: int | None = None,
) -> None:
    """Checks what a person's build(hp) returned; a Sequential without an input gets that of x.

    Args:
        model: What it returned.
        arguments: Of the search.
        own_fit: Whether a HyperModel.fit of one's own trains it, compiled or not.
        max_model_size: The most trainable parameters, as of `keras_tuner.Tuner`.

    Raises:
        TypeError: If it is no compiled Keras model.
        ValueError: If its loss and the labels do not go together.
        keras_tuner.errors.FailedTrialError: If it is too large.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"build(hp) must return a Keras model. Received: {model!r}")
    shape = arguments.input_shape
    if not model.built and isinstance(model, keras.Sequential) and shape is not None:
        if not model.layers:
            raise TypeError("build(hp) must return a model with layers. Received: an empty one")
        model.build(shape)
    if max_model_size and model.built:
        size = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        if size > max_model_size:
            raise keras_tuner.errors.FailedTrialError(
                f"Oversized model: {size} parameters, of at most {max_model_size}"
            )
    if own_fit:
        return
    if not model.compiled:
        raise TypeError(
            "build(hp) must return a compiled model (after model.compile), or the tuner must be "
            "given optimizer and loss. Received: a model that is not compiled"
        )
    _check_labels(model, arguments)


def _check_labels(model: keras.Model, arguments: SearchArguments) -> None:
    """Checks that labels which are classes go with the loss and the outputs."""
    loss, train = class_loss(model.loss), arguments.train
    dense = type(loss) is keras.losses.CategoricalCrossentropy
    if loss is not None and not dense and arguments.why == NO_CLASSES:
        raise ValueError(
            f"expected class numbers 0, 1, ... for the loss {_name(model.loss)}. "
            f"Received: {NO_CLASSES}"
        )
    if loss is None or train is None or arguments.validation is None:
        return
    name = "one-hot" if dense else "integers"
    if name != train.kind:
        shape = tuple(train.targets.shape)
        raise ValueError(
            f"expected one-hot rows for the loss {_name(model.loss)}: "
            "keras.utils.to_categorical(y), or the loss sparse_categorical_crossentropy. "
            f"Received: class numbers {shape}"
            if name == "one-hot"
            else f"expected class numbers for the loss {_name(model.loss)}: y.argmax(axis=1), or "
            f"the loss categorical_crossentropy. Received: one-hot rows {shape}"
        )
    if not model.built or len(model.outputs) != 1:
        return
    classes = model.output_shape[-1]
    largest = max(int(train.rows.labels.max()), int(arguments.validation.rows.labels.max()))
    if largest >= classes:
        raise ValueError(
            f"expected labels 0..{classes - 1} for a model with {classes} outputs. "
            f"Received: a label {largest}"
        )


def _name(loss: Any) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
