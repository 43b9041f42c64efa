"""Networks of the registry as KerasTuner hypermodels."""

from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
import msgspec

from kerasdl import recipe
from kerasdl.datasets.dataset import Dataset, Examples
from kerasdl.models import registry
from kerasdl.models.whitening import adapt
from kerasdl.training.compiling import compile_model
from kerasdl.training.precision import policy, resolve
from kerasdl.training.settings import Precision, Training
from kerasdl.tuning.training_jobs import Rows

Space = Callable[[Any], Mapping[str, Mapping[str, Any]]]
"""From KerasTuner's HyperParameters to changes of `settings` and of `training`."""


class Searched(keras_tuner.HyperModel):  # type: ignore[misc]
    """A model whose settings and training are searched.

    Args:
        name: What it is.
        training: Its training.
        precision: The number format.
        space: What a trial changes of its settings and its training.
    """

    def __init__(
        self, name: str, *, training: Training, precision: Precision, space: Space
    ) -> None:
        super().__init__(name=name)
        self._training, self._precision, self._space = training, precision, space

    def training(self, hp: Any) -> Training:
        """Returns the training of a trial."""
        changes = self._space(hp).get("training", {})
        plain = recipe.merge(msgspec.to_builtins(self._training), changes)
        return recipe.from_dict(plain, Training, where="the trial")


class NetworkModel(Searched):
    """A network whose settings and training are searched.

    Args:
        network: Its name in the registry.
        dataset: For the shape of the images and the names of the classes.
        train: The images it is trained on, for layers that adapt to them and for schedules.
        settings: The network's settings.
        training, precision, space: As of `Searched`.
    """

    def __init__(
        self,
        network: str,
        dataset: Dataset,
        train: Examples | Rows,
        *,
        settings: Mapping[str, Any],
        training: Training,
        precision: Precision,
        space: Space,
    ) -> None:
        super().__init__(network, training=training, precision=precision, space=space)
        self._dataset, self._train, self._settings = dataset, train, settings

    def build(self, hp: Any) -> Any:
        """Returns the compiled model of a trial."""
        network = registry.get(self.name)
        with policy(resolve(self._precision, depthwise=network.depthwise)):
            settings = recipe.merge(self._settings, self._space(hp).get("settings", {}))
            shape = self._dataset.image_shape, self._dataset.num_classes
            model = registry.build(self.name, *shape, **settings)
            adapt(model, self._train.images)
            compile_model(model, self.training(hp), len(self._train))
        return model
