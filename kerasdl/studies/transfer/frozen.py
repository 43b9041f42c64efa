"""A frozen base: its features, computed once and kept, and the whole model with a head on it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from rich.console import Console

from kerasdl.datasets.dataset import Dataset
from kerasdl.models import transfer, weights
from kerasdl.studies.building import precision_of_frozen
from kerasdl.studies.transfer.cached import CachedBase
from kerasdl.studies.transfer.whole import check
from kerasdl.training.features import FeatureCache
from kerasdl.training.precision import policy
from kerasdl.training.settings import Precision


class Whole(NamedTuple):
    """A base and a trained head as one model.

    Args:
        model: From pixels to logits, with the names of the classes.
        images: On how many its logits were compared with the head's.
        difference: The largest difference there, by the largest logit.
    """

    model: keras.Model
    images: int
    difference: float


class Frozen:
    """A base from keras.applications with weights that do not change.

    Args:
        settings: Of `kerasdl.models.transfer`: `base`, `weights` and what else all models share.
        precision: The number format.
        dataset: The images.
        data_dir: Where the user said that the data sets' files are, or None: weights are looked
            for there, too.
        console: Where to say what is going on.

    Attributes:
        precision: The dtype policy of its models.
        cache: Where its features are kept.

    Raises:
        ValueError, FileNotFoundError: If there are no such weights.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        precision: Precision,
        dataset: Dataset,
        *,
        data_dir: str | None,
        console: Console,
    ) -> None:
        self.precision = precision_of_frozen(precision, settings["base"])
        folders = [] if data_dir is None else [data_dir]
        path = weights.resolve(settings["weights"], settings["base"], folders)
        # The file itself, so that every model has the same, wherever it was found.
        self._settings = {**settings, "weights": str(path)}
        self._dataset, self._console = dataset, console
        self.cache = FeatureCache(notify=self.say)

    def model(self, **settings: Any) -> keras.Model:
        """Returns a model of `kerasdl.models.transfer` with further settings."""
        shape = self._dataset.image_shape, self._dataset.num_classes
        with policy(self.precision):
            return transfer.transfer(*shape, **{**self._settings, **settings})

    def features_of(self, model: keras.Model, **settings: Any) -> CachedBase:
        """Returns the features of a model, kept where `--transfer` of an app finds them, too.

        Args:
            model: As from `model`.
            settings: What it was made with: `size`, `features`, `pooling`.
        """
        sha256 = weights.identity(transfer.base_of(model))
        own = {**settings, "base": self._settings["base"], "weights_sha256": sha256}
        return CachedBase(model, own, self.precision, self.cache, self._console)

    def joined(
        self,
        model: keras.Model,
        head: Sequence[npt.NDArray[np.float32]],
        logits: npt.NDArray[np.float32],
        images: npt.NDArray[np.uint8],
    ) -> Whole:
        """Puts a trained head into a model.

        Args:
            model: As from `model`, with the head's layers.
            head: The weights of the trained one, in the order of `transfer.head_model`.
            logits: What the head makes of the features of `images`, (n, classes).
            images: Some images, (n, height, width, channels).

        Raises:
            ValueError: If the model's logits are others.
        """
        transfer.head_model(model).set_weights(list(head))
        difference = check("winner", model, images, logits, self.precision)
        return Whole(model, len(images), difference)

    def say(self, text: str) -> None:
        """Prints one line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
