"""Chosen runs on one page: their scores, who leads, what differs in their recipes, their curves."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import recipe, record
from kerasdl.face.finished import read
from kerasdl.reporting import render, text
from kerasdl.reporting.figures import style
from kerasdl.reporting.tables import Table

if TYPE_CHECKING:
    from kerasdl.face.run_list import Runs

LINES = 16
"""The most curves of a figure."""


def page(runs: "Runs", place: Path) -> str:
    """Returns the page as HTML.

    Args:
        runs: At least one.
        place: The folder that the page is for, from which reports are linked.

    Raises:
        ValueError: If there is no run.
    """
    if not len(runs):
        raise ValueError(f"expected runs to compare. Received: {runs!r}")
    records = {run.folder: read(Path(run.folder)) for run in runs if run.status == "complete"}
    links = [
        (run.folder, Path(os.path.relpath(Path(run.folder).absolute(), place)).as_posix())
        for run in runs
        if (Path(run.folder) / "report.html").is_file()
    ]
    figures = [
        (dataset, _curves(dataset, chosen))
        for dataset, chosen in _by_images(records).items()
        if any(one.history.get("val_accuracy") for _, r in chosen for one in r.runs)
    ]
    return render.render(
        "runs.html.jinja",
        {
            "title": f"{len(runs)} runs" if len(runs) > 1 else "1 run",
            "runs": _runs(runs),
            "leaders": _leaders(runs),
            "differences": _differences(records),
            "figures": figures,
            "links": links,
        },
    )


def _runs(runs: "Runs") -> Table:
    rows = [
        [
            run.folder,
            text.plain(f"{run.kind or ''} {run.app or ''}".strip()),
            text.plain(run.dataset or ""),
            text.plain(run.best or ""),
            "" if run.score is None else text.percent_spread(run.score),
            (run.when or "")[:16].replace("T", " "),
            run.status,
        ]
        for run in runs
    ]
    header = ["Run", "What", "Data", "Best", "Test accuracy, %", "When", "State"]
    return Table(header, rows, words=frozenset((1, 2, 3, 5, 6)))


def _leaders(runs: "Runs") -> list[tuple[str, Table]]:
    """Returns a table for each set of images that several models were scored on."""
    import pandas as pd

    found = []
    groups = runs.leaderboard.reset_index().groupby(["dataset", "images"], sort=False)
    for (dataset, images), frame in groups:
        rows = []
        for row in frame.itertuples(index=False):
            std = None if pd.isna(row.test_accuracy_std) else row.test_accuracy_std
            spread = record.Spread(mean=row.test_accuracy, std=std, n=int(row.seeds))
            size = "" if pd.isna(row.parameters) else text.count(int(row.parameters))
            rows.append([text.plain(row.model), text.percent_spread(spread), size, row.folder])
        header = ["Model", "Test accuracy, %", "Parameters", "Run"]
        strong = frozenset({(0, 0), (0, 1)})
        found.append(
            (f"{dataset} ({images})", Table(header, rows, strong=strong, words=frozenset({3})))
        )
    return found


def _differences(records: dict[str, Any]) -> Table | None:
    """Returns the values of the recipes that are not the same in all runs; None where all are."""
    flat = {folder: dict(recipe.leaves(one.recipe)) for folder, one in records.items()}
    keys = list(dict.fromkeys(key for values in flat.values() for key in values))
    rows = []
    for key in keys:
        values = [_cell(one.get(key)) for one in flat.values()]
        if len(set(values)) > 1:
            rows.append([key, *values])
    header = ["Value", *flat]
    return Table(header, rows, words=frozenset(range(1, len(header)))) if rows else None


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return text.plain(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _by_images(records: dict[str, Any]) -> dict[str, list[tuple[str, record.Record]]]:
    found: dict[str, list[tuple[str, record.Record]]] = {}
    for folder, one in records.items():
        if isinstance(one, record.Record):
            images = f"{one.dataset.label} ({one.dataset.sha256[:8]})"
            found.setdefault(images, []).append((folder, one))
    return found


def _curves(dataset: str, chosen: Sequence[tuple[str, record.Record]]) -> str:
    """Returns the validation accuracy of the models by epoch, mean over seeds, as a data URL."""
    import numpy as np

    title = "Validation accuracy by epoch, mean over the seeds"
    with style.styled((7.0, 4.2), title, dataset) as figure:
        axes, number = figure.subplots(), 0
        for folder, one in chosen:
            for model in dict.fromkeys(run.model for run in one.runs):
                histories = [run.history.get("val_accuracy") or [] for run in one.runs
                             if run.model == model]  # fmt: skip
                length = min(map(len, histories))
                if not length or number == LINES:
                    continue
                mean = 100 * np.mean([values[:length] for values in histories], axis=0)
                axes.plot(
                    np.arange(1, length + 1),
                    mean,
                    color=style.color(number),
                    ls=style.dashes(number),
                    marker="o" if length < 3 else "",
                    label=style.safe(f"{model} ({Path(folder).name})"),
                )
                number += 1
        axes.set_xlabel("epoch")
        axes.set_ylabel("%")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=style.DPI, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
