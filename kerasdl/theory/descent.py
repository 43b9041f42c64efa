"""Logistic regression by gradient descent, many trainings at once, in NumPy.

All trainings of one seed see the same batches in the same order, so that they differ in loss,
start and learning rate alone. Their weights are the columns of one matrix: a step of all of
them is two matrix products.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.theory.losses import CE, SIGMOID_MSE, Loss, sigmoid
from kerasdl.theory.tasks import Floats, Task

STARTS = ("usual", "wrong")
WRONG_SPREAD = 4.0
"""Standard deviation of the logits at the wrong start: most answers surer than 90 %."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What tells one training from another of the same seed.

    Args:
        loss: `CE` or `SIGMOID_MSE`.
        start: "usual" (Glorot, as Keras's Dense layer) or "wrong" (sure of the wrong answers).
        learning_rate: Of plain gradient descent.
    """

    loss: Loss
    start: str
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Course:
    """How the trainings of one seed went: one row per moment, one column per training.

    Args:
        steps: int64 array (m,), steps done at each moment; the first is 0.
        accuracy: float64 array (m, k), training accuracy, 0..1.
        weights: float64 array (d + 1, k) at the end; the last row holds the biases.
    """

    steps: npt.NDArray[np.int64]
    accuracy: Floats
    weights: Floats


def with_ones(features: Floats) -> Floats:
    """Returns the features with a column of ones for the bias."""
    return np.column_stack([features, np.ones(len(features))])


def start_weights(task: Task, start: str, generator: np.random.Generator) -> Floats:
    """Returns weights and bias (d + 1,) to start from.

    Args:
        task: The task.
        start: One of `STARTS`. "wrong" points from the mean of class 1 to the mean of class 0,
            so that nearly every answer is wrong, and confidently so; a twentieth of it is noise.
        generator: Of the seed.
    """
    features, labels = task.train
    limit = np.sqrt(6.0 / (features.shape[1] + 1))
    usual = generator.uniform(-limit, limit, features.shape[1])
    if start == "usual":
        return np.append(usual, 0.0)
    means = [features[labels == label].mean(axis=0) for label in (0.0, 1.0)]
    away = means[0] - means[1]
    noise = usual * np.linalg.norm(away) / np.linalg.norm(usual)
    direction = away + 0.05 * noise
    logits = features @ direction
    scale = WRONG_SPREAD / logits.std()
    middle = 0.5 * (means[0] + means[1]) @ direction
    return np.append(scale * direction, -scale * middle)


def moments(steps: int, count: int) -> npt.NDArray[np.int64]:
    """Returns about `count` step numbers from 0 to `steps`, dense at first."""
    spaced = np.geomspace(1, max(1, steps), max(2, count))
    return np.unique(np.append(0, np.round(spaced).astype(np.int64)))


def descend(
    task: Task,
    trainings: Sequence[Training],
    *,
    steps: int,
    batch_size: int,
    seed: int,
    num_moments: int = 40,
) -> Course:
    """Trains logistic regressions by stochastic gradient descent.

    Args:
        task: The task.
        trainings: What to train.
        steps: Steps of each.
        batch_size: Examples in a batch; the order is drawn anew for each epoch.
        seed: Of the starts and of the order, the same for all trainings.
        num_moments: About how often to look at the whole training part.

    Returns:
        The course of the trainings, in their order.

    Raises:
        ValueError: If a loss is another one.
    """
    features, labels = with_ones(task.train[0]), task.train[1][:, None]
    starts = {
        start: start_weights(task, start, np.random.default_rng([seed, 0]))
        for start in {one.start for one in trainings}
    }
    weights = np.stack([starts[one.start] for one in trainings], axis=1)
    rates = np.array([one.learning_rate for one in trainings])
    # With e = p - y the slope is e for cross-entropy and 2 e p (1 - p) for the squared error.
    squared = np.array([one.loss is SIGMOID_MSE for one in trainings])
    if any(one.loss not in (CE, SIGMOID_MSE) for one in trainings):
        names = ", ".join(one.loss.name for one in trainings)
        raise ValueError(f"descent knows the losses ce and sigmoid_mse. Received: {names}")
    generator = np.random.default_rng([seed, 1])
    order, at = generator.permutation(len(features)), 0
    batch_size = min(batch_size, len(features))
    looks = moments(steps, num_moments)
    # For the sign of a logit float32 will do, at half the time: looks cost more than steps.
    whole, positive = features.astype(np.float32), labels > 0.5
    found: list[Floats] = []
    for step in range(steps + 1):
        if step == looks[len(found)]:
            found.append(((whole @ weights.astype(np.float32) > 0) == positive).mean(axis=0))
        if step == steps:
            break
        if at + batch_size > len(order):
            order, at = generator.permutation(len(features)), 0
        rows = order[at : at + batch_size]
        at += batch_size
        batch = features[rows]
        p = sigmoid(batch @ weights)
        error = p - labels[rows]
        slope = np.where(squared, 2.0 * error * p * (1.0 - p), error)
        weights = weights - rates * (batch.T @ slope) / len(rows)
    return Course(looks, np.stack(found), weights)
