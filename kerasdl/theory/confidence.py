"""Whether logistic regression is right as often as it is sure, under either loss."""

import dataclasses

import numpy as np

from kerasdl.evaluation.calibration import Reliability, reliability
from kerasdl.evaluation.significance import paired_t, spread
from kerasdl.record import Spread
from kerasdl.theory.convergence import PAIR, Convergence
from kerasdl.theory.descent import with_ones
from kerasdl.theory.losses import CE, SIGMOID_MSE, Loss
from kerasdl.theory.tasks import Floats


@dataclasses.dataclass(frozen=True)
class Confidence:
    """One loss's answers to the test examples, over seeds.

    Args:
        loss: The loss that was trained.
        rate: Learning rate, the one with the lowest validation value of the loss itself.
        accuracy: Test accuracy, 0..1.
        ce: Test cross-entropy, nats.
        mse: Mean squared error of the test probabilities (Brier's score).
        ece: Expected calibration error, 0..1, of 15 bins.
        eces: The calibration error of each seed.
        bins: The first seed's bins.
    """

    loss: Loss
    rate: float
    accuracy: Spread
    ce: Spread
    mse: Spread
    ece: Spread
    eces: tuple[float, ...]
    bins: Reliability


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Both losses on one task.

    Args:
        task: The task's title.
        found: Cross-entropy, then squared error.
        p_value: Paired t-test over the seeds of the difference of calibration errors; None
            below three seeds.
    """

    task: str
    found: tuple[Confidence, Confidence]
    p_value: float | None


def measure(convergence: Convergence) -> Calibration:
    """Scores the ends of the trainings from the usual start on the test examples.

    Args:
        convergence: The trainings.
    """
    ce, mse = (_of_loss(convergence, loss) for loss in PAIR)
    differences = [one - two for one, two in zip(ce.eces, mse.eces, strict=True)]
    return Calibration(convergence.task.title, (ce, mse), paired_t(differences))


def _of_loss(convergence: Convergence, loss: Loss) -> Confidence:
    task = convergence.task
    columns = [
        i
        for i, one in enumerate(convergence.trainings)
        if one.loss is loss and one.start == "usual"
    ]

    def validation(column: int) -> float:
        logits = _logits(convergence, task.validation[0], column)
        return float(loss.value(logits, task.validation[1]).mean())

    column = min(columns, key=validation)
    logits, labels = _logits(convergence, task.test[0], column), task.test[1]
    # Two classes as a softmax sees them: the other one's logit is 0.
    bins = [
        reliability(labels.astype(np.int64), np.column_stack([np.zeros_like(row), row]))
        for row in logits
    ]
    eces = tuple(one.ece for one in bins)
    return Confidence(
        loss=loss,
        rate=convergence.trainings[column].learning_rate,
        accuracy=spread([float(v) for v in ((logits > 0) == (labels > 0.5)).mean(axis=1)]),
        ce=spread([float(v) for v in CE.value(logits, labels).mean(axis=1)]),
        mse=spread([float(v) for v in SIGMOID_MSE.value(logits, labels).mean(axis=1)]),
        ece=spread(eces),
        eces=eces,
        bins=bins[0],
    )


def _logits(convergence: Convergence, features: Floats, column: int) -> Floats:
    """Returns the logits (seeds, n) of one training."""
    weights = np.stack([course.weights[:, column] for course in convergence.courses])
    found: Floats = weights @ with_ones(features).T
    return found
