"""The time of an experiment: measured beside its folder, and told before and while it runs."""

import contextlib
import dataclasses
import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from kerasdl.studies.experiment import Context, Experiment, Memo
from kerasdl.studies.timing import Continued, Sizes, Timing, forecast
from kerasdl.training.forecast import Rate
from kerasdl.training.settings import Training

TINY = 2000
"""An experiment that passes fewer images is not even looked at."""


def is_spread() -> bool:
    """Whether a search is shared by several machines, as KerasTuner's variables say."""
    return "KERASTUNER_ORACLE_IP" in os.environ


@contextlib.contextmanager
def rehearsing(experiment: Experiment, context: Context) -> Iterator[Timing]:
    """Gives the `Timing` of an experiment; what is measured leaves nothing behind.

    Args:
        experiment: What it is, with a `timing`.
        context: What it is given.
    """
    from rich.console import Console

    assert experiment.timing is not None
    module, name = experiment.timing.split(":")
    make = getattr(importlib.import_module(module), name)
    with tempfile.TemporaryDirectory(prefix="kerasdl-") as folder:
        aside = dataclasses.replace(
            context, folder=Path(folder), console=Console(quiet=True), memo=Memo(Path(folder), {})
        )
        yield cast("Timing", make(aside))


def announce_time(
    experiment: Experiment, context: Context, rates: Mapping[str, Rate] | None
) -> tuple[Context, float | None]:
    """Says how long what is missing of an experiment will take.

    Args:
        experiment: What it is.
        context: What it is given.
        rates: What was measured already, by kind; None to measure now.

    Returns:
        The context with a forecast, where there can be one, and the seconds predicted for the
        whole experiment, as far as they were measured.
    """
    if experiment.timing is None or context.dataset is None or context.splits is None:
        return context, None
    if is_spread():
        return context, None
    plan, sizes = context.plan, Sizes.of(context.splits, context.dataset.num_classes)
    if rates is None and sizes.train * _epochs(plan, sizes.train) < TINY:
        return context, None
    with rehearsing(experiment, context) as timing:
        done = [work.key for work in timing.works(plan, sizes) if work.key in context.memo]
        if isinstance(timing, Continued):
            done += timing.done(context.folder)
        found, predicted = forecast(timing, plan, sizes, context.console, rates=rates, done=done)
    context.memo.forecast = found
    return dataclasses.replace(context, forecast=found), None if done else predicted


def _epochs(plan: Any, train: int) -> int:
    """Returns the epochs of each training of an experiment."""
    epochs = getattr(plan, "epochs", 1)
    if isinstance(training := getattr(plan, "training", None), Training):
        epochs = training.num_epochs(train)
    return epochs if isinstance(epochs, int) else max(epochs)
