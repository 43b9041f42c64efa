"""SmallNet: our small, fast all-convolution network for small images on few cores.

After the network of Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single
GPU", arXiv:2404.00498, section 3: a fixed whitening convolution, three blocks
of two convolutions each, a max-pool and a scaled linear head. Ours differs where
two CPU cores decide: half the filters in the later blocks (0.57 M parameters
instead of 2.0 M) and ReLU instead of GELU, whose exponentials took longer than
the convolutions around them. Max-pooling comes before BatchNorm, so that what
is not matrix multiplication runs on a quarter of the pixels.
"""

from typing import Any

import keras
from keras import layers

from kerasdl.models.blocks import BATCH_NORM_EPSILON, image_input
from kerasdl.models.whitening import PatchWhitening


@keras.saving.register_keras_serializable("kerasdl")
class Dirac(keras.initializers.Initializer):  # type: ignore[misc]
    """Initialises the first filters of a convolution to pass one channel through each.

    The others are uniform with variance 1 / (3 fan_in). A block so begins as
    (nearly) the identity of its input plus random features, which speeds up the
    first epochs (Jordan 2024, section 3.2; Zagoruyko and Komodakis 2017,
    "DiracNets", arXiv:1706.00388, section 2).

    Args:
        seed: Seed of the other filters; None to draw one from Keras's global seed.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._others = keras.initializers.VarianceScaling(
            scale=1 / 3, mode="fan_in", distribution="uniform", seed=seed
        )

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Returns a kernel (k, k, channels, filters), k odd."""
        kernel = keras.ops.convert_to_numpy(self._others(shape, dtype="float32")).copy()
        passed = min(shape[2], shape[3])
        kernel[:, :, :, :passed] = 0.0
        kernel[shape[0] // 2, shape[1] // 2, range(passed), range(passed)] = 1.0
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the model."""
        return {"seed": self.seed}


def build(
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    widths: tuple[int, int, int] = (64, 128, 128),
) -> keras.Model:
    """Builds SmallNet.

    The whitening layer wants `kerasdl.models.whitening.adapt` with training
    images before the training; without it the network works, but learns slower.

    Args:
        input_shape: (h, w, c) of the raw images, enlarged below 16 pixels.
        num_classes: Number of classes, >= 2.
        widths: Filters of the three blocks. (64, 256, 256) is the paper's network.

    Returns:
        A functional model from pixels 0..255 (n, h, w, c) to logits (n, num_classes).

    Raises:
        ValueError: If a shape or number is out of its range.
    """
    if not (
        isinstance(widths, list | tuple)
        and len(widths) == 3
        and all(isinstance(width, int) and width > 0 for width in widths)
    ):
        raise ValueError(f"widths must be three positive integers. Received: {widths!r}")
    inputs, x = image_input(input_shape, num_classes, minimum=16)
    x = PatchWhitening(2, name="whitening")(x)
    x = layers.ReLU(name="whitening_relu")(x)
    for number, width in enumerate(widths, start=1):
        for part in "ab":
            name = f"block{number}{part}"
            x = layers.Conv2D(
                width,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer=Dirac(),
                name=f"{name}_conv",
            )(x)
            if part == "a":
                x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
            # No scale: a ReLU and a convolution follow, which can scale as well.
            # Momentum 0.6: the run is so short that longer averages lag behind the weights.
            x = layers.BatchNormalization(
                momentum=0.6, epsilon=BATCH_NORM_EPSILON, scale=False, name=f"{name}_norm"
            )(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    # Small logits at first: the head learns at the rate of the convolutions.
    x = layers.Rescaling(1 / 9, name="head_scale", dtype="float32")(x)
    outputs = layers.Dense(num_classes, use_bias=False, name="logits", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="smallnet")
