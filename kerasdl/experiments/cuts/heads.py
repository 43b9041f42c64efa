"""Linear heads on the features of one cut: all penalties and seeds trained as one computation.

Alain and Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes",
arXiv:1610.01644, 2016, section 3, judge a layer by a linear classifier on its output. Every
feature is brought to mean 0 and deviation 1 on the training images first, so that one learning
rate suits all cuts; in the end that is the standardization of the whole model.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Features
from kerasdl.experiments.cuts.settings import Recipe
from kerasdl.models.head import EPSILON
from kerasdl.training.packed import Packed

Floats = npt.NDArray[np.float32]

SMALLEST = 1e-4
"""Below this share of the features' usual deviation one counts as constant, and is left out: a map
that is dead on the training images must not outshout the others when a test image wakes it up."""


class Scaling(NamedTuple):
    """What brings features to mean 0 and deviation 1, as the standardization of a model does.

    Args:
        mean: float32 array (d,).
        variance: float32 array (d,), >= 0; infinite for what counts as constant.
    """

    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, features: npt.NDArray[Any]) -> "Scaling":
        """Returns that of an array (n, d) of floats."""
        values = np.asarray(features, np.float32)
        variance = values.var(axis=0, dtype=np.float64)
        variance[variance <= SMALLEST**2 * variance.mean()] = np.inf
        mean = values.mean(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), variance.astype(np.float32))

    def __call__(self, features: npt.NDArray[Any]) -> Floats:
        """Returns features (n, d) scaled, float32."""
        deviation = np.sqrt(self.variance + np.float32(EPSILON))
        scaled: Floats = (np.asarray(features, np.float32) - self.mean) / deviation
        return scaled

    def of_model(self, kernel: Floats, bias: Floats) -> list[Floats]:
        """Returns the weights of the `transfer.head_model` that a head on scaled features is.

        Args:
            kernel: float32 array (d, classes).
            bias: float32 array (classes,).
        """
        constant = np.isinf(self.variance)
        # A file of weights holds finite numbers.
        variance = np.where(constant, np.float32(1), self.variance)
        return [self.mean, variance, np.where(constant[:, None], np.float32(0), kernel), bias]


def train(
    plan: Recipe,
    penalties: Sequence[float],
    rows: Features,
    num_classes: int,
    *,
    callbacks: Sequence[keras.callbacks.Callback],
    title: str,
) -> Packed:
    """Trains a head for each penalty and seed; penalty by penalty, in the order of the seeds.

    Args:
        plan: How.
        penalties: Strengths s of s * sum w^2, added to the loss.
        rows: Scaled features to fit on.
        num_classes: Outputs of a head.
        callbacks: Of Keras's, see `Packed.fit`.
        title: What is trained, for messages.

    Raises:
        FloatingPointError: If a head's numbers became NaN or infinite.
    """
    models, seeds = [], []
    for penalty in penalties:
        for seed in plan.all_seeds():
            keras.utils.set_random_seed(seed)
            models.append(_head(rows.images.shape[1], num_classes, penalty))
            seeds.append(seed)
    packed = Packed(models, [plan.training] * len(models))
    packed.fit(rows, seed=plan.seed, seeds=seeds, callbacks=callbacks)
    for place, reason in packed.failed.items():
        raise FloatingPointError(f"{title}, seed {seeds[place]}: {reason}")
    return packed


def _head(inputs: int, num_classes: int, penalty: float) -> keras.Model:
    regularizer = keras.regularizers.L2(penalty) if penalty else None
    logits = keras.layers.Dense(num_classes, kernel_regularizer=regularizer, name="logits")
    return keras.Sequential([keras.Input((inputs,), name="features"), logits])


def right(packed: Packed, rows: Features) -> npt.NDArray[np.bool_]:
    """Returns which rows each head answers rightly, bool (heads, n)."""
    answers: npt.NDArray[np.bool_] = packed.predict(rows.images).argmax(axis=2) == rows.labels
    return answers
