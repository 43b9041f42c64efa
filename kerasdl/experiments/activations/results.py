"""What the comparison of activations found: by network, and its histograms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.experiments.depth.results import title
from kerasdl.training.layer_statistics import EDGES

Floats = npt.NDArray[np.float64]
Results = Sequence[Mapping[str, Any]]


def chosen(results: Results, activation: str, initializer: str) -> list[Mapping[str, Any]]:
    """Returns a network's results, one a seed."""
    return [
        one
        for one in results
        if (one["activation"], one["initializer"]) == (activation, initializer)
    ]


def start(initializer: str) -> str:
    """Returns the name for people of a rule for the first weights."""
    return "He or Glorot, as suits it" if initializer == "auto" else title(initializer)


def histogram(runs: Results, epoch: int) -> Floats:
    """Returns the counts of the absolute entries, summed over the seeds.

    Args:
        runs: One a seed.
        epoch: 0-based.

    Returns:
        (layers, bins): the first bin is below 1e-12, the others lie between the positive EDGES.
    """
    counts = np.array([run["histograms"][str(epoch)] for run in runs], float).sum(axis=0)
    half = len(EDGES) // 2
    below, positive = counts[:, half - 1 : half], counts[:, half:]
    folded: Floats = np.concatenate([below, positive + counts[:, half - 2 :: -1]], axis=1)
    return folded


def middle(counts: Floats) -> float:
    """Returns the median size of the entries, interpolated inside its bin; 0 in the lowest bin."""
    edges = np.log10(EDGES[len(EDGES) // 2 :].astype(np.float64))
    sums = np.cumsum(counts)
    place = int(np.searchsorted(sums, sums[-1] / 2))
    if place == 0 or not sums[-1]:
        return 0.0
    inside = (sums[-1] / 2 - sums[place - 1]) / counts[place]
    return float(10 ** (edges[place - 1] + inside * (edges[place] - edges[place - 1])))


def zeros(counts: Floats) -> float:
    """Returns the share of the entries in the lowest bin."""
    return float(counts[0] / counts.sum()) if counts.sum() else float("nan")
