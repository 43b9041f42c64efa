"""Is a head that was trained on features, put into its network, still the same function?"""

import keras
import numpy as np
import numpy.typing as npt

CHECKED = 64
"""So many images show that the head on features is the whole network."""

TOLERANCE = {"float32": 1e-3, "mixed_bfloat16": 5e-2, "mixed_float16": 1e-2}
"""How far the two may differ, as a share of the largest logit, by number format."""


def check(
    name: str,
    model: keras.Model,
    images: npt.NDArray[np.uint8],
    logits: npt.NDArray[np.float32],
    precision: str,
) -> float:
    """Compares the logits of some images by both ways.

    Args:
        name: What was trained, for the message.
        model: The whole network, with the head in it.
        images: At most `CHECKED`, (n, h, w, c).
        logits: What the head makes of their cached features, (n, classes).
        precision: The network's dtype policy.

    Returns:
        The largest difference, as a share of the largest logit (of 1 where all are smaller).

    Raises:
        ValueError: If it is larger than `TOLERANCE`.
    """
    # Step by step: to compile the whole network takes longer than so few images.
    whole = keras.ops.convert_to_numpy(model(images, training=False))
    scale = max(1.0, float(np.abs(whole).max()))
    difference = float(np.abs(logits - whole).max()) / scale
    # NaN is not below it either.
    if not difference <= TOLERANCE[precision]:
        raise ValueError(
            f"{name}: the head on cached features and the whole network must agree to "
            f"{TOLERANCE[precision]:g} of the largest logit on {len(whole)} images. Received: "
            f"{difference:.2g}; empty the cache with `python -m kerasdl cache --clear`"
        )
    return difference
