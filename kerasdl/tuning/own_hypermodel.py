"""A person's own search space as a model whose trials kerasdl trains: from pixels to logits."""

import dataclasses
from typing import Any

import keras
import keras_tuner

from kerasdl.datasets.dataset import Dataset, Examples
from kerasdl.models.adopted import adopt, rescales
from kerasdl.studies.experiment import Context
from kerasdl.training.compiling import compile_model
from kerasdl.training.precision import policy, resolve
from kerasdl.training.settings import Precision, Training
from kerasdl.tuning import own_space
from kerasdl.tuning.hypermodels import Searched
from kerasdl.tuning.subjects import Subject
from kerasdl.tuning.training_jobs import Rows


class OwnModel(Searched):
    """A model that a person's `build(hp)` makes.

    Args:
        reference: Its place, see `own_space`.
        dataset: For the shape of the images and the names of the classes.
        train: The images it is trained on, for schedules.
        training: How uncompiled models are trained; of compiled ones epochs and batch size.
        precision: The number format.
    """

    def __init__(
        self,
        reference: str,
        dataset: Dataset,
        train: Examples | Rows,
        *,
        training: Training,
        precision: Precision,
    ) -> None:
        name, self._space_of_user = own_space.find(reference)
        super().__init__(name, training=training, precision=precision, space=_nothing)
        self._dataset, self._train = dataset, train

    def build(self, hp: Any) -> Any:
        """Returns the compiled model of a trial, with logits as its outputs."""
        # What it consists of is not known: float32 suits everything.
        with policy(resolve(self._precision, exact=True)):
            shape, classes = self._dataset.image_shape, self._dataset.num_classes
            place = self.name.partition("#")[0]
            model = own_space.build(self._space_of_user, hp, shape, classes)
            found = adopt(model, shape, classes, place)
            model = found.model
            brought: dict[str, Any] = {}
            if found.optimizer is not None:
                brought = {"optimizer": found.optimizer, "smoothing": found.smoothing}
            compile_model(model, self.training(hp), len(self._train), **brought)
        return model


def looked_at(context: Context, subject: Subject) -> Subject:
    """Builds the first model of a space: says what is special, and finds its numeric axes.

    Args:
        context: With the images.
        subject: Of the search.

    Returns:
        The subject with the hyper-parameters that have a value curve.

    Raises:
        ValueError: If the space builds no model of such images and classes.
    """
    dataset, _ = context.images
    place, space = own_space.find(subject.build)
    place = place.partition("#")[0]
    hp = keras_tuner.HyperParameters()
    shape, classes = dataset.image_shape, dataset.num_classes
    model = own_space.build(space, hp, shape, classes)
    found = adopt(model, shape, classes, place)
    if found.optimizer is not None:
        context.say(f"{place}: keeps the optimizer and the loss that it was compiled with")
    if not rescales(found.model):
        context.say(
            f"{place}: gets pixels 0..255. It begins with no layer that scales them, e.g. "
            "keras.layers.Rescaling(1 / 255), which networks mostly need"
        )
    keras.backend.clear_session()
    numeric = tuple(one.name for one in hp.space if _is_numeric(one))
    return dataclasses.replace(subject, axis=numeric)


def _is_numeric(parameter: Any) -> bool:
    values = list(getattr(parameter, "values", []))
    return bool(values) and all(type(value) in (int, float) for value in values)


def _nothing(hp: Any) -> dict[str, dict[str, Any]]:
    """Changes nothing: the space is in `build` alone."""
    return {}
