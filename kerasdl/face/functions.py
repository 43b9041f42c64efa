"""What a trained model does, as functions: of a run, of its folder, or of a model of it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from kerasdl.face.trained import Trained


def predict(run: Any, images: Any, *, top: int = 3, invert: bool = False) -> "pd.DataFrame":
    """Returns what a trained model sees in images.

    >>> import kerasdl as kd
    >>> run = kd.compare("synthetic_gray", "mlp1", epochs=1, train_size=200, out="runs/a")
    ... # doctest: +ELLIPSIS
    ╭...
    >>> images = kd.load("synthetic_gray").test.images[:5]
    >>> kd.predict("runs/a", images, top=1).columns.to_list()
    ['image', 'class_1', 'probability_1']

    Args:
        run: A run, its folder, or a trained model of it. Of a run its best model on validation
            images is taken.
        images: A picture's path, a folder of pictures, a list of paths, or an array (n, h, w, c)
            or (n, h, w) of pixels 0..255 of the run's size.
        top: How many of the likeliest classes, >= 1.
        invert: Whether light becomes dark first: for ink on white paper.

    Returns:
        One row an image: `image` (path or number), `class_1`, `probability_1` (0..1), ...

    Raises:
        ValueError, FileNotFoundError: If there is no such run, or a picture cannot be read.
    """
    return trained(run).predict(images, top=top, invert=invert)


def evaluate(run: Any, data: Any, **arguments: Any) -> dict[str, float]:
    """Scores a trained model on the test part of a data set.

    >>> import kerasdl as kd
    >>> run = kd.compare("synthetic_gray", "mlp1", epochs=1, train_size=200, out="runs/b")
    ... # doctest: +ELLIPSIS
    ╭...
    >>> scores = kd.evaluate(run, "synthetic_gray")
    >>> bool(scores["accuracy"] == run.table.test_accuracy["mlp1"])
    True

    Args:
        run: As for `predict`.
        data: As for `load`; of the run's image shape and classes.
        **arguments: As for `load`.

    Returns:
        accuracy (0..1), loss (cross-entropy, nats), ece (0..1) and images.

    Raises:
        ValueError, FileNotFoundError: If the data are not there, or not of the run's images
            and classes.
    """
    return trained(run).evaluate(data, **arguments)


def export(run: Any, to: str | os.PathLike[str], **options: Any) -> Path:
    """Writes a trained model as TensorFlow Serving takes it, once it answers as the model does.

    >>> import kerasdl as kd
    >>> run = kd.compare("synthetic_gray", "mlp1", epochs=1, train_size=200, out="runs/c")
    ... # doctest: +ELLIPSIS
    ╭...
    >>> folder = kd.export(run, "saved_models", name="digits")
    >>> folder.as_posix()
    'saved_models/digits/1'

    Args:
        run: As for `predict`.
        to: The folder of all models.
        **options: As for `Trained.export`: name, version, formats, calibrate, float32, data_dir.

    Returns:
        The version's folder.

    Raises:
        ValueError: If something is not what it should be, or what was written answers otherwise
            than the trained model: then nothing is published.
        FileNotFoundError: If the run or its data set is not there.
    """
    return trained(run).export(to, **options)


def trained(run: Any, model: str | None = None, seed: int | None = None) -> "Trained":
    """Returns the trained model that a person means.

    Args:
        run: A run, its folder, or a trained model.
        model: One of the run's models; None for the best on validation images.
        seed: One of its seeds; None for the best.

    Raises:
        ValueError: If it is none of these, or has no trained model.
        FileNotFoundError: If there is no such folder.
    """
    from kerasdl.face.results import load_run
    from kerasdl.face.trained import Trained

    if isinstance(run, Trained):
        return run
    found = load_run(run) if isinstance(run, str | os.PathLike) else run
    if (model, seed) != (None, None):
        from kerasdl.export import runs

        return Trained(runs.find(found.folder, model, seed))
    best = getattr(found, "best", None)
    if not isinstance(best, Trained):
        raise ValueError(
            "expected a run with a trained model, its folder, or one of its trained models. "
            f"Received: {run!r}"
        )
    return best
