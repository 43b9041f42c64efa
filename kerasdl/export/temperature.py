"""One number that makes a network as sure as it is right."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.calibration import reliability
from kerasdl.evaluation.predictions import log_softmax

LOWEST, HIGHEST = 0.05, 20.0


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A temperature and what it does to the images that it was found on.

    Args:
        temperature: What logits are divided by before the softmax, > 0; above 1 the network
            becomes less sure. The answers stay.
        images: How many.
        loss: Mean cross-entropy in nats, before and after.
        ece: Expected calibration error 0..1, before and after.
    """

    temperature: float
    images: int
    loss: tuple[float, float]
    ece: tuple[float, float]


def calibrate(labels: npt.ArrayLike, logits: npt.ArrayLike) -> Calibration:
    """Finds the temperature of the least cross-entropy.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML
    2017, section 4.2. The images must not be those that the network was trained on, where it is
    surer than elsewhere, nor those that the result is judged by.

    Args:
        labels: Integer array (n,), 0..k - 1.
        logits: Real array (n, k), logits or log-probabilities.

    Raises:
        ValueError: If there is no image.
    """
    from scipy.optimize import minimize_scalar

    true, scores = np.asarray(labels), np.asarray(logits, np.float64)
    if not len(true):
        raise ValueError(
            "calibration needs validation images: those that the model was not trained on and "
            "that choices are made by. Received: none; train with e.g. --validation-fraction 0.1"
        )

    def loss(temperature: float) -> float:
        log_probabilities = log_softmax(scores / temperature)
        return float(-log_probabilities[np.arange(len(true)), true].mean())

    # As a function of 1/T the loss is convex, so of log T it has one minimum.
    found = minimize_scalar(
        lambda log: loss(math.exp(log)),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    temperature = math.exp(float(found.x))
    return Calibration(
        temperature=temperature,
        images=len(true),
        loss=(loss(1.0), loss(temperature)),
        ece=(reliability(true, scores).ece, reliability(true, scores / temperature).ece),
    )
