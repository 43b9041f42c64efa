"""The first epochs of a record's trainings once more: `reproduce --quick`. Writes nothing."""

import math
import shlex
from pathlib import Path
from typing import Any

from kerasdl import record
from kerasdl.datasets.dataset import Dataset
from kerasdl.evaluation import reproduction
from kerasdl.evaluation.variants import group
from kerasdl.studies.plan import Recipe

SHARE = 0.1
"""The part of each training that is run."""


def look(
    plan: Recipe, old: record.Record, dataset: Dataset, *, folder: Path, out: Path, data: str | None
) -> tuple[list[reproduction.Model], record.Environment]:
    """Trains the first epochs of each chosen run and compares them with the record's.

    Args:
        plan: The record's recipe or a part of it; its seeds are a number.
        old: The record.
        dataset: Its images.
        folder: The record's folder, for the title.
        out: The folder of the comparison; nothing is written there.
        data: Where the data sets' files are, or None.

    Returns:
        The networks of the record that were chosen, and where they were trained now.
    """
    from kerasdl.studies.data import divide
    from kerasdl.studies.transfer.cached import open_cache
    from kerasdl.studies.transfer.weights import pin
    from kerasdl.terminal import Console
    from kerasdl.training.environment import start_keras

    splits = divide(dataset, plan.data)
    # Compared with the record, a training has its kernels.
    start_keras(recorded=old.environment.kernels)
    console = Console()
    cache = open_cache(plan, None, console)
    rows = max(map(len, (splits.train, splits.validation, splits.test)))
    plan, weights = pin(plan, dataset, data, console, cache=cache, rows=rows)
    from kerasdl.studies.networks import Study
    from kerasdl.studies.stacking import Group
    from kerasdl.training.ending import StopAfter

    study = Study(
        plan,
        dataset,
        splits,
        out,
        command=shlex.join(["python", "-m", "kerasdl", "reproduce", str(folder), "--quick"]),
        reported=[],
        console=console,
        weights=weights,
        cache=cache,
    )
    console.print(dataset.label, style="bold", highlight=False, markup=False)
    before = {runs[0].model: (name, runs) for name, runs in group(old.runs).items()}
    epochs = {
        model: min(len(run.history["loss"]) for run in before[model][1]) for model in plan.models
    }
    first = {model: max(1, math.ceil(SHARE * epochs[model])) for model in plan.models}
    # As in the record: stacked with others or alone, a training is rounded in another way.
    groups = [Group((name,), seed) for name in plan.models for seed in _seeds(plan)]
    if any(run.stacked for model in plan.models for run in before[model][1]):
        groups = study.executor.groups()
    histories: dict[str, dict[int, dict[str, list[float]]]] = {model: {} for model in plan.models}
    for one in groups:
        few, of = max(first[model] for model in one.models), max(epochs[m] for m in one.models)
        title = f"{', '.join(one.models)}, seed {one.seed} (first {few} of {of} epochs)"
        console.print(title, highlight=False, markup=False)
        stops = [[StopAfter(first[model])] for model in one.models]
        fitted, error = study.executor.fit(one, title, stops)
        if error is not None:
            raise error
        for model, engine in zip(one.models, fitted, strict=True):
            history = engine.model.history.history
            histories[model][one.seed] = {key: one[: first[model]] for key, one in history.items()}
    models = [
        reproduction.compare_histories(old, before[model][0], histories[model])
        for model in plan.models
    ]
    return models, study.record.environment


def _seeds(plan: Recipe) -> Any:
    return range(plan.seed, plan.seed + plan.most_seeds)
