"""Counter-examples to convexity that are small enough to check by hand."""

import dataclasses

import numpy as np

from kerasdl.theory.convexity import Midpoint, midpoint
from kerasdl.theory.linear_network import LinearNetwork
from kerasdl.theory.losses import CE, CLIPPED_CE, MSE, RAW_CE, SIGMOID_MSE, Loss


@dataclasses.dataclass(frozen=True)
class Pocket:
    """One example (feature 1, label 1) and a network with one unit in each layer.

    Args:
        loss: The loss.
        depth: Number of layers; layer i has the weight w_i and the bias b_i.
        found: The two points (w1, b1, w2, b2, ...) and the losses.
    """

    loss: Loss
    depth: int
    found: Midpoint


_PAIRS = (
    (MSE, 2, (1.0, 0.0, 1.0, 0.0), (-1.0, 0.0, -1.0, 0.0)),
    (CE, 2, (2.0, 0.0, 2.0, 0.0), (-2.0, 0.0, -2.0, 0.0)),
    # The bias of the last layer keeps the midpoint where the logarithm has a value.
    (RAW_CE, 2, (0.8, 0.0, 0.8, 0.1), (-0.8, 0.0, -0.8, 0.1)),
    (SIGMOID_MSE, 1, (-8.0, 0.0), (0.0, 0.0)),
    (CLIPPED_CE, 1, (-2.0, 0.0), (1.0, 0.0)),
)


def examples() -> list[Pocket]:
    """Evaluates one counter-example for each loss, at the least depth that has one."""
    one = np.ones((1, 1))
    return [
        Pocket(
            loss,
            depth,
            midpoint(
                LinearNetwork(1, depth, 1), loss, (np.array(first), np.array(second)), one, one[0]
            ),
        )
        for loss, depth, first, second in _PAIRS
    ]
