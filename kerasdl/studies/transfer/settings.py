"""How a base from keras.applications is used: the `transfer` part of a recipe. Light: no Keras."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.models import bases
from kerasdl.training.settings import AUGMENTATION, Training

NETWORK = "transfer"
"""The registry's name of the network that every arm is."""

SECOND = "finetuning"
"""What the second phase of the arm 'finetuned' is called, e.g. in the names of folders."""

Arm = Literal["frozen", "finetuned", "scratch"]
ARMS: tuple[Arm, ...] = ("frozen", "finetuned", "scratch")


class Transfer(recipe.Struct, frozen=True):
    """What is trained of one model, and how, besides its `training` and `settings`.

    `frozen` trains the head only. `finetuned` does so first and then goes on with the base
    from the layer `unfreeze` on; the table `training` is that of the head and its augmentation
    that of both. `scratch` trains the whole network from random weights, as any other.
    """

    arm: Arm = "frozen"
    cached: bool = True
    """Whether the head trains on features that were computed once, instead of on pixels."""
    views: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="cached features of N views of each training image: as it is, and N - 1 "
            "augmented",
        ),
    ] = 1
    finetune_epochs: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="finetuned: epochs of the second phase"),
    ] = None
    finetune_rate: Annotated[
        Annotated[float, Meta(gt=0, le=1e38)] | None,
        Meta(description="finetuned: peak learning rate of the second phase"),
    ] = None
    unfreeze: Annotated[
        str | None,
        Meta(description="finetuned: train the base from this layer on; without: all of it"),
    ] = None
    layer_decay: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="finetuned: each block's rate is X times that of the block above it"),
    ] = None


class BaseSettings(recipe.Struct, frozen=True):
    """Settings of `kerasdl.models.transfer`; the defaults here are the function's own."""

    weights: Annotated[
        str,
        Meta(
            description="imagenet, a file (.h5, .weights.h5, .keras) or the folder of a run with "
            "the same base; random with --arms scratch"
        ),
    ] = "imagenet"
    size: Annotated[
        int,
        Meta(ge=0, le=4096, description="resize images to N pixels a side; 0: their own size"),
    ] = 0
    features: Annotated[
        str, Meta(description="the base's layer whose output is used, e.g. block3_pool; its last")
    ] = ""
    pooling: Annotated[
        Literal["average", "max", "flatten"], Meta(description="from feature maps to numbers")
    ] = "average"
    freeze: Annotated[
        str,
        Meta(
            description="conv: the whole base; LAYER: the base up to that layer; none: nothing; "
            "what is not frozen is trained with the head"
        ),
    ] = "conv"
    head: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(description="neurons of the head's hidden layers, e.g. 256,128; without: linear"),
    ] = ()
    dropout: Annotated[
        float, Meta(ge=0, lt=1, description="share of the head's inputs dropped in training")
    ] = 0.0


def check(
    model: str,
    transfer: Transfer | None,
    settings: Mapping[str, Any],
    training: Training | None,
) -> None:
    """Checks one model whose network is `NETWORK`; imports no Keras.

    Args:
        model: The model's name.
        transfer: Its table `transfer`.
        settings: Its table `settings`.
        training: Its table `training`; None where that is not looked at.

    Raises:
        ValueError: If they do not belong together; the message says what to do.
    """
    if transfer is None:
        raise ValueError(
            f"{model} takes a base from keras.applications: name it with --transfer, e.g. "
            f"--transfer vgg16. Received: a model {model!r} without a table [transfer]"
        )
    values = recipe.from_dict(
        {k: v for k, v in settings.items() if k not in ("base", "weights_sha256")},
        BaseSettings,
        where=f"settings.{model}",
    )
    if "base" not in settings:
        raise ValueError(f"settings.{model} needs a base, e.g. vgg16. Received: none")
    base = bases.get(str(settings["base"]))
    if values.size and values.size < base.minimum:
        # Before any weights are looked for, or fetched.
        raise ValueError(
            f"--size takes 0 or at least {base.minimum} pixels for {base.name}. "
            f"Received: {values.size}"
        )
    _check_weights(model, transfer, values)
    second = {
        "finetune_epochs": transfer.finetune_epochs,
        "finetune_rate": transfer.finetune_rate,
        "unfreeze": transfer.unfreeze,
        "layer_decay": transfer.layer_decay,
    }
    for name, value in second.items():
        if transfer.arm != "finetuned" and value is not None:
            raise ValueError(
                f"transfer.{model}.{name} is of the arm 'finetuned'. Received: {value!r} for the "
                f"arm {transfer.arm!r}"
            )
        if transfer.arm == "finetuned" and value is None and name != "unfreeze":
            raise ValueError(f"transfer.{model} needs {name} to fine-tune. Received: none")
    if training is not None:
        _check_views(model, transfer, training)


def _check_weights(model: str, transfer: Transfer, values: BaseSettings) -> None:
    scratch = transfer.arm == "scratch"
    if scratch != (values.weights == "random"):
        raise ValueError(
            "random weights are for the arm 'scratch', and it has no others. Received: the arm "
            f"{transfer.arm!r} of {model} with weights {values.weights!r}"
        )
    if scratch and values.freeze != "none":
        raise ValueError(
            f"the arm 'scratch' freezes nothing. Received: freeze {values.freeze!r} for {model}"
        )
    if scratch and transfer.cached:
        raise ValueError(
            "the arm 'scratch' has no features to keep: expected cached = false. Received: "
            f"true for {model}"
        )
    if transfer.cached and values.freeze != "conv":
        raise ValueError(
            "features can be kept while the whole base is frozen (freeze 'conv'); otherwise "
            f"expected cached = false (--no-cache). Received: freeze {values.freeze!r} for {model}"
        )


def _check_views(model: str, transfer: Transfer, training: Training) -> None:
    augmented = is_augmented(training)
    if transfer.views > 1 and not transfer.cached:
        raise ValueError(
            f"views are of cached features; without, every step sees another view. Received: "
            f"{transfer.views} views for {model}"
        )
    if transfer.views > 1 and not augmented:
        raise ValueError(
            f"{transfer.views} views differ by augmentation only; give e.g. --shift 2. Received: "
            f"none for {model}"
        )
    if transfer.arm == "frozen" and transfer.cached and transfer.views == 1 and augmented:
        raise ValueError(
            "features of images as they are know no augmentation; give --views N for more views, "
            f"or --no-cache. Received: an augmentation for {model} and 1 view"
        )


def is_augmented(training: Training) -> bool:
    """Whether a training changes its images."""
    return any(getattr(training, name) for name in AUGMENTATION)


def without_augmentation(training: Training) -> Training:
    """Returns a training that leaves its inputs as they are."""
    defaults = Training()
    plain = {name: getattr(defaults, name) for name in AUGMENTATION}
    return msgspec.structs.replace(training, **plain)
