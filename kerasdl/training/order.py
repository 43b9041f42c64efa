"""The order of the training images, who is mirrored, which view: functions of (seed, epoch)."""

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples, Features

# Keys of epochs count up from 0; these are none of theirs.
_FLIPS, _VIEWS = 2**63, 2**63 + 1


def epoch_order(num_examples: int, seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """Returns the permutation of an epoch.

    Args:
        num_examples: n, >= 1.
        seed: The run's seed, >= 0.
        epoch: 0-based epoch.

    Returns:
        int32 array (n,), each of 0..n - 1 once.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    return generator.permutation(num_examples).astype(np.int32)


def view_order(
    order: npt.NDArray[np.int32], views: int, seed: int, epoch: int
) -> npt.NDArray[np.int32]:
    """Returns which row of several views of the examples each place of an epoch's order is.

    Each example begins with a view of its own and goes on with the next in every epoch, so
    that any `views` epochs in a row show all of them once.

    Args:
        order: As from `epoch_order`, of n examples.
        views: Views of each example, >= 1; row v * n + i is view v of example i.
        seed: The run's seed, >= 0.
        epoch: 0-based epoch.

    Returns:
        int32 array (n,), each 0..views * n - 1; `order` itself for one view.
    """
    if views == 1:
        return order
    generator = np.random.Generator(np.random.Philox(key=[seed, _VIEWS]))
    view = (generator.integers(0, views, len(order)) + epoch) % views
    return (view[order] * len(order) + order).astype(np.int32)


def order_of(examples: Examples, seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """Returns an epoch's order of the rows of `examples`: each example once, in one view.

    Args:
        examples: The training examples.
        seed: The run's seed, >= 0.
        epoch: 0-based epoch.
    """
    order = epoch_order(len(examples), seed, epoch)
    views = examples.views if isinstance(examples, Features) else 1
    return view_order(order, views, seed, epoch)


def flip_phase(num_examples: int, seed: int) -> npt.NDArray[np.bool_]:
    """Returns which images an even epoch shows mirrored; an odd epoch mirrors the others.

    Alternating, instead of a coin toss in every epoch, shows both sides of each
    image in any two epochs (Jordan 2024, arXiv:2404.00498, section 3.6).

    Args:
        num_examples: n, >= 1.
        seed: The run's seed, >= 0.

    Returns:
        bool array (n,).
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, _FLIPS]))
    return generator.random(num_examples) < 0.5
