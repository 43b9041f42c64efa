"""Which models, with which trainings, can be trained as one computation."""

from collections.abc import Hashable, Sequence
from typing import Any

import msgspec

from kerasdl.training.packed.chains import Chain
from kerasdl.training.packed.reader import front_key
from kerasdl.training.settings import Training

OWN = ("optimizer", "learning_rate", "weight_decay", "schedule", "warmup", "label_smoothing")
"""The settings in which packed models may differ, besides `patience`; the others are shared."""


def company(chain: Chain, training: Training) -> Hashable:
    """Returns what must be equal for models to be one `Packed`.

    Args:
        chain: The model.
        training: How it is trained, without `ema`.
    """
    shapes = tuple(chain.model.input_shape[1:]), int(chain.model.output_shape[-1])
    return shapes, front_key(chain.front), tuple(_shared(training).items())


def check_company(chains: Sequence[Chain], trainings: Sequence[Training]) -> None:
    """Checks that models can be one `Packed`.

    Args:
        chains: The models.
        trainings: One for each.

    Raises:
        ValueError: If they cannot; the message says which one differs, and in what.
    """
    first, shared = chains[0], _shared(trainings[0])
    for chain, training in zip(chains, trainings, strict=True):
        name = chain.model.name
        expected, shapes = (
            (one.model.input_shape[1:], one.model.output_shape[-1]) for one in (first, chain)
        )
        if shapes != expected:
            raise ValueError(
                f"packed models have the same input and classes. Received: {expected} in "
                f"{first.model.name}, {shapes} in {name}"
            )
        if front_key(chain.front) != front_key(first.front):
            raise ValueError(
                f"packed models prepare the images alike: {name} does not as {first.model.name}"
            )
        if training.ema:
            raise ValueError(f"packed training has no `ema`. Received: {training.ema}")
        for field, value in _shared(training).items():
            if value != shared[field]:
                raise ValueError(
                    f"packed trainings differ only in {', '.join(OWN)} and patience. "
                    f"Received: {field} {shared[field]} and {value}"
                )


def _shared(training: Training) -> dict[str, Any]:
    """Returns the settings that packed models share."""
    fields = msgspec.structs.asdict(training)
    return {name: value for name, value in fields.items() if name not in (*OWN, "patience")}
