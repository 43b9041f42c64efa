"""How large a loss and its gradient are at each predicted probability."""

import dataclasses

import numpy as np
import numpy.typing as npt

from kerasdl.theory.descent import WRONG_SPREAD, start_weights, with_ones
from kerasdl.theory.losses import CE, SIGMOID_MSE, Loss
from kerasdl.theory.tasks import Floats, Task

BINS = 20
STEP = 1e-4
"""Of the central differences: their error is near 1e-9 in float64."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """A loss of one example over the probability q that the model gives to its true class.

    Args:
        loss: The loss.
        q: float64 array (n,), in (0, 1).
        value: float64 array (n,), the loss.
        gradient: float64 array (n,), size of its derivative by the logit.
    """

    loss: Loss
    q: Floats
    value: Floats
    gradient: Floats


@dataclasses.dataclass(frozen=True)
class Measured:
    """Gradients of the single training examples of a task, by Keras's own losses.

    Args:
        task: The task's title.
        loss: The loss.
        q: float64 array (n,), probability given to the true class, 0..1.
        gradient: float64 array (n,), size of the derivative by the logit.
        weights_gradient: float64 array (n,), norm of the gradient by weights and bias.
        edges: float64 array (BINS + 1,) that divides 0..1.
        counts: int64 array (BINS,), examples in each bin.
        low, median, high: float64 arrays (BINS,), the 10th, 50th and 90th percentile of
            `weights_gradient` in each bin; NaN in an empty bin.
        error: Largest difference of `gradient` from the formula.
    """

    task: str
    loss: Loss
    q: Floats
    gradient: Floats
    weights_gradient: Floats
    edges: Floats
    counts: npt.NDArray[np.int64]
    low: Floats
    median: Floats
    high: Floats
    error: float


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """Cross-entropy beside the negative log-likelihood of a Bernoulli variable.

    Args:
        task: The task's title.
        examples: How many examples were compared.
        ours, scipys, kerass: Mean over the examples of our formula, of
            `-scipy.stats.bernoulli.logpmf` and of Keras's `binary_crossentropy`, nats.
        error: Largest difference between any two of them on one example.
    """

    task: str
    examples: int
    ours: float
    scipys: float
    kerass: float
    error: float


def curves(num_points: int = 400, nearest: float = 1e-6) -> tuple[Curve, Curve]:
    """Returns the curves of cross-entropy and of squared error, both behind a sigmoid.

    Args:
        num_points: Points of each curve.
        nearest: How near q comes to 0 and to 1.
    """
    limit = np.log(1 / nearest - 1)
    logits = np.linspace(-limit, limit, num_points)
    labels = np.ones_like(logits)  # so that q is the sigmoid itself; label 0 is its mirror image
    q = 1.0 / (1.0 + np.exp(-logits))
    ce, mse = (
        Curve(loss, q, loss.value(logits, labels), np.abs(loss.slope(logits, labels)))
        for loss in (CE, SIGMOID_MSE)
    )
    return ce, mse


def random_logits(task: Task, seed: int) -> Floats:
    """Returns the training examples' logits under random weights.

    They are scaled to a deviation that has probabilities everywhere between 0 and 1.
    """
    weights = start_weights(task, "usual", np.random.default_rng(seed))
    logits: Floats = with_ones(task.train[0]) @ weights
    logits = (logits - logits.mean()) * (WRONG_SPREAD / logits.std())
    return logits


def measure(task: Task, *, seed: int = 0) -> tuple[Measured, Measured]:
    """Measures each training example's gradient under cross-entropy and under squared error.

    The derivative by the logit is a central difference of Keras's losses in float64, which
    knows nothing of our formulas; the gradient by the weights is it times the features.

    Args:
        task: The task.
        seed: Of the random weights.
    """
    features, labels = with_ones(task.train[0]), task.train[1]
    logits = random_logits(task, seed)
    q = 1.0 / (1.0 + np.exp(-np.where(labels > 0.5, logits, -logits)))
    length = np.linalg.norm(features, axis=1)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    where = np.minimum((q * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(where, minlength=BINS).astype(np.int64)
    found = []
    for loss in (CE, SIGMOID_MSE):
        above, below = (_keras_loss(loss, logits + step, labels) for step in (STEP, -STEP))
        gradient = np.abs(above - below) / (2 * STEP)
        of_weights = gradient * length
        low, median, high = (
            np.array(
                [
                    np.quantile(of_weights[where == i], share) if counts[i] else np.nan
                    for i in range(BINS)
                ]
            )
            for share in (0.1, 0.5, 0.9)
        )
        error = float(np.abs(gradient - np.abs(loss.slope(logits, labels))).max())
        found.append(
            Measured(
                task.title, loss, q, gradient, of_weights, edges, counts, low, median, high, error
            )
        )
    return found[0], found[1]


def likelihood(task: Task, *, seed: int = 0) -> Likelihood:
    """Compares cross-entropy with the Bernoulli's negative log-likelihood on a task's labels."""
    from scipy.stats import bernoulli

    labels, logits = task.train[1], random_logits(task, seed)
    ours = CE.value(logits, labels)
    scipys = -bernoulli.logpmf(labels, 1.0 / (1.0 + np.exp(-logits)))
    kerass = _keras_loss(CE, logits, labels)
    both = np.stack([ours, scipys, kerass])
    return Likelihood(
        task=task.title,
        examples=len(labels),
        ours=float(ours.mean()),
        scipys=float(scipys.mean()),
        kerass=float(kerass.mean()),
        error=float((both.max(axis=0) - both.min(axis=0)).max()),
    )


def _keras_loss(loss: Loss, logits: Floats, labels: Floats) -> Floats:
    """Returns each example's loss as Keras computes it, float64 (n,)."""
    import keras

    f = keras.ops.convert_to_tensor(logits[:, None], "float64")
    y = keras.ops.convert_to_tensor(labels[:, None], "float64")
    if loss is CE:
        values = keras.losses.binary_crossentropy(y, f, from_logits=True)
    else:
        values = keras.losses.mean_squared_error(y, keras.ops.sigmoid(f))
    return np.asarray(keras.ops.convert_to_numpy(values), np.float64)
