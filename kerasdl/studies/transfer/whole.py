"""Is a head that was trained on features, put into its network, still the same function?"""

import numpy as np
import numpy.typing as npt

CHECKED = 64
"""So many images show that the head on features is the whole network."""

TOLERANCE = {"float32": 1e-3, "mixed_bfloat16": 5e-2, "mixed_float16": 1e-2}
"""How far the two may differ, as a share of the largest logit, by number format."""


def check(
    name: str, head: npt.NDArray[np.float32], whole: npt.NDArray[np.float32], precision: str
) -> float:
    """Compares the logits of some images, up to `CHECKED`, by both ways.

    Args:
        name: What was trained, for the message.
        head: What the head makes of the cached features, (n, classes).
        whole: What the network makes of the pixels, (n, classes).
        precision: Its dtype policy.

    Returns:
        The largest difference, as a share of the largest logit (of 1 where all are smaller).

    Raises:
        ValueError: If it is larger than `TOLERANCE`.
    """
    scale = max(1.0, float(np.abs(whole).max()))
    difference = float(np.abs(head - whole).max()) / scale
    # NaN is not below it either.
    if not difference <= TOLERANCE[precision]:
        raise ValueError(
            f"{name}: the head on cached features and the whole network must agree to "
            f"{TOLERANCE[precision]:g} of the largest logit on {len(whole)} images. Received: "
            f"{difference:.2g}; empty the cache with `python -m kerasdl cache --clear`"
        )
    return difference
