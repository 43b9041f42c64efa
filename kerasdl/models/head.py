"""What a head on features begins and ends with."""

import keras
from keras import layers

from kerasdl.models import blocks

EPSILON = 1e-3
"""Added to the variance by `standardized`."""


def standardized(features: keras.KerasTensor) -> keras.KerasTensor:
    """Bring each feature to mean 0 and deviation 1, for a head to learn on.

    Pooled features differ a thousandfold in scale, so that no rate suits all weights: on SVHN's
    digits a head on MobileNet's came to 54 % without this. A BatchNorm without weights, as He et
    al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, appendix A.1, use it for
    linear probes, but with an epsilon of 1e-3: a feature that is dead on the training images must
    not outshout the others when a test image wakes it up.

    Args:
        features: (n, d).

    Returns:
        A tensor of the same shape.
    """
    return layers.BatchNormalization(
        momentum=blocks.BATCH_NORM_MOMENTUM,
        epsilon=EPSILON,
        center=False,
        scale=False,
        name="standardize",
    )(features)


def scores(features: keras.KerasTensor, num_classes: int, *, linear: bool) -> keras.KerasTensor:
    """End a head: one unnormalised score per class.

    Args:
        features: (n, d).
        num_classes: number of classes.
        linear: whether this is all of the head. Then it begins at zero, as a convex problem may:
            what a feature that is dead on the training images says of others stays nothing.

    Returns:
        (n, num_classes), float32 under every dtype policy, as `blocks.logits`.
    """
    if not linear:
        return blocks.logits(features, num_classes)
    return layers.Dense(
        int(num_classes), kernel_initializer="zeros", dtype="float32", name="logits"
    )(features)
