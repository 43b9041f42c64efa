"""The model that is exported: one of a comparison's, or a search's winner."""

import dataclasses
from pathlib import Path
from typing import Any

from kerasdl import recipe, record
from kerasdl.studies import predict
from kerasdl.studies.folder import read_finished
from kerasdl.studies.plan import Data

WINNER = "winner"


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained model in a run folder and what its record says of it.

    Args:
        folder: The run folder.
        file: The .keras file.
        model: Its name in the run.
        title: Its name for people.
        seed: The seed that it was trained with.
        settings: What distinguishes it besides.
        data: How the recipe finds and divides the images.
        metrics: Its scores; None for a search's winner, whose record has the mean of its seeds.
        result: The record.
    """

    folder: Path
    file: Path
    model: str
    title: str
    seed: int
    settings: dict[str, Any]
    data: Data
    metrics: record.Metrics | None
    result: record.Record | record.Findings

    @property
    def dataset(self) -> record.DatasetInfo:
        """The record's entry on the images."""
        if self.result.dataset is None:
            raise ValueError(f"expected the run of a data set. Received: {self.folder}")
        return self.result.dataset


def find(folder: Path, model: str | None = None, seed: int | None = None) -> Source:
    """Chooses a model of a finished run.

    Args:
        folder: The run folder.
        model: One of the run's models; None for all.
        seed: One of its seeds; None for all. Of several models that are left, the best on
            validation images is taken.

    Raises:
        FileNotFoundError: If there is no finished run, or the model's file is missing.
        ValueError: If the run is not finished, has no such model or seed, or no model at all.
    """
    result = read_finished(folder)
    if isinstance(result, record.Findings):
        source = _winner(folder, result, model, seed)
    else:
        source = _compared(folder, result, model, seed)
    if not source.file.is_file():
        raise FileNotFoundError(
            f"expected the run's model. Received: {source.file}, no such file; a committed record "
            "has none: train again with its recipe.toml"
        )
    return source


def _compared(folder: Path, result: record.Record, model: str | None, seed: int | None) -> Source:
    run = predict.choose(result, model, seed)
    titles = {summary.model: summary.title for summary in result.summary}
    return Source(
        folder=folder,
        file=folder / "models" / f"{run.model}-seed{run.seed}.keras",
        model=run.model,
        title=titles.get(run.model, run.model),
        seed=run.seed,
        settings=run.settings,
        data=_data(result.recipe, folder),
        metrics=run.metrics,
        result=result,
    )


def _winner(folder: Path, result: record.Findings, model: str | None, seed: int | None) -> Source:
    file = folder / "models" / f"{WINNER}.keras"
    if result.dataset is None or not file.is_file():
        raise ValueError(
            f"expected a comparison of networks, or a search with a winner. Received: {folder}, "
            f"an experiment ({result.study}) without a model"
        )
    own = int(result.recipe.get("seed", 0))
    if model not in (None, WINNER) or seed not in (None, own):
        raise ValueError(
            f"{folder} is a search: its model is {WINNER!r}, of the seed {own}. "
            f"Received: model {model!r}, seed {seed}"
        )
    return Source(
        folder=folder,
        file=file,
        model=WINNER,
        title=f"{result.title}: the winner",
        seed=own,
        settings={},
        data=_data(result.recipe, folder),
        metrics=None,
        result=result,
    )


def _data(plan: dict[str, Any], folder: Path) -> Data:
    return recipe.from_dict(plan.get("data", {}), Data, where=f"{folder / 'results.json'}, data")
