"""The recipe of a comparison of networks. Light: the command line needs nothing heavier."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.models import registry
from kerasdl.training.settings import Precision, StrategyName, Training


class Data(recipe.Struct, frozen=True):
    """Which images, and how they are divided."""

    dataset: Annotated[
        str,
        Meta(
            description="svhn, mnist, fashion_mnist, cifar10, gurmukhi, synthetic, "
            "synthetic_gray, or a folder with one folder of images per class"
        ),
    ] = "svhn"
    validation_fraction: Annotated[
        float, Meta(ge=0, lt=1, description="share of the training images held out for validation")
    ] = 0.1
    train_size: Annotated[int | None, Meta(description="train on N images only, stratified")] = None
    train_fraction: Annotated[
        float | None, Meta(description="train on this share of the images only, stratified")
    ] = None
    split_seed: Annotated[int, Meta(ge=0, description="seed of the division")] = 0


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What fully decides a comparison: run twice on one machine, it gives the same numbers."""

    app: str
    models: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="networks to compare, see `python -m kerasdl.models`"),
    ]
    seeds: Annotated[int, Meta(ge=1, description="train each model N times")] = 1
    seed: Annotated[int, Meta(ge=0, description="the first seed")] = 0
    precision: Annotated[Precision, Meta(description="number format")] = "auto"
    strategy: Annotated[StrategyName, Meta(description="devices to train on")] = "auto"
    data: Data = Data()
    training: dict[str, Training]
    settings: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)

    def check(self) -> None:
        """Raises ValueError if a model is unknown or has no training settings."""
        for model in self.models:
            registry.get(model)
            if model not in self.training:
                raise ValueError(
                    f"expected a table [training.{model}] for the model {model!r}. "
                    f"Received: {', '.join(self.training) or 'none'}"
                )
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"expected each model once. Received: {', '.join(self.models)}")


def resolve(
    base: Mapping[str, Any], trainings: Mapping[str, Training], changes: Mapping[str, Any]
) -> Recipe:
    """Makes a recipe from an app's defaults and a user's changes, strictly.

    Args:
        base: The app's recipe as plain data, without `training`.
        trainings: The app's training settings of every network.
        changes: Plain data laid over both, e.g. from TOML and the command line.

    Raises:
        ValueError: If a key, a model or a value is not what it should be.
    """
    defaults = {**base, "training": {k: recipe.to_dict(v) for k, v in trainings.items()}}
    plan = recipe.from_dict(recipe.merge(defaults, changes), Recipe, where="recipe")
    plan.check()
    # What is not used does not belong to the recipe: two runs differ only in what they did.
    return msgspec.structs.replace(
        plan,
        training={model: plan.training[model] for model in plan.models},
        settings={model: plan.settings[model] for model in plan.models if model in plan.settings},
    )
