"""Whether a model is right as often as it is sure."""

import dataclasses

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.predictions import softmax


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Test images by the confidence of their answer.

    Args:
        edges: float64 array (num_bins + 1,), 0..1; bin i holds confidences in
            (edges[i], edges[i + 1]].
        counts: int64 array (num_bins,), images per bin.
        confidence: float64 array (num_bins,), mean confidence; NaN in an empty bin.
        accuracy: float64 array (num_bins,), part answered rightly; NaN in an empty bin.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def ece(self) -> float:
        """The expected calibration error, 0..1: |accuracy - confidence| weighted by count."""
        full = self.counts > 0
        gaps = np.abs(self.accuracy[full] - self.confidence[full])
        return float(np.sum(gaps * self.counts[full]) / self.counts.sum())


def reliability(labels: npt.ArrayLike, logits: npt.ArrayLike, *, num_bins: int = 15) -> Reliability:
    """Bins the answers of a model by their confidence.

    The confidence of an answer is the probability of its class (top label); the
    bins have equal width. Source: Guo, Pleiss, Sun and Weinberger, "On
    Calibration of Modern Neural Networks", ICML 2017, section 2, with their 15
    bins (section 5). The error depends on the number of bins and is biased
    upwards on few images: compare it only on the same images and bins.

    Args:
        labels: Integer array (n,), values 0..num_classes - 1.
        logits: Real array (n, num_classes), logits or log-probabilities.
        num_bins: Number of bins, at least 1.

    Returns:
        The bins; their `ece` is the expected calibration error.

    Raises:
        ValueError: If there is no image, or the lengths differ.
    """
    true, probabilities = np.asarray(labels), softmax(logits)
    if len(true) == 0 or len(true) != len(probabilities) or num_bins < 1:
        raise ValueError(
            "expected one label per row of logits, at least one row and num_bins >= 1. "
            f"Received: {len(true)} labels, {len(probabilities)} rows, num_bins={num_bins}"
        )
    confidence = np.minimum(probabilities.max(axis=1), 1.0)
    right = probabilities.argmax(axis=1) == true
    # ceil: Guo's bins are closed on the right; the maximum keeps a confidence of 0 in bin 0.
    index = np.maximum(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0)
    counts = np.bincount(index, minlength=num_bins)
    safe = np.where(counts > 0, counts, 1)
    empty = np.where(counts > 0, 0.0, np.nan)
    return Reliability(
        edges=np.linspace(0.0, 1.0, num_bins + 1),
        counts=counts.astype(np.int64),
        confidence=np.bincount(index, confidence, minlength=num_bins) / safe + empty,
        accuracy=np.bincount(index, right, minlength=num_bins) / safe + empty,
    )
