"""What an app concludes from a finished comparison: claims with verdicts, further figures."""

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from kerasdl.datasets.dataset import Splits
from kerasdl.evaluation.predictions import Predictions
from kerasdl.record import Record, Run, Summary
from kerasdl.reporting.text import percent_spread
from kerasdl.sections import Section
from kerasdl.studies.data import is_published


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a conclusion is drawn from.

    Args:
        record: The record of the comparison, complete.
        predictions: The predictions on the test images.
        splits: The images.
        folder: The run folder; figures belong in its `figures`, with names that begin
            with the app's (others may be taken for the report's own and removed).
    """

    record: Record
    predictions: Predictions
    splits: Splits
    folder: Path

    def summary(self, model: str) -> Summary | None:
        """Returns a model's summary; None where it was not trained."""
        return next((one for one in self.record.summary if one.model == model), None)

    def runs(self, model: str) -> list[Run]:
        """Returns a model's runs, by seed."""
        return [run for run in self.record.runs if run.model == model]

    def score(self, model: str) -> str:
        """Returns a model's test accuracy as text, e.g. "90.12 ± 0.10 %"."""
        found = self.summary(model)
        return "not trained" if found is None else f"{percent_spread(found.test_accuracy)} %"

    def real(self, name: str) -> bool:
        """Whether the images are those of a data set, as `is_published`."""
        return is_published(self.record.dataset, self.record.recipe["data"], name)

    def better(self, first: str, second: str) -> str | None:
        """Returns which of two models is better beyond noise; None when tied or not compared."""
        for one in self.record.comparisons:
            if set(one.models) == {first, second}:
                return one.better
        return None


Function = Callable[[Comparison], Sequence[Section]]


def conclude(function: str, comparison: Comparison) -> list[Section]:
    """Calls an app's function.

    Args:
        function: "module:function".
        comparison: The finished comparison.
    """
    module, name = function.split(":")
    found: Function = getattr(importlib.import_module(module), name)
    return list(found(comparison))
