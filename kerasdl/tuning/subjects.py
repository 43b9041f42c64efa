"""What each search command searches, and what a report calls it. Light: no Keras here."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from kerasdl.tuning.wording import Words, value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """What is searched.

    Args:
        network: The network's name in the registry.
        settings: Its settings, those of the space left out.
        words: What trials are called.
        axis: The hyper-parameters with a value curve of their own.
        frozen: Whether the network is a head on a frozen base, trained on features of it.
        build: The place of a person's own search space (`own_space`); "" for a network of ours.
    """

    network: str
    settings: Mapping[str, Any]
    words: Words
    axis: tuple[str, ...]
    frozen: bool = False
    build: str = ""

    @property
    def key(self) -> str | None:
        """The hyper-parameter of which less is simpler; None for the number of parameters."""
        return self.words.key


WIDTH = Subject(
    network="mlp1",
    settings={},
    words=Words(noun="width", plural="widths", key="width", labels={"width": "Hidden width"}),
    axis=("width",),
)


_NAMES = {"l1": "L1 penalty", "l2": "L2 penalty", "dropout": "dropout"}


def _regulariser(values: Mapping[str, Any]) -> str:
    family = values["regulariser"]
    if family == "none":
        return "no regulariser"
    return f"{_NAMES[family]} {values[f'{family}_strength']:g}".replace("e-0", "e-")


def regularisers(plan: Any) -> Subject:
    """Returns the subject of `tuning.regularization`."""
    labels = {f"{family}_strength": f"{_NAMES[family]} strength" for family in _NAMES}
    return Subject(
        network="mlp",
        settings={},
        words=Words(
            noun="regulariser",
            plural="regularisers",
            labels={"regulariser": "Regulariser", **labels},
            describe=_regulariser,
        ),
        axis=tuple(f"{family}_strength" for family in plan.families),
    )


def searched(plan: Any) -> Subject:
    """Returns the subject of `tuning.search`."""
    fields = [f"{part}.{name}" for part, axes in plan.space.items() for name in axes]
    numeric = [
        f"{part}.{name}"
        for part, axes in plan.space.items()
        for name, axis in axes.items()
        if all(type(value) in (int, float) for value in axis.ends())
    ]
    names = {field: field.partition(".")[2].replace("_", " ").capitalize() for field in fields}
    return Subject(
        network=plan.network,
        settings=plan.settings,
        words=Words(labels=names),
        axis=tuple(numeric),
    )


def _head(values: Mapping[str, Any]) -> str:
    layers = int(values["depth"])
    parts = ["a linear head" if not layers else "-".join([str(values["width"])] * layers)]
    parts += [f"dropout {value(values['dropout'])}"] if values["dropout"] else []
    parts += [f"L2 {value(values['l2'])}"] if values["l2"] else []
    return f"{', '.join(parts)}, rate {value(values['learning_rate'])}"


def heads(plan: Any) -> Subject:
    """Returns the subject of `tuning.transfer_head`."""
    names = {
        "depth": "Hidden layers",
        "width": "Hidden width",
        "dropout": "Dropout",
        "l2": "L2 penalty",
        "learning_rate": "Learning rate",
    }
    return Subject(
        network="transfer",
        settings={
            "base": plan.transfer,
            "weights": plan.weights,
            "weights_sha256": plan.weights_sha256,
            "size": plan.size,
            "features": plan.features,
            "pooling": plan.pooling,
        },
        words=Words(noun="head", plural="heads", labels=names, describe=_head),
        axis=tuple(names),
        frozen=True,
    )


def own_models(plan: Any) -> Subject:
    """Returns the subject of `tuning.own_model`; its axes are known once the space is built."""
    return Subject(network="", settings={}, words=Words(), axis=(), build=plan.build)


SUBJECTS: Mapping[str, Callable[[Any], Subject]] = {
    "mnist_width": lambda plan: WIDTH,
    "regularization": regularisers,
    "search": searched,
    "transfer_head": heads,
    "own_model": own_models,
}
"""What each command searches, by its name and from its recipe."""
