"""The arms of a finished comparison, as the parts of its report see them."""

import dataclasses
from pathlib import Path
from typing import Any

from kerasdl.models import bases
from kerasdl.record import Record
from kerasdl.reporting import tables
from kerasdl.studies.transfer.settings import ARMS
from kerasdl.studies.transfer.weights import NAMED


@dataclasses.dataclass(frozen=True)
class Trained:
    """One arm of one base, trained.

    Args:
        model: Its row of the record.
        base: The architecture.
        arm: One of `settings.ARMS`.
        settings: Those of `kerasdl.models.transfer`.
    """

    model: tables.Model
    base: bases.Base
    arm: str
    settings: dict[str, Any]

    @property
    def weights(self) -> str:
        """What it began with, for people."""
        given = str(self.settings.get("weights", "imagenet"))
        named = {"imagenet": "ImageNet", "random": "random"}
        return named[given] if given in NAMED else Path(given).name

    def side(self, record: Record) -> str:
        """Returns the pixels a side that the base sees, e.g. "96" or "28×60"."""
        if self.settings.get("size"):
            return str(self.settings["size"])
        sides = [max(side, self.base.minimum) for side in record.dataset.image_shape[:2]]
        return "\u00d7".join(map(str, dict.fromkeys(sides)))

    @property
    def feature_seconds(self) -> float | None:
        """Seconds until the features were there: 0 where all were kept; None without features."""
        found = [run.feature_seconds for run in self.model.runs]
        # The seeds share them: the first computes what the others find.
        return max((seconds for seconds in found if seconds is not None), default=None)


def trained(record: Record) -> list[Trained]:
    """Returns the arms of a record, base by base, in the order of `ARMS`."""
    found = []
    for model in tables.models(record):
        how = record.recipe.get("transfer", {}).get(model.summary.model)
        if how is not None:
            settings = record.recipe["settings"][model.summary.model]
            found.append(Trained(model, bases.get(settings["base"]), how["arm"], settings))
    order = list(dict.fromkeys(one.base.name for one in found))
    return sorted(found, key=lambda one: (order.index(one.base.name), ARMS.index(one.arm)))


def best_base(arms: list[Trained]) -> list[Trained]:
    """Returns the arms of the base that has the most accurate one."""
    top = max(arms, key=lambda one: one.model.summary.test_accuracy.mean)
    return [one for one in arms if one.base.name == top.base.name]
