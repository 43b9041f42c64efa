"""Softmax and cross-entropy in one, on integer labels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.scratch.activations import Floats

Labels = npt.NDArray[np.integer[Any]]


def softmax_cross_entropy(logits: Floats, labels: Labels, errors: Floats) -> float:
    """Returns the mean cross-entropy of softmax(logits) and writes its gradient.

    For one example with label k: L = -log p_k = log(sum_j exp(z_j)) - z_k, whose gradient is
    dL/dz_j = p_j - [j = k]. The logarithm and the exponential cancel here on paper; taken one after
    the other, log(0) appears as soon as a wrong answer is sure enough. Softmax does not
    change when all logits of a row shift, and with the largest at 0 nothing overflows.

    Args:
        logits: Array (n, num_classes), n >= 1.
        labels: int array (n,), each 0 <= label < num_classes.
        errors: Array like `logits`, filled with the gradient of the mean.

    Returns:
        The mean over the examples, nats.
    """
    rows = np.arange(len(labels))
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=errors)
    of_labels = errors[rows, labels]
    np.exp(errors, out=errors)
    sums = errors.sum(axis=1, keepdims=True)
    loss = float(np.log(sums).sum() - of_labels.sum()) / len(labels)
    errors /= sums
    errors[rows, labels] -= 1
    errors /= len(labels)
    return loss
