"""Comparisons of networks for notebooks and programs: the same as the apps' commands."""

import importlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from kerasdl.face.load import load
from kerasdl.face.options import check_options, written

if TYPE_CHECKING:
    from kerasdl.face.results import Comparison
    from kerasdl.studies.options import App

Models = str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | Mapping[str, Any]

# What is a command's, or has an argument of its own here.
_NOT_OPTIONS = ("study", "dataset", "data", "set", "find_lr", "workers", "rank")


def compare(
    data: Any,
    models: Models | None = None,
    *,
    seeds: int | Literal["auto"] = 1,
    out: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> "Comparison":
    """Trains models on a data set, compares them on its test images, and writes a report.

    What is finished in the run folder is not trained again: the second call of the same
    comparison returns at once, and one that was stopped goes on.

    >>> import kerasdl as kd
    >>> import keras
    >>> def mine(input_shape, num_classes):
    ...     return keras.Sequential([
    ...         keras.Input(input_shape),
    ...         keras.layers.Rescaling(1 / 255),
    ...         keras.layers.Flatten(),
    ...         keras.layers.Dense(num_classes, activation="softmax"),
    ...     ])
    >>> run = kd.compare("synthetic_gray", ["mlp1", mine], epochs=1, train_size=500)
    ... # doctest: +ELLIPSIS
    ╭...
    >>> list(run.table.index)
    ['mlp1', 'mine']

    Args:
        data: As for `load`.
        models: Names of networks (`python -m kerasdl.models` lists them), places of your own
            ("mine.py:build") or functions `(input_shape, num_classes) -> keras.Model`; one, a
            list of them, or a mapping from names of your choice; None for those of the preset.
            An uncompiled model is trained as `options` say; a compiled one keeps its optimizer
            and loss. Pixels come as 0..255.
        seeds: How often each model is trained, >= 1; "auto" trains each three times, and those
            that are still tied with the best on the validation images further, `max_seeds` times
            (20) at most or until `minutes` are over.
        out: The run folder; None for runs/NAME, or runs/NAME-2 where that has another run.
        settings: Settings by the model's name, e.g. {"mlp": {"units": [256, 64]}}.
        data_dir: The folder with the known data sets' files; None for KERASDL_DATA or a download.
        **options: Any option of the command line with underscores, e.g. epochs=10,
            batch_size=64, optimizer="sgd", validation_fraction=0.1, train_size=1000,
            precision="float32", minutes=5, log=("tensorboard",), preset="full"; or, instead of
            models, transfer="mobilenet_0.75".

    Returns:
        The finished comparison.

    Raises:
        ValueError, FileNotFoundError: If something is not what it should be.
        FloatingPointError: If a loss became NaN or infinite; finished trainings are kept.
        KeyboardInterrupt: After Ctrl-C; the same call goes on with what is missing.
    """
    from kerasdl import recipe
    from kerasdl.face.results import Comparison
    from kerasdl.studies import folder
    from kerasdl.studies.comparing import compare as run
    from kerasdl.studies.options import make_parser, make_recipe
    from kerasdl.training.workers import ALONE

    began = time.monotonic()
    app = app_of(data)
    check_options(options, make_parser(app), app.presets, without=_NOT_OPTIONS)
    if "transfer" in options and models is not None:
        raise ValueError("transfer chooses the models. Received: models, too; give one of them")
    dataset = load(data, data_dir=data_dir)
    named = os.fspath(data) if isinstance(data, str | os.PathLike) else dataset.name
    asked: dict[str, Any] = {"preset": "default", **options, "dataset": named, "seeds": seeds}
    if out is not None:
        asked["out"] = os.fspath(out)
    if data_dir is not None:
        asked["data"] = os.fspath(data_dir)
    given = {"settings": {name: dict(one) for name, one in (settings or {}).items()}}
    plan = make_recipe(app, asked, {**({} if models is None else _models(models)), **given})
    if plan.data.classes:
        from kerasdl.datasets.classes import restrict

        dataset = restrict(dataset, plan.data.classes)
    place = folder.choose(asked.get("out"), app.name, recipe.to_dict(plan), dataset.sha256)
    if folder.is_finished(place, recipe.to_dict(plan), dataset.sha256):
        return Comparison(place)
    shown = {"seeds": seeds, **({"settings": given["settings"]} if settings else {}), **options}
    command = written(
        "compare", [repr(named), *([] if models is None else [_shown(models)])], shown
    )
    ended = run(app, plan, asked, command, workers=ALONE, dataset=dataset, began=began)
    if ended.status == "interrupted" or ended.folder is None:
        raise KeyboardInterrupt
    return Comparison(ended.folder)


def app_of(data: Any) -> "App":
    """Returns the app of a known data set, with what is best for it; else the general one."""
    from kerasdl.datasets import catalog
    from kerasdl.datasets.dataset import Dataset

    name = catalog.canonical(data) if isinstance(data, str) else None
    if isinstance(data, Dataset) and data.source not in ("folder", "arrays"):
        name = data.name
    module = name if name in catalog.ENTRIES else "compare"
    app: App = importlib.import_module(f"kerasdl.apps.{module}").APP
    return app


def _models(models: Models) -> dict[str, Any]:
    """Returns the part of a recipe that says which models."""
    from kerasdl.models import own

    if isinstance(models, Mapping):
        places = {name: own.give(one) if callable(one) else one for name, one in models.items()}
        return {"models": list(places), "networks": places}
    several = [models] if isinstance(models, str) or callable(models) else list(models)
    named = [own.give(one) if callable(one) else one for one in several]
    for one in named:
        if not isinstance(one, str):
            raise ValueError(
                "models are names, places such as 'mine.py:build', or functions "
                f"(input_shape, num_classes) -> keras.Model. Received: {one!r}"
            )
    return {"models": named}


def _shown(models: Any) -> str:
    """Returns models as they stand in a program, functions by their names."""
    if isinstance(models, Mapping):
        return f"{{{', '.join(f'{name!r}: {_shown(one)}' for name, one in models.items())}}}"
    if callable(models):
        return str(models.__name__)
    return repr(models) if isinstance(models, str) else f"[{', '.join(map(_shown, models))}]"
