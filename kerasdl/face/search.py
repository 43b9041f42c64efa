"""Searches of hyper-parameters for notebooks and programs: ready-made ones, and your own space."""

import importlib
import os
from typing import TYPE_CHECKING, Any

from kerasdl.face.options import written
from kerasdl.face.study import name_of, perform

if TYPE_CHECKING:
    from kerasdl.face.results import SearchResult


def search(
    data: Any = None,
    space: Any = None,
    *,
    oracle: str | None = None,
    seeds: int | None = None,
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> "SearchResult":
    """Searches hyper-parameters, trains the winner again, and writes a report.

    Trials whose models are perceptrons are trained many at a time, all seeds of them, as one
    computation (`kerasdl.tuning.PackedTuner`); others one by one. Trials are ranked on validation
    images with their noise over seeds and images; the test images are looked at once, at the end.
    The second call of the same search returns at once, and one that was stopped goes on.

    >>> import kerasdl as kd
    >>> import keras
    >>> def build(hp, input_shape, num_classes):
    ...     return keras.Sequential([
    ...         keras.Input(input_shape),
    ...         keras.layers.Rescaling(1 / 255),
    ...         keras.layers.Flatten(),
    ...         keras.layers.Dense(hp.Choice("width", [4, 16]), activation="relu"),
    ...         keras.layers.Dense(num_classes),
    ...     ])
    >>> found = kd.search("synthetic_gray", build, oracle="grid", epochs=1, train_size=200)
    ... # doctest: +ELLIPSIS
    ╭...
    >>> sorted(found.table.width), found.best_hyperparameters["width"] in (4, 16)
    ([4, 16], True)
    >>> 0 <= found.best.evaluate("synthetic_gray")["accuracy"] <= 1
    True

    Args:
        data: As for `load`; None for a ready-made search's own.
        space: What is searched: a function `build(hp)` or `build(hp, input_shape, num_classes)`
            that returns a Keras model, a `keras_tuner.HyperModel`, the place of one
            ("mine.py:build"), or a ready-made search by its name: "mnist_width",
            "regularization", "transfer_head". An uncompiled model is trained as `options` say; a
            compiled one keeps its optimizer and loss. Pixels come as 0..255. A ready-made search's
            name may also stand alone: `search("mnist_width")`.
        oracle: Which trials: "grid", "random", "bayesian" or "hyperband"; None for the search's
            own, "random" for a space of yours.
        seeds: Trainings of each trial, >= 1; None for the search's own, 1 for a space of yours.
        out: The run folder; None for one in runs/.
        data_dir: The folder with the known data sets' files; None for KERASDL_DATA or a download.
        **options: Any option of the search's command with underscores, e.g. trials=20, epochs=10,
            batch_size=64, train_size=2000, validation_fraction=0.2, objective="val_loss", jobs=2,
            preset="full".

    Returns:
        The finished search.

    Raises:
        ValueError, FileNotFoundError: If something is not what it should be.
        KeyboardInterrupt: After Ctrl-C; the same call goes on with what is missing.
    """
    from kerasdl.face.results import SearchResult
    from kerasdl.studies.experiment_command import make_parser

    if space is None and isinstance(data, str) and data in _READY:
        data, space = None, data
    own = not isinstance(space, str) or ":" in space
    module = importlib.import_module(f"kerasdl.tuning.{'own_model' if own else _ready(space)}")
    asked = dict(options)
    if own:
        from kerasdl.tuning import own_space

        if space is None or data is None:
            raise ValueError(
                "expected search(data, space), or a ready-made search's name: "
                f"{', '.join(_READY)}. Received: no {'space' if space is None else 'data'}"
            )
        named = own_space.find(space)[0] if isinstance(space, str) else own_space.give(space)
        asked["build"] = named
        oracle = oracle or "random"
    shown: dict[str, Any] = {}
    for name, value in (("algorithm", oracle), ("seeds", seeds)):
        if name in options:
            raise ValueError(f"expected oracle= for the algorithm. Received: {name}=, too")
        if value is not None:
            asked[name] = value
            shown["oracle" if name == "algorithm" else name] = value
    if out is not None:
        asked["out"] = os.fspath(out)
    if data_dir is not None:
        asked["data"] = os.fspath(data_dir)
    text = repr(space) if isinstance(space, str) else getattr(space, "__name__", "hypermodel")
    command = written("search", [*_data(data), text], {**shown, **options})
    app = "own_model" if own else str(space)
    parser = make_parser(app, module.EXPERIMENT)
    return SearchResult(perform(app, module.EXPERIMENT, parser, data, asked, command))


_READY = ("mnist_width", "regularization", "transfer_head")


def _ready(name: str) -> str:
    from kerasdl.command_line import expected

    if name not in _READY:
        raise ValueError(f"search: {expected(_READY, name)}")
    return name


def _data(data: Any) -> list[str]:
    """Returns the argument `data` as it stands in a program."""
    return [] if data is None else [repr(name_of(data))]
