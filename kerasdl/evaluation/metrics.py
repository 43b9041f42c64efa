"""Scores of a classifier from labels and log-probabilities."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation import calibration
from kerasdl.evaluation.predictions import log_probabilities
from kerasdl.record import Metrics


@dataclasses.dataclass(frozen=True)
class Score:
    """Scores of one model on one set of images.

    Args:
        accuracy: Part of the images answered rightly, 0..1.
        loss: Mean cross-entropy in nats, label smoothing and penalties excluded.
        per_class_accuracy: Accuracy by true class, None for a class without images.
        ece: Expected calibration error, 0..1.
        count: The number of images.
    """

    accuracy: float
    loss: float
    per_class_accuracy: list[float | None]
    ece: float
    count: int


def check(labels: npt.ArrayLike, num_classes: int) -> npt.NDArray[np.int64]:
    """Returns `labels` as int64 (n,) when they are class numbers 0..num_classes - 1.

    Raises:
        ValueError: If they are none, not integers, not a vector or out of range.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) == 0 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            "labels must be a non-empty integer array of shape (n,). "
            f"Received: {array.dtype} {array.shape}"
        )
    if array.min() < 0 or array.max() >= num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}. Received: {array.min()}..{array.max()}"
        )
    return array.astype(np.int64)


def score(labels: npt.ArrayLike, scores: npt.ArrayLike, *, from_logits: bool = True) -> Score:
    """Scores a model's outputs.

    Args:
        labels: Integer array (n,), values 0..num_classes - 1.
        scores: Real array (n, num_classes): logits, log-probabilities, or with
            `from_logits=False` probabilities. The class of an image is the
            largest score, the first of equal ones.
        from_logits: What `scores` are.

    Returns:
        Accuracy, cross-entropy in nats, accuracy by class, calibration error.

    Raises:
        ValueError: If the arrays do not fit each other or hold NaN.
    """
    values = log_probabilities(scores, from_logits=from_logits)
    true = check(labels, values.shape[1])
    if len(true) != len(values):
        raise ValueError(
            f"labels and scores must be of one length. Received: {len(true)} and {len(values)}"
        )
    predicted = values.argmax(axis=1)
    matrix = confusion(true, predicted, values.shape[1])
    return Score(
        accuracy=float(np.mean(predicted == true)),
        # max: a sure and right answer may come out as -0.0.
        loss=max(0.0, float(-np.mean(values[np.arange(len(true)), true]))),
        per_class_accuracy=per_class_accuracy(matrix),
        ece=calibration.reliability(true, values).ece,
        count=len(true),
    )


def combine(train: Score, validation: Score | None, test: Score) -> Metrics:
    """Puts the scores on the three parts of the data into the record's form.

    Args:
        train: Scores on the training images, without augmentation.
        validation: Scores on the validation images; None where there are none.
        test: Scores on the test images.

    Returns:
        The metrics of a run.
    """
    return Metrics(
        train_accuracy=train.accuracy,
        train_loss=train.loss,
        validation_accuracy=validation.accuracy if validation else None,
        validation_loss=validation.loss if validation else None,
        test_accuracy=test.accuracy,
        test_loss=test.loss,
        per_class_accuracy=list(test.per_class_accuracy),
        ece=test.ece,
    )


def confusion(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int
) -> npt.NDArray[np.int64]:
    """Counts images by true and predicted class.

    Args:
        labels: Integer array (n,), true classes.
        predicted: Integer array (n,), predicted classes.
        num_classes: The number of classes.

    Returns:
        int64 array (num_classes, num_classes); rows are true classes.

    Raises:
        ValueError: If a value is out of range or the lengths differ.
    """
    true, answer = check(labels, num_classes), check(predicted, num_classes)
    if true.shape != answer.shape:
        raise ValueError(
            f"labels and predicted must be of one length. Received: {len(true)} and {len(answer)}"
        )
    counts = np.bincount(true * num_classes + answer, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def per_class_accuracy(matrix: npt.NDArray[np.integer[Any]]) -> list[float | None]:
    """Returns the accuracy of each true class; None for a class without images.

    Args:
        matrix: Integer array (k, k), a confusion matrix with true classes as rows.
    """
    totals = matrix.sum(axis=1)
    return [
        float(right / total) if total else None
        for right, total in zip(matrix.diagonal(), totals, strict=True)
    ]


def wilson(successes: int, total: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Returns Wilson's interval of a proportion.

    Unlike mean ± z·s it stays inside 0..1 and has a width at 0 % and 100 %.
    Source: Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927), pp. 209-212.

    Args:
        successes: Count, 0..total.
        total: Count of trials, at least 1.
        z: Quantile of the normal distribution; the default gives 95 %.

    Returns:
        Lower and upper end, 0..1.

    Raises:
        ValueError: If the counts are not of that kind.
    """
    if not 0 <= successes <= total or total < 1:
        raise ValueError(
            f"expected 0 <= successes <= total and total >= 1. Received: {successes} of {total}"
        )
    rate = successes / total
    scale = 1 + z**2 / total
    centre = (rate + z**2 / (2 * total)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    # At the ends the formula is exact but its rounding is not: keep rate inside.
    return min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)
