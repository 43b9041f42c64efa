"""What decides the training of one model: the `training` part of a recipe."""

from typing import Annotated, Literal

from msgspec import Meta

from kerasdl import recipe

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
StrategyName = Literal["auto", "none", "mirrored", "multiworker"]

OptimizerName = Literal[
    "sgd",
    "adam",
    "adamw",
    "rmsprop",
    "nadam",
    "lion",
    "adagrad",
    "adadelta",
    "adamax",
    "adafactor",
    "ftrl",
    "lamb",
    "muon",
    "schedulefreeadamw",
]
"""Keras's optimizers by the names that Keras knows them by, in lower case."""

AUGMENTATION = ("shift", "rotation", "crop", "elastic", "cutout", "flip")
"""The fields of `Training` that change images."""


class Training(recipe.Struct, frozen=True):
    """Settings of one training.

    Args: see each field's own description. `learning_rate` is the peak of the
    schedule. `weight_decay` is decoupled (Loshchilov and Hutter 2019, ICLR,
    "Decoupled Weight Decay Regularization", algorithm 2, without its extra
    schedule factor for Adam): every step w -= lr * weight_decay * w, on kernels
    only. A paper's coupled L2 of 5e-4 under SGD with momentum 0.9 corresponds
    to 5e-3 here.
    """

    epochs: Annotated[int, Meta(ge=1, description="passes over the training images")] = 10
    minimum_images: Annotated[
        int,
        Meta(ge=0, description="a small set is passed more often than `epochs`, up to N images"),
    ] = 0
    batch_size: Annotated[int, Meta(ge=1, description="images in one step, all replicas")] = 128
    optimizer: Annotated[
        OptimizerName,
        Meta(description="update rule, one of Keras's; sgd has Nesterov's momentum"),
    ] = "adamw"
    momentum: Annotated[
        float, Meta(ge=0, lt=1, description="of sgd; 0 is plain gradient descent")
    ] = 0.9
    learning_rate: Annotated[float, Meta(gt=0, le=1e38, description="peak learning rate")] = 1e-3
    weight_decay: Annotated[
        float, Meta(ge=0, le=1e38, description="decoupled weight decay of the kernels")
    ] = 0.0
    schedule: Annotated[
        Literal["constant", "cosine", "triangular"],
        Meta(description="learning rate over the run; the latter two rise first, end at 0"),
    ] = "cosine"
    warmup: Annotated[
        float, Meta(ge=0, lt=1, description="share of the run in which the rate rises")
    ] = 0.0
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="share of the target spread over all classes")
    ] = 0.0
    shift: Annotated[
        int, Meta(ge=0, description="augmentation: shift by up to N pixels each way")
    ] = 0
    rotation: Annotated[
        float, Meta(ge=0, le=180, description="augmentation: rotate by up to X degrees each way")
    ] = 0.0
    crop: Annotated[
        float,
        Meta(ge=0, lt=1, description="augmentation: cut up to this share off each side, zoom back"),
    ] = 0.0
    elastic: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="augmentation: bend elastically by X pixels (standard deviation; 1.4 is "
            "Simard's)",
        ),
    ] = 0.0
    cutout: Annotated[
        int, Meta(ge=0, description="augmentation: blank a square of N pixels a side")
    ] = 0
    flip: Annotated[
        bool, Meta(description="augmentation: mirror left-right every other epoch; not for digits")
    ] = False
    ema: Annotated[
        float,
        Meta(ge=0, lt=1, description="average the weights over the steps with this momentum"),
    ] = 0.0
    class_weight: Annotated[
        Literal["none", "balanced"],
        Meta(description="balanced: rare classes weigh more, n / (classes x count)"),
    ] = "none"
    patience: Annotated[
        int,
        Meta(
            ge=0,
            description="stop after N epochs without a better validation loss and keep the best "
            "epoch's weights; 0: never",
        ),
    ] = 0

    def num_epochs(self, num_examples: int) -> int:
        """Returns the epochs of a training: `epochs`, or as many more as `minimum_images` takes.

        Args:
            num_examples: Training images, >= 1.

        Raises:
            ValueError: If there are none.
        """
        if num_examples < 1:
            raise ValueError(f"expected at least one training example. Received: {num_examples}")
        return max(self.epochs, -(-self.minimum_images // num_examples))
