"""Writes the report of a run folder: figures, tables, README.md and report.html."""

import contextlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl import files
from kerasdl.evaluation.predictions import Predictions
from kerasdl.evaluation.variants import group
from kerasdl.record import Record
from kerasdl.reporting import render, sections, story, tables, text
from kerasdl.reporting.illustrate import Picture, illustrate
from kerasdl.reporting.tables import results_table

__all__ = ["results_table", "write_report"]

MARKDOWN_CLASSES = 20  # README lists the classes up to so many, report.html all


def write_report(
    folder: Path,
    record: Record,
    *,
    test_images: npt.NDArray[np.uint8],
    predictions: Predictions,
) -> None:
    """Writes everything a person reads of a run.

    These are figures/*.png, history.csv (a row per model, seed and epoch),
    results.csv (a row per run), README.md and report.html; the latter is one
    file without scripts that loads nothing from anywhere. results.json,
    recipe.toml and predictions.npz are written by whoever runs the study.

    Args:
        folder: The run folder; made when missing.
        record: The record.
        test_images: uint8 array (n, h, w, c): the test images, in the order of
            the predictions.
        predictions: The predictions of the runs.

    Raises:
        ValueError: If images, predictions and the record do not fit each other.
    """
    _check(record, test_images, predictions)
    folder = Path(folder)
    pictures = illustrate(folder, record, test_images, predictions)
    _write_csv(folder, record)
    content = _content(folder, record, predictions, pictures)
    files.write_text(folder / "README.md", render.render("README.md.jinja", content))
    drawn = [one.file for one in pictures]
    drawn += [one.file for one in sections.inlined(record.sections)]
    inlined = {file: render.inline(folder / file) for file in drawn}
    files.write_text(
        folder / "report.html", render.render("report.html.jinja", {**content, "inlined": inlined})
    )


def _check(record: Record, images: npt.NDArray[np.uint8], predictions: Predictions) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(predictions.labels):
        raise ValueError(
            f"test_images must be uint8 (n, h, w, c) with n = {len(predictions.labels)}, as the "
            f"predictions have. Received: {images.dtype} {images.shape}"
        )
    names = len(record.dataset.class_names)
    lengths = {len(run.metrics.per_class_accuracy) for run in record.runs} | {names}
    if lengths != {predictions.num_classes}:
        raise ValueError(
            f"the predictions have {predictions.num_classes} classes. Received: {names} class "
            f"names, and runs with {sorted(lengths)} accuracies by class"
        )


def _write_csv(folder: Path, record: Record) -> None:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    history, results = [], []
    for name, runs in group(record.runs).items():
        for run in runs:
            rows = max(map(len, run.history.values()), default=0)
            for epoch in range(rows):
                known = {k: v[epoch] for k, v in run.history.items() if epoch < len(v)}
                history.append({"model": name, "seed": run.seed, "epoch": epoch + 1, **known})
            scores = {
                key: getattr(run.metrics, key)
                for key in run.metrics.__struct_fields__
                if key != "per_class_accuracy"
            }
            results.append(
                {
                    "model": name,
                    "seed": run.seed,
                    "parameters": run.parameters,
                    "multiply_accumulates": run.multiply_accumulates,
                    "epochs": run.epochs,
                    "train_seconds": run.train_seconds,
                    "images_per_second": run.images_per_second,
                    "precision": run.precision,
                    **scores,
                }
            )
    for name, table in (("history.csv", history), ("results.csv", results)):
        columns = None if table else ["model", "seed"]
        frame = pd.DataFrame(table, columns=columns)
        files.write_text(folder / name, frame.to_csv(index=False, lineterminator="\n"))


def _place(folder: Path, record: Record) -> str:
    """Returns the run folder as a command takes it; "" where it has no models to go on with."""
    if record.status != "complete" or not (folder / "models").is_dir():
        return ""
    with contextlib.suppress(ValueError):
        folder = folder.resolve().relative_to(Path.cwd())
    return shlex.quote(str(folder))


def _content(
    folder: Path, record: Record, predictions: Predictions, pictures: list[Picture]
) -> dict[str, Any]:
    counts = np.bincount(predictions.labels, minlength=predictions.num_classes).tolist()
    order = tables.ranked(record)
    subject = (
        order[0].title if len(order) == 1 else f"{render.plural(len(order), 'model')} compared"
    )
    return {
        "record": record,
        "title": f"{text.plain(record.dataset.title)}: {subject}",
        "answer": story.answer(record),
        "label": story.label(record.dataset),
        "notes": [
            *(text.plain(note) for note in record.dataset.notes),
            *([story.chance(record, counts), story.unfinished(record)] if record.runs else []),
            story.together(record),
        ],
        "place": _place(folder, record),
        "banners": story.banners(record),
        "synthetic": record.dataset.source == "synthetic",
        "results": tables.results(record) if record.runs else None,
        "reported": tables.reported(record),
        "against_best": tables.against_best(record),
        "all_pairs": tables.all_pairs(record),
        "sections": sections.shown(record.sections),
        "classes": tables.classes(record, counts) if record.runs else None,
        "few_classes": len(counts) <= MARKDOWN_CLASSES,
        "shared": [picture for picture in pictures if picture.model is None],
        "details": [
            (model.title, [picture for picture in pictures if picture.model == model.name])
            for model in order
        ],
        "data": render.data(record.dataset),
        "environment": render.environment(record.environment, record.created),
        "recipe": render.toml(record.recipe),
        "command": record.command,
    }
