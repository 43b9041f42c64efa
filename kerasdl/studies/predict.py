"""`predict`: what the best network of a finished run says of a person's own pictures."""

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kerasdl import command_line, record, streams, suggest
from kerasdl.studies.answers import Answers, Guess, Picture, show
from kerasdl.studies.folder import read_finished

if TYPE_CHECKING:
    import keras

    from kerasdl.evaluation.familiarity import Familiarity, Images


@command_line.entry
def main(app: str | None, argv: Sequence[str] | None) -> int:
    """Runs `python -m kerasdl.apps.<app> predict`, or `kerasdl predict`.

    Args:
        app: The app's name; runs/<app> is the run where none is named. None for no app's.
        argv: Arguments after "predict"; None for the process's own.

    Returns:
        The exit code: 0, 2 after a user's error (a line on standard error for each),
        130 after Ctrl-C.
    """
    parser = make_parser(app)
    options = parser.parse_args(argv)
    try:
        return _predict(app, parser.prog, options)
    except (ValueError, OSError) as error:
        return command_line.fail(parser.prog, error)
    except KeyboardInterrupt:
        return command_line.INTERRUPTED


def make_parser(app: str | None) -> command_line.Parser:
    """Returns the parser; without an app, the run must be named."""
    parser = command_line.Parser(
        prog=f"python -m kerasdl.apps.{app} predict" if app else "kerasdl predict",
        description="Print what a network of a finished run sees in pictures of your own, and "
        "whether they look like those that it was trained on.",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="PNG, JPEG, BMP, GIF, TIFF or WebP files"
    )
    usual: dict[str, Any] = {"default": f"runs/{app}"} if app else {"required": True}
    told = f" (runs/{app})" if app else ""
    parser.add_argument("--run", metavar="DIR", help=f"the run's folder{told}", **usual)
    parser.add_argument(
        "--model", metavar="NAME", help="one of the run's models (the best on validation images)"
    )
    parser.add_argument("--seed", metavar="N", type=int, help="one of its seeds (the best)")
    parser.add_argument(
        "--top", metavar="K", type=_positive, default=3, help="show the K likeliest classes (3)"
    )
    parser.add_argument(
        "--invert", action="store_true", help="light becomes dark first: for ink on white paper"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")
    return parser


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number of classes >= 1. Received: {text!r}")


def _predict(app: str | None, prog: str, options: Any) -> int:
    folder = Path(options.run)
    result = _read_record(app, folder)
    run = choose(result, options.model, options.seed)
    from kerasdl.evaluation import familiarity

    images, failures = read_pictures(options.images, result.dataset, options.invert)
    if failures:
        for failure in failures:
            command_line.fail(prog, failure)
        return 2
    known = None
    if (folder / familiarity.NAME).exists():
        known = familiarity.load(folder / familiarity.NAME)
    chances = _probabilities(folder, run, result, images)
    answers = Answers(
        run=str(folder),
        model=run.model,
        seed=run.seed,
        validation_accuracy=run.metrics.validation_accuracy,
        dataset=result.dataset.label,
        preparation=_preparation(result.dataset, options.invert),
        held_out=None if known is None else known.num_held_out,
        pictures=[
            _picture(file, image, row, result.dataset.class_names, known, options)
            for file, image, row in zip(options.images, images, chances, strict=True)
        ],
    )
    if options.json:
        streams.write(json.dumps(msgspec.to_builtins(answers), indent=2))
    else:
        show(answers, synthetic=result.dataset.source == "synthetic")
    return 0


def _read_record(app: str | None, folder: Path) -> record.Record:
    """Returns the record of a finished run.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If the run is not finished, or it is no comparison of networks.
    """
    advice = f"; train with `python -m kerasdl.apps.{app or 'svhn'}`, or name another with --run"
    result = read_finished(folder, advice)
    if isinstance(result, record.Findings):
        raise ValueError(
            f"expected a comparison of networks. Received: {folder}, an experiment or a search "
            f"({result.study})"
        )
    return result


def choose(result: record.Record, model: str | None, seed: int | None) -> record.Run:
    """Returns the run of the best validation accuracy; where there is none, the first.

    Args:
        result: A record with at least one run.
        model: Only this model's; None for all.
        seed: Only this seed's; None for all.

    Raises:
        ValueError: If there is no such model or seed.
    """
    runs = list(result.runs)
    names = list(dict.fromkeys(run.model for run in runs))
    if model is not None and model not in names:
        meant = suggest.hint(model, names)
        raise ValueError(f"--model must be one of {', '.join(names)}. Received: {model!r}.{meant}")
    runs = [run for run in runs if model in (None, run.model)]
    seeds = sorted({run.seed for run in runs})
    if seed is not None and seed not in seeds:
        raise ValueError(f"--seed must be one of {', '.join(map(str, seeds))}. Received: {seed}")
    runs = [run for run in runs if seed in (None, run.seed)]
    if not runs:
        raise ValueError("expected a run with a trained model. Received: one without any")

    def merit(run: record.Run) -> tuple[float, float]:
        scores = run.metrics
        return scores.validation_accuracy or 0.0, -(scores.validation_loss or 0.0)

    return max(runs, key=merit)  # the first of equals


def read_pictures(
    names: Sequence[str], dataset: record.DatasetInfo, invert: bool
) -> tuple["Images", list[str]]:
    """Returns the pictures as the network wants them, and what is wrong with those that fail.

    Args:
        names: Their paths.
        dataset: What the network was trained on.
        invert: Whether light becomes dark.
    """
    import numpy as np

    from kerasdl.datasets.picture import read_picture

    found, failures = [], []
    stretch = dataset.source == "folder"
    for name in names:
        try:
            # Pillow warns of odd metadata; what matters is an error.
            with warnings.catch_warnings(action="ignore"):
                picture = read_picture(Path(name), dataset.image_shape, stretch=stretch)
            found.append(255 - picture if invert else picture)
        except (ValueError, OSError) as error:
            failures.append(str(error))
    shape = len(found), *dataset.image_shape
    return np.array(found, np.uint8).reshape(shape), failures


def _probabilities(folder: Path, run: record.Run, result: record.Record, images: "Images") -> Any:
    """Returns each picture's probability of each class, float64 (n, classes)."""
    from kerasdl.studies import own_classes
    from kerasdl.training.environment import start_keras

    start_keras()
    dataset = result.dataset
    path = folder / "models" / f"{run.model}-seed{run.seed}.keras"
    model = own_classes.load(path, result.recipe, run.model, streams.complain)
    expected = (*dataset.image_shape, len(dataset.class_names))
    if (*model.input_shape[1:], model.output_shape[-1]) != expected:
        raise ValueError(
            f"{path} is not the run's model: expected images {dataset.image_shape} and "
            f"{expected[-1]} classes. Received: {model.input_shape} and {model.output_shape}"
        )
    return probabilities(model, images)


def probabilities(model: "keras.Model", images: "Images") -> Any:
    """Returns each picture's probability of each class, float64 (n, classes).

    Args:
        model: A saved model, from pixels to logits.
        images: uint8 array (n, h, w, c) of its size.
    """
    import numpy as np

    from kerasdl.evaluation.predictions import log_probabilities

    return np.exp(log_probabilities(model.predict(images, batch_size=256, verbose=0)))


def _preparation(dataset: record.DatasetInfo, invert: bool) -> str:
    from kerasdl.datasets.picture import PADDED, STRETCHED

    height, width, channels = dataset.image_shape
    way = (STRETCHED if dataset.source == "folder" else PADDED).format(height=height, width=width)
    brightness = "; colours became gray" if channels == 1 else ""
    return f"Pictures were {way}{brightness}{'; light became dark' if invert else ''}."


def _picture(
    file: str,
    image: "Images",
    probabilities: Any,
    names: Sequence[str],
    known: "Familiarity | None",
    options: Any,
) -> Picture:
    """Returns what is said of a picture."""
    best = (-probabilities).argsort(kind="stable")[: options.top]
    classes = [Guess(names[label], float(probabilities[label])) for label in best]
    if known is None:
        return Picture(file, classes, None, None, [])
    from kerasdl.evaluation.familiarity import UNLIKE

    share, inverted = known.shares(image[None])[0], known.shares(255 - image[None])[0]
    notes = []
    if share <= UNLIKE:
        count = round(share * (known.num_held_out + 1)) - 1
        notes.append(
            f"unlike the training images: {known.reason(image)}. Of {known.num_held_out:,} "
            f"held-out images, {count or 'none'} {'is' if count == 1 else 'are'} as unusual; "
            "the probabilities may mean nothing."
        )
        if inverted > UNLIKE:
            other = "without --invert" if options.invert else "with --invert"
            notes.append(f"With light and dark exchanged it looks familiar: try {other}.")
    return Picture(file, classes, float(share), bool(share <= UNLIKE), notes)
