"""Writes the report of a run folder: figures, tables, README.md and report.html."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl import files
from kerasdl.evaluation.predictions import Predictions
from kerasdl.evaluation.variants import group
from kerasdl.record import Record
from kerasdl.reporting import story, tables, text
from kerasdl.reporting.illustrate import Picture, illustrate
from kerasdl.reporting.tables import results_table

__all__ = ["results_table", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"
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
    content = _content(record, predictions, pictures)
    files.write_text(folder / "README.md", _render("README.md.jinja", content))
    inlined = {picture.file: _inline(folder / picture.file) for picture in pictures}
    files.write_text(
        folder / "report.html", _render("report.html.jinja", {**content, "inlined": inlined})
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


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


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


def _render(name: str, content: Mapping[str, Any]) -> str:
    import jinja2
    import markupsafe

    html = name.endswith(".html.jinja")

    def escape(value: Any) -> Any:
        # In Markdown, too, everything is escaped that does not say it is Markdown.
        return value if isinstance(value, markupsafe.Markup) else text.markdown(str(value))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if html else escape,
    )
    environment.filters["fence"] = lambda code, language="": markupsafe.Markup(
        text.fence(code, language)
    )
    environment.filters["code"] = lambda code: markupsafe.Markup(text.code(code))
    environment.filters["table"] = lambda table: markupsafe.Markup(table.markdown())
    return environment.get_template(name).render(content)


def _content(record: Record, predictions: Predictions, pictures: list[Picture]) -> dict[str, Any]:
    counts = np.bincount(predictions.labels, minlength=predictions.num_classes).tolist()
    order = tables.ranked(record)
    subject = order[0].title if len(order) == 1 else f"{_plural(len(order), 'model')} compared"
    return {
        "record": record,
        "title": f"{text.plain(record.dataset.title)}: {subject}",
        "answer": story.answer(record),
        "label": story.label(record.dataset),
        "notes": [text.plain(note) for note in record.dataset.notes],
        "banners": story.banners(record),
        "synthetic": record.dataset.source == "synthetic",
        "results": tables.results(record) if record.runs else None,
        "reported": tables.reported(record),
        "against_best": tables.against_best(record),
        "all_pairs": tables.all_pairs(record),
        "classes": tables.classes(record, counts) if record.runs else None,
        "few_classes": len(counts) <= MARKDOWN_CLASSES,
        "shared": [picture for picture in pictures if picture.model is None],
        "details": [
            (model.title, [picture for picture in pictures if picture.model == model.name])
            for model in order
        ],
        "data": _data(record),
        "environment": _environment(record),
        "recipe": _toml(record.recipe),
        "command": record.command,
    }


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _data(record: Record) -> list[tuple[str, str]]:
    data = record.dataset
    height, width, channels = data.image_shape
    origin = {
        "local": "the publisher's files in a local folder",
        "store": "the store of prepared data",
        "tfds": "TensorFlow Datasets",
        "folder": "a folder of images",
        "synthetic": "rendered by kerasdl: SYNTHETIC, not real data",
    }
    return [
        ("Data set", story.label(data)),
        ("Read from", origin[data.source]),
        (
            "Checked",
            "the content has the publisher's checksums"
            if data.verified
            else "no publisher's checksum to compare with",
        ),
        (
            "Images",
            f"{text.count(data.train)} to train, {text.count(data.validation)} to validate, "
            f"{text.count(data.test)} to test",
        ),
        ("Image", f"{height} \u00d7 {width} pixels, {_plural(channels, 'channel')}"),
        ("Classes", str(len(data.class_names))),
        *(("Note", text.plain(note)) for note in data.notes),
        ("SHA-256 of the content", data.sha256),
    ]


def _environment(record: Record) -> list[tuple[str, str]]:
    here = record.environment
    return [
        ("kerasdl", here.kerasdl),
        ("Keras", f"{here.keras}, backend {here.backend}"),
        *([("TensorFlow", here.tensorflow)] if here.tensorflow else []),
        *([("JAX", here.jax)] if here.jax else []),
        ("NumPy", here.numpy),
        ("Python", here.python),
        ("Device", f"{here.device}, {_plural(here.cores, 'core')}"),
        ("Strategy", here.strategy),
        ("Precision", here.precision),
        ("Made", record.created),
    ]


def _toml(recipe: Mapping[str, Any]) -> str:
    import tomli_w

    def known(value: Any) -> Any:
        # TOML has no null: a key that is not set is left out.
        if isinstance(value, Mapping):
            return {str(key): known(item) for key, item in value.items() if item is not None}
        if isinstance(value, list | tuple):
            return [known(item) for item in value if item is not None]
        return value

    result: str = tomli_w.dumps(known(recipe))
    return result
