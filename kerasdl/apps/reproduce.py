"""Runs a record again and says whether its figures come out: `python -m kerasdl reproduce DIR`."""

import importlib
import itertools
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from kerasdl import recipe, record
from kerasdl.datasets.load import load
from kerasdl.reporting.text import percent_spread
from kerasdl.studies.command import make_recipe


def agrees(old: record.Spread, new: record.Spread, num_test: int) -> bool | None:
    """Whether a new mean lies where the old record lets one expect it.

    The 95 % prediction interval for the mean of `new.n` further seeds,
    old mean ± t(0.975, n - 1) std sqrt(1/n + 1/m) (Hahn and Meeker 1991,
    "Statistical Intervals", section 4.8); the normal distribution of a seed's
    accuracy is an assumption. A few seeds can agree by luck, so the standard
    deviation is taken to be at least that of the accuracy on so many test images,
    sqrt(p (1 - p) / num_test).

    Args:
        old: The record's mean and spread (0..1).
        new: The new one's.
        num_test: Number of test images, >= 1.

    Returns:
        None when the record has one seed only and the figures differ: nothing
        is known about the spread then.
    """
    from scipy import stats

    if math.isclose(old.mean, new.mean, abs_tol=1e-12):
        return True
    if old.std is None:
        return None
    std = max(old.std, math.sqrt(old.mean * (1.0 - old.mean) / num_test))
    width = stats.t.ppf(0.975, old.n - 1) * std * math.sqrt(1 / old.n + 1 / new.n)
    return abs(new.mean - old.mean) <= float(width)


def compare(old: record.Record, new: record.Record) -> tuple[list[str], bool]:
    """Compares two records model by model.

    Returns:
        One line for each model of `old`, and whether every one is confirmed.
    """
    lines, sound = [], True
    again = {summary.model: summary.test_accuracy for summary in new.summary}
    for summary in old.summary:
        before, after = summary.test_accuracy, again.get(summary.model)
        if after is None:
            lines.append(f"{summary.title}: not run")
            sound = False
            continue
        verdict = agrees(before, after, old.dataset.test)
        sound = sound and verdict is True
        words = {
            True: "reproduced",
            False: "NOT reproduced: outside the 95 % prediction interval of the record",
            None: "NOT confirmed: the record has one seed, so that its spread is not known",
        }
        lines.append(
            f"{summary.title}: {_text(before)} in the record, {_text(after)} now: {words[verdict]}"
        )
    return lines, sound


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns 0 when every figure was reproduced, 1 when not, 2 on an error."""
    parser = recipe.Parser(
        prog="python -m kerasdl reproduce",
        description="Run a record again with its own recipe; are its figures inside their spread?",
    )
    parser.add_argument("record", metavar="DIR", help="a run folder or record, e.g. apps/svhn")
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets' files")
    parser.add_argument("--out", metavar="DIR", help="run folder; default: runs/reproduce-<app>")
    options = parser.parse_args(argv)
    try:
        folder = Path(options.record)
        path = folder / "results.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"expected a folder with a results.json. Received: {options.record}"
            )
        old = record.read(path)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", old.app):
            raise ValueError(f"{path} names no app. Received: {old.app!r}")
        try:
            app = importlib.import_module(f"kerasdl.apps.{old.app}")
        except ModuleNotFoundError:
            raise ValueError(f"{path} is of an unknown app. Received: {old.app!r}") from None
        out = options.out or _new_folder(old.app)
        plan = make_recipe(app.APP, {"preset": "default", "recipe": str(folder / "recipe.toml")})
        dataset = load(
            plan.data.dataset, data_dir=options.data, seed=plan.data.split_seed, notify=print
        )
    except (ValueError, FileNotFoundError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    if dataset.sha256 != old.dataset.sha256:
        print(
            f"The images are others than the record's: {dataset.label} now, "
            f"{old.dataset.label} then. The figures cannot be compared; nothing was trained."
        )
        return 1
    arguments = ["--recipe", str(folder / "recipe.toml"), "--out", out]
    if options.data:
        arguments += ["--data", options.data]
    code = int(app.main(arguments))
    if code != 0:
        return code
    new = record.read(Path(out) / "results.json")
    lines, sound = compare(old, new)
    print("\n".join(lines))
    return 0 if sound else 1


def _new_folder(app: str) -> str:
    """Returns the first of runs/reproduce-<app>, -2, … that is not there: a repetition is new."""
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    folders = (Path("runs") / f"reproduce-{app}{name}" for name in names)
    return str(next(folder for folder in folders if not folder.exists()))


def _text(spread: record.Spread) -> str:
    return f"{percent_spread(spread)} % (n={spread.n})"


if __name__ == "__main__":
    sys.exit(main())
