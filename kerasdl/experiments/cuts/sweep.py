"""The features of all cuts, size by size, and the heads on them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasdl.datasets.dataset import Features
from kerasdl.experiments.cuts import heads
from kerasdl.experiments.cuts.settings import Place, Recipe
from kerasdl.experiments.cuts.taps import tapped
from kerasdl.models import transfer, weights
from kerasdl.studies.experiment import Context
from kerasdl.studies.transfer.frozen import Frozen
from kerasdl.training.features import Extractor
from kerasdl.training.packed import Packed


class Sweep:
    """What the cuts of a base are trained on; features of one size at a time are in memory.

    Args:
        context: The experiment's.
        cuts: The layers of the base.

    Attributes:
        frozen: The base.
        sha256: Digest of its weights.

    Raises:
        ValueError, FileNotFoundError: If there are no such weights or cuts.
    """

    def __init__(self, context: Context, cuts: Sequence[str]) -> None:
        plan: Recipe = context.plan
        self._context, self._plan, self._cuts = context, plan, tuple(cuts)
        dataset, self._parts = context.images
        self.classes = dataset.num_classes
        settings = {
            "base": plan.transfer,
            "weights": plan.weights,
            "weights_sha256": plan.weights_sha256,
            "pooling": plan.pooling,
        }
        self.frozen = Frozen(
            settings,
            plan.precision,
            dataset,
            data_dir=context.data_dir,
            console=context.console,
        )
        model = self.frozen.model(size=plan.sizes[0])
        # Before anything takes time: a cut that does not exist is a user's error.
        tapped(model, self._cuts, plan.pooling)
        self.sha256 = weights.identity(transfer.base_of(model))
        self._size = 0

    def describe(self, size: int) -> dict[str, Any]:
        """Computes the features at one size.

        Returns:
            `seconds` of the forward pass, 0 where all came from the cache, and for each of `cuts`
            its `shape`, `numbers` and `multiply_accumulates`.
        """
        self._load(size)
        cuts = {
            name: {
                "shape": tap.shape,
                "numbers": tap.columns.stop - tap.columns.start,
                "multiply_accumulates": tap.multiply_accumulates,
            }
            for name, tap in self._taps.items()
        }
        return {"seconds": self._seconds, "cuts": cuts}

    def train(self, place: Place, title: str) -> list[dict[str, Any]]:
        """Trains the heads of one cut.

        Args:
            place: Where it is.
            title: What to call it on the console.

        Returns:
            For each penalty its `l2`, the `train` and `validation` accuracy of each seed, and
            `right`: how many seeds answer each validation image rightly.
        """
        plan, (train, validation) = self._plan, self.rows(place)
        scaling = heads.Scaling.of(train.images)
        scaled = Features(scaling(train.images), train.labels)
        packed = self.fit(plan.l2, scaled, title)
        right = heads.right(packed, Features(scaling(validation.images), validation.labels))
        accuracy = packed.evaluate(scaled)["accuracy"]
        found = []
        for number, penalty in enumerate(plan.l2):
            own = slice(number * plan.seeds, (number + 1) * plan.seeds)
            found.append(
                {
                    "l2": penalty,
                    "train": accuracy[own],
                    "validation": right[own].mean(axis=1),
                    "right": right[own].sum(axis=0),
                }
            )
        return found

    def fit(self, penalties: Sequence[float], rows: Features, title: str) -> Packed:
        """Trains heads with a progress bar; see `heads.train`."""
        plan = self._plan
        progress = self._context.progress(title, len(rows), plan.training.batch_size)
        try:
            return heads.train(
                plan, penalties, rows, self.classes, callbacks=[progress], title=title
            )
        finally:
            progress.close()

    def rows(self, place: Place) -> tuple[Features, Features]:
        """Returns the features of the training and of the validation images at a cut."""
        self._load(place.size)
        columns, parts = self._taps[place.cut].columns, self._parts
        train, validation = (np.array(one[:, columns], np.float32) for one in self._features)
        return Features(train, parts.train.labels), Features(validation, parts.validation.labels)

    def _load(self, size: int) -> None:
        if self._size == size:
            return
        self._size = 0
        keras.backend.clear_session()
        model = self.frozen.model(size=size)
        whole, self._taps = tapped(model, self._cuts, self._plan.pooling)
        frozen = self.frozen
        identity = {
            "base": self._plan.transfer,
            "weights_sha256": self.sha256,
            "size": size,
            "cuts": list(self._cuts),
            "pooling": self._plan.pooling,
            "precision": frozen.precision,
        }
        extractor = Extractor(
            whole,
            identity,
            cache=frozen.cache,
            notify=frozen.say,
            progress=self._context.console,
        )
        parts = {"training": self._parts.train, "validation": self._parts.validation}
        self._features = [
            extractor.features(part.images, title=f"features at {size} pixels, {name} images")
            for name, part in parts.items()
        ]
        self._seconds, self._size = extractor.seconds, size
