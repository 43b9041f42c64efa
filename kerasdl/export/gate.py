"""Nothing is published that answers otherwise than the model that was trained."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import kerasdl
from kerasdl.evaluation.predictions import softmax
from kerasdl.export.formats import SAVED_MODEL


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What is let through.

    Args:
        agreement: The least share of images with the same class, 0..1.
        difference: The largest difference of a probability.
    """

    agreement: float
    difference: float


SAME_PRECISION = Bounds(agreement=0.999, difference=1e-3)
"""Both compute in float32, in another order of sums: 1e-6 is usual."""
MIXED_PRECISION = Bounds(agreement=0.99, difference=0.05)
"""A bfloat16 number has 8 bits; programs round in other places."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a written format compares with the Keras model, on the same images.

    Args:
        format: Its name.
        agreement: Share of images with the same class, 0..1.
        largest_difference: Of any probability of any image.
        accuracy: Share of images that it answers rightly, 0..1.
        bytes: Size of its files.
        images_per_second: In batches of 64 in the process of the comparison.
    """

    format: str
    agreement: float
    largest_difference: float
    accuracy: float
    bytes: int
    images_per_second: float


def run(
    folder: Path,
    formats: Sequence[str],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int32],
    logits: npt.ArrayLike,
    *,
    temperature: float,
    mixed: bool,
) -> tuple[list[Agreement], list[str]]:
    """Loads what was written in a fresh process and compares its answers.

    Args:
        folder: A version's folder, not yet published.
        formats: What is in it.
        images: uint8 (n, h, w, c).
        labels: int32 (n,), their classes.
        logits: Real array (n, k), the Keras model's.
        temperature: What they are divided by before the softmax.
        mixed: Whether the Keras model computes in a shorter format than float32.

    Returns:
        The comparison of each format, and what keeps the folder from being published: [] when
        nothing does.
    """
    expected = softmax(np.asarray(logits, np.float64) / temperature)
    with tempfile.TemporaryDirectory(prefix="kerasdl-gate-") as name:
        work = Path(name)
        np.save(work / "images.npy", images)
        failure = _reload(folder, work)
        if failure:
            return [], [failure]
        report = json.loads((work / "report.json").read_text(encoding="utf-8"))
        problems = list(report["problems"])
        found = []
        for one in formats:
            answers = np.load(work / f"{one}.npy")
            seconds = report["seconds"][one]
            if answers.shape != expected.shape or not np.isfinite(answers).all():
                problems.append(
                    f"{one}: expected finite probabilities {expected.shape}. "
                    f"Received: {answers.shape}"
                )
                continue
            comparison = Agreement(
                format=one,
                agreement=float((answers.argmax(1) == expected.argmax(1)).mean()),
                largest_difference=float(np.abs(answers - expected).max()),
                accuracy=float((answers.argmax(1) == labels).mean()),
                bytes=_size(folder, one),
                images_per_second=len(images) / seconds,
            )
            found.append(comparison)
            problems += judge(comparison, MIXED_PRECISION if mixed else SAME_PRECISION)
    return found, problems


def judge(found: Agreement, bounds: Bounds) -> list[str]:
    """Returns what is beyond the bounds, as sentences."""
    problems = []
    if not found.agreement >= bounds.agreement:
        problems.append(
            f"{found.format}: {100 * found.agreement:.2f} % of the images get the class that the "
            f"Keras model gives them; at least {100 * bounds.agreement:g} % must"
        )
    if not found.largest_difference <= bounds.difference:
        problems.append(
            f"{found.format}: a probability differs by {found.largest_difference:.2g} from the "
            f"Keras model's; at most {bounds.difference:g} is let through"
        )
    return problems


def _reload(folder: Path, work: Path) -> str:
    """Runs the fresh process; returns what went wrong, "" for nothing."""
    home = str(Path(kerasdl.__file__).parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "kerasdl.export.reload", str(folder), str(work)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            # Only errors; what went wrong is in the exception.
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    ended = f"ended with {done.returncode}"
    return f"what was written cannot be loaded: {lines[-1].strip() if lines else ended}"


def _size(folder: Path, name: str) -> int:
    parts: dict[str, Any] = {SAVED_MODEL: ["saved_model.pb", "variables/*"]}
    patterns = parts.get(name, [f"{name}/*"])
    return sum(path.stat().st_size for pattern in patterns for path in folder.glob(pattern))
