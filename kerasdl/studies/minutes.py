"""`--minutes M`: a recipe is shortened until it fits, once, and is then a recipe like any other.

Fewer epochs first, in proportion and at least one each, over which the learning rate still runs its
whole course; where one epoch each is too long, fewer images. The numbers stand in recipe.toml,
whose first line says where they came from: the same command goes on with them, whatever a second
measurement would say.
"""

import argparse
import contextlib
import itertools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kerasdl import recipe, record
from kerasdl.studies.timing import Sizes
from kerasdl.training.forecast import about
from kerasdl.training.settings import Training

SHARE = 0.9
"""How much of the time is planned with: other work may share the machine."""


class Limit(NamedTuple):
    """How long a run may take.

    Args:
        minutes: What the user gave.
        began: When its command began, by `time.monotonic`.
    """

    minutes: float
    began: float

    @property
    def room(self) -> float:
        """Seconds that are left to plan with."""
        return SHARE * 60 * self.minutes - (time.monotonic() - self.began)


_NOTE = re.compile(r"# Epochs and images by --minutes ([0-9.e+-]+)\n")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--minutes`."""
    parser.add_argument(
        "--minutes",
        metavar="M",
        type=_minutes,
        help="fit the run into M minutes on this machine, by fewer epochs and then fewer images",
    )


def _minutes(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (minutes := float(text)) < float("inf"):
            return minutes
    raise argparse.ArgumentTypeError(f"expected minutes > 0. Received: {text!r}")


def check(options: Mapping[str, Any]) -> None:
    """Checks that `--minutes` is not asked to decide what is decided.

    Args:
        options: The parser's result.

    Raises:
        ValueError: If it is.
    """
    if "minutes" in options and "epochs" in options:
        raise ValueError(
            "--minutes chooses the epochs. Received: --epochs, too; drop --epochs to fit the time, "
            "or --minutes to train for so many epochs"
        )
    if "minutes" in options and "find_lr" in options:
        raise ValueError("--find-lr takes seconds. Received: --minutes, too; drop it")


def note(minutes: float) -> str:
    """Returns the first line of a recipe.toml whose numbers were fitted."""
    return f"# Epochs and images by --minutes {minutes:g}\n"


def shorten(plan: Any, share: float, sizes: Sizes, train_size: int | None = None) -> Any:
    """Returns a recipe with fewer epochs, or fewer images.

    Args:
        plan: Any recipe with the fields `data` and `training` or `epochs`.
        share: Of the epochs, 0..1; at least one is left of each training.
        sizes: How many images `plan` has.
        train_size: How many images to train on; None for as many as before.
    """

    def fewer(epochs: int) -> int:
        return max(1, math.floor(share * epochs + 1e-9))

    def shorter(training: Training) -> Training:
        epochs = fewer(training.num_epochs(sizes.train))
        return msgspec.structs.replace(training, epochs=epochs, minimum_images=0)

    changes: dict[str, Any] = {}
    training, epochs = getattr(plan, "training", None), getattr(plan, "epochs", None)
    if isinstance(training, Training):
        changes["training"] = shorter(training)
    elif training is not None:
        changes["training"] = {name: shorter(one) for name, one in training.items()}
    if isinstance(epochs, int):
        changes["epochs"] = fewer(epochs)
    elif epochs is not None:  # epochs after which to score, rising
        changes["epochs"] = tuple(dict.fromkeys(map(fewer, epochs)))
    if (transfer := getattr(plan, "transfer", None)) and not isinstance(transfer, str):
        changes["transfer"] = {
            name: how
            if how.finetune_epochs is None
            else msgspec.structs.replace(how, finetune_epochs=fewer(how.finetune_epochs))
            for name, how in transfer.items()
        }
    if train_size is not None:
        changes["data"] = msgspec.structs.replace(
            plan.data, train_size=train_size, train_fraction=None
        )
    return msgspec.structs.replace(plan, **changes)


def fit(
    plan: Any,
    sizes: Sizes,
    limit: Limit,
    seconds: Callable[[Any, Sizes], float],
    *,
    images_first: bool = False,
) -> tuple[Any, str]:
    """Shortens a recipe until it fits.

    Args:
        plan: The recipe.
        sizes: How many images it has.
        limit: Into how many minutes.
        seconds: What a recipe takes with so many images.
        images_first: Whether images cost more than epochs: a base computes each once.

    Returns:
        The recipe, the same where it fits as it is, and a line that says what was decided.

    Raises:
        ValueError: If even the shortest recipe is too long.
    """
    minutes, room = limit.minutes, limit.room
    if (whole := seconds(plan, sizes)) <= room:
        return plan, f"--minutes {minutes:g}: about {about(whole)}, nothing is left out"

    def taken(share: float, size: int | None) -> float:
        found = sizes if size is None else sizes._replace(train=size)
        return seconds(shorten(plan, share, sizes, size), found)

    size = None
    # What one epoch each may take before images are left out.
    if taken(0.0, None) > (enough := room / 2 if images_first else room):
        least = min(sizes.train, max(100, 2 * sizes.classes))
        if taken(0.0, least) > room:
            raise ValueError(
                f"--minutes {minutes:g} is too short: one epoch of {least} images takes about "
                f"{about(taken(0.0, least))} here with all that belongs to it. Give more minutes, "
                "or less to do (--models, --seeds)"
            )
        low, high = least, sizes.train
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if taken(0.0, middle) <= enough else (low, middle)
        size = low
    # Both ends of what is searched are multiples of nothing: 20 halvings are fine enough.
    share, step = 0.0, 0.5
    for _ in range(20):
        share, step = share + (step if taken(share + step, size) <= room else 0.0), step / 2
    fitted = shorten(plan, share, sizes, size)
    words = [_epochs_in_words(fitted, plan, sizes)]
    if size is not None:
        words.append(f"{size:,} of {sizes.train:,} images")
    return fitted, f"--minutes {minutes:g}: {', '.join(words)}; about {about(taken(share, size))}"


def _epochs_in_words(fitted: Any, plan: Any, sizes: Sizes) -> str:
    training = getattr(fitted, "training", None)
    if isinstance(training, Training):
        return f"{training.epochs} of {plan.training.num_epochs(sizes.train)} epochs"
    if training is not None:
        return ", ".join(
            f"{name} {one.epochs} of {plan.training[name].num_epochs(sizes.train)} epochs"
            for name, one in training.items()
        )
    last = [one if isinstance(one, int) else one[-1] for one in (fitted.epochs, plan.epochs)]
    return f"{last[0]} of {last[1]} epochs"


def earlier(
    out: str | None,
    base: str,
    minutes: float,
    plan: Any,
    sizes: Sizes,
    *,
    sha256: str,
    extra: Mapping[str, Any] | None = None,
) -> Any:
    """Returns the recipe that the same command decided before, or None.

    Args:
        out: The run folder that the user named; None for runs/<base>, -2, ...
        base: The folder's name in runs/.
        minutes: What the user gives now.
        plan: The recipe, not shortened.
        sizes: How many images it has.
        sha256: Checksum of the images.
        extra: What stands in recipe.toml besides.
    """

    def shortest(one: Any) -> dict[str, Any]:
        bare = shorten(one, 0.0, sizes)
        return recipe.to_dict(
            msgspec.structs.replace(
                bare, data=msgspec.structs.replace(bare.data, train_size=None, train_fraction=None)
            )
        )

    for folder in [Path(out)] if out is not None else _numbered(base):
        path = folder / "recipe.toml"
        try:
            found = _NOTE.match(path.read_text(encoding="utf-8"))
            if found is None or float(found[1]) != float(f"{minutes:g}"):
                continue
            stored = recipe.read_toml(path)
            if any(stored.pop(key, None) != value for key, value in (extra or {}).items()):
                continue
            before = recipe.from_dict(stored, type(plan), where=str(path))
            if shortest(before) == shortest(plan) and _images_of(folder) in (None, sha256):
                return before
        except (ValueError, OSError):  # somebody else's, or damaged: not ours to go on with
            continue
    return None


def _numbered(base: str) -> Iterator[Path]:
    for number in itertools.count(1):
        folder = Path("runs") / (base if number == 1 else f"{base}-{number}")
        if not folder.exists():
            return
        yield folder


def _images_of(folder: Path) -> str | None:
    """Returns the checksum of the images of a run folder; None where nothing was written yet."""
    path = folder / "results.json"
    if not path.exists():
        return None
    found = record.read_any(path)
    return found.dataset.sha256 if found.dataset is not None else ""
