"""The errors a model is surest of: where labels are wrong or the model is."""

import dataclasses

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.predictions import softmax


@dataclasses.dataclass(frozen=True)
class Error:
    """One wrong answer.

    Args:
        index: The image's position in the test set.
        predicted: The class the model gives.
        true: The label.
        confidence: The probability the model gives to its answer, 0..1.
        true_probability: The probability it gives to the label, 0..1.
    """

    index: int
    predicted: int
    true: int
    confidence: float
    true_probability: float


def most_confident(labels: npt.ArrayLike, logits: npt.ArrayLike, limit: int = 20) -> list[Error]:
    """Finds the wrong answers with the highest confidence.

    Args:
        labels: Integer array (n,), values 0..num_classes - 1.
        logits: Real array (n, num_classes), logits or log-probabilities.
        limit: How many at most.

    Returns:
        The errors, the most confident first (of equal ones the earlier image).

    Raises:
        ValueError: If the lengths differ or `limit` is negative.
    """
    true, probabilities = np.asarray(labels), softmax(logits)
    if len(true) != len(probabilities) or limit < 0:
        raise ValueError(
            "expected one label per row of logits and limit >= 0. "
            f"Received: {len(true)} labels, {len(probabilities)} rows, limit={limit}"
        )
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != true)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    return [
        Error(
            index=int(i),
            predicted=int(predicted[i]),
            true=int(true[i]),
            confidence=float(confidence[i]),
            true_probability=float(probabilities[i, true[i]]),
        )
        for i in order
    ]
