"""What the arms of a transfer are trained with where the user says nothing."""

import msgspec

from kerasdl.studies.transfer.settings import Transfer
from kerasdl.training.settings import AUGMENTATION, Training

# MobileNet 0.75 on 10 000 images of CIFAR-10 at 96 pixels, validation, one seed: 80.6 %; with a
# tenth of the decay 80.4 %, at three times the rate 79.1 %, at a third 79.3 %.
_HEAD = Training(
    epochs=20,
    minimum_images=300_000,
    batch_size=128,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.1,
    schedule="cosine",
    warmup=0.1,
)

# VGG16 has no BatchNorm: from Glorot's first weights it leaves chance at a low rate only.
_SCRATCH = Training(
    epochs=20,
    minimum_images=100_000,
    batch_size=64,
    optimizer="adamw",
    learning_rate=3e-4,
    weight_decay=5e-2,
    schedule="cosine",
    warmup=0.1,
)

# MobileNet 0.75 on 2 000 images of SVHN at 32 pixels, validation after five epochs, one seed: from
# the head's 22.1 % to 35.9 % at a decay of 0.8, 40.9 % at 0.9, 44.5 % without; at three times the
# rate 35.2 % at 0.8, and without decay what was learned is lost (20.3 %).
_PHASE_TWO = {"finetune_epochs": 10, "finetune_rate": 1e-4, "layer_decay": 0.9}


def transfer_of(arm: str, *, frozen_whole: bool, cached: bool, views: int) -> Transfer:
    """Returns the table `transfer` of an arm.

    Args:
        arm: One of `settings.ARMS`.
        frozen_whole: Whether the whole base is frozen, without which there is nothing to keep.
        cached: Whether features may be kept.
        views: Views of each training image, >= 1.
    """
    return msgspec.convert(
        {
            "arm": arm,
            "cached": cached and frozen_whole and arm != "scratch",
            "views": 1 if arm == "scratch" else views,
            **(_PHASE_TWO if arm == "finetuned" else {}),
        },
        Transfer,
    )


def training_of(transfer: Transfer, augmentation: dict[str, int | float | bool]) -> Training:
    """Returns the table `training` of an arm.

    Args:
        transfer: The arm.
        augmentation: Fields of a training that leave an image of the data set in its class.
    """
    unknown = set(augmentation) - set(AUGMENTATION)
    if unknown:
        raise ValueError(f"expected fields of an augmentation. Received: {', '.join(unknown)}")
    plain = _SCRATCH if transfer.arm == "scratch" else _HEAD
    # Features of images as they are: an augmentation would be in the recipe and not in the run.
    if transfer.arm == "frozen" and transfer.cached and transfer.views == 1:
        return plain
    return msgspec.structs.replace(plain, **augmentation)
