"""The order of the training images: a function of (seed, epoch), nothing else."""

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
