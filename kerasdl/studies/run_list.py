"""The runs in a folder, of every kind: what each was, on which images, and what came out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from kerasdl import recipe
from kerasdl.models import own
from kerasdl.record import DatasetInfo, Spread
from kerasdl.record_layout import upgrade
from kerasdl.studies.folder import is_busy
from kerasdl.studies.listing import SEARCHES

Kind = Literal["comparison", "experiment", "search"]


class ListedRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of a run.

    Args:
        folder: Where it is.
        kind: What it was; None where it cannot be read.
        app: The app, study or search.
        status: "complete", "interrupted", "running", "unfinished" before its first results, or
            "unreadable".
        dataset: The images with what restricts them, e.g. "SVHN, partial: 4434 of 73257".
        synthetic: Whether they are rendered.
        models: What was compared, or what was chosen.
        seeds: How many seeds each.
        best: The name of the best model, by its mean test accuracy.
        score: Its test accuracy, 0..1; None where a study has no such score.
        when: When it was begun, ISO 8601.
        problem: What keeps it from being read.
    """

    folder: str
    kind: Kind | None = None
    app: str | None = None
    status: str = "complete"
    dataset: str | None = None
    synthetic: bool = False
    models: list[str] = msgspec.field(default_factory=list)
    seeds: int | None = None
    best: str | None = None
    score: Spread | None = None
    when: str | None = None
    problem: str | None = None


class _Summary(msgspec.Struct, frozen=True):
    model: str
    test_accuracy: Spread


class _Table(msgspec.Struct, frozen=True):
    name: str
    columns: list[str]
    rows: list[list[Any]]


class _Section(msgspec.Struct, frozen=True):
    tables: list[_Table] = msgspec.field(default_factory=list)


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a list takes of a results.json; the rest of it is passed over."""

    kind: Kind
    app: str
    study: str
    created: str
    status: str
    recipe: dict[str, Any]
    dataset: DatasetInfo | None = None
    summary: list[_Summary] = msgspec.field(default_factory=list)
    sections: list[_Section] = msgspec.field(default_factory=list)


def find(root: Path) -> list[ListedRun]:
    """Returns the runs in a folder and below it, the newest first.

    Args:
        root: A folder of runs, or a run's.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not root.is_dir():
        there = "a file" if root.exists() else "no such folder"
        raise FileNotFoundError(f"expected a folder of runs. Received: {root}, {there}")
    found = [_read(folder) for folder in _folders(root)]
    return sorted(found, key=lambda run: (run.when or "", run.folder), reverse=True)


def _folders(root: Path) -> Iterator[Path]:
    for name, below, files in os.walk(root):
        begun = "recipe.toml" in files and ("parts" in below or "checkpoints" in below)
        if "results.json" in files or begun:
            yield Path(name)
        # A search's trials and a run's figures are no runs; a folder of runs may hold thousands.
        inner = ("figures", "models", "parts", "logs", "checkpoints", "keras_tuner", "hparams")
        below[:] = sorted(one for one in below if one not in inner and not one.startswith("."))


def _read(folder: Path) -> ListedRun:
    path = folder / "results.json"
    try:
        if not path.is_file():
            return _begun(folder)
        head = msgspec.convert(upgrade(msgspec.json.decode(path.read_bytes())), type=_Head)
    except (msgspec.MsgspecError, ValueError, OSError, RecursionError) as error:
        return ListedRun(folder=str(folder), status="unreadable", problem=str(error))
    summary = max(head.summary, key=lambda one: one.test_accuracy.mean, default=None)
    best, score = (None, None) if summary is None else (summary.model, summary.test_accuracy)
    models = [one.model for one in head.summary] or list(head.recipe.get("models", []))
    if head.kind != "comparison":
        models = _names(head.recipe)
        score = _winner(head)
        best = "winner" if score else None
    app = head.app if head.study in ("networks", head.app) else f"{head.app} {head.study}"
    seeds, counts = head.recipe.get("seeds"), [one.test_accuracy.n for one in head.summary]
    return ListedRun(
        folder=str(folder),
        kind=head.kind,
        app=app,
        status=_status(head.status, folder),
        dataset=None if head.dataset is None else head.dataset.label,
        synthetic=head.dataset is not None and head.dataset.source == "synthetic",
        models=models,
        seeds=seeds if isinstance(seeds, int) else max(counts, default=None),
        best=best,
        score=score,
        when=head.created,
    )


def _status(recorded: str, folder: Path) -> str:
    """Returns "interrupted" for a run whose process ended without saying so."""
    return "interrupted" if recorded == "running" and not is_busy(folder) else recorded


def _begun(folder: Path) -> ListedRun:
    """Returns what is known of a run before its first results."""
    plan = recipe.read_toml(folder / "recipe.toml")
    experiment = plan.get("experiment")
    kind: Kind = "comparison"
    if experiment is not None:
        kind = "search" if experiment in SEARCHES else "experiment"
    app = plan.get("app")
    name = app if experiment in (None, app) else f"{app} {experiment}"
    data = plan.get("data", {})
    return ListedRun(
        folder=str(folder),
        kind=kind,
        app=name,
        status="unfinished",
        dataset=data.get("dataset") if isinstance(data, dict) else None,
        models=_names(plan),
    )


def _names(plan: dict[str, Any]) -> list[str]:
    """Returns what a recipe compares by name; what a study varies else is its own matter."""
    for key in ("models", "build", "network", "transfer", "activations"):
        value = plan.get(key)
        if isinstance(value, str):
            return [own.name_of(value) if own.is_reference(value) else value]
        if isinstance(value, list):
            return [str(one) for one in value]
    return []


def _winner(head: _Head) -> Spread | None:
    """Returns the test accuracy of a search's winner, over its seeds."""
    title = "Test accuracy (%)"
    for table in (table for section in head.sections for table in section.tables):
        if table.name == "winner" and title in table.columns:
            place = table.columns.index(title)
            scores = [float(row[place]) / 100 for row in table.rows if row[place] is not None]
            if scores:
                return _spread(scores)
    return None


def _spread(values: list[float]) -> Spread:
    import statistics

    std = statistics.stdev(values) if len(values) > 1 else None
    return Spread(mean=statistics.fmean(values), std=std, n=len(values))
