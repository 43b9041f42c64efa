"""The order of the training images and who is mirrored: functions of (seed, epoch) only."""

import numpy as np
import numpy.typing as npt


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
    # Keys of epochs count up from 0; this one is none of theirs.
    generator = np.random.Generator(np.random.Philox(key=[seed, 2**63]))
    return generator.random(num_examples) < 0.5
