"""The recipe of a comparison of networks. Light: the command line needs nothing heavier."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.models import registry
from kerasdl.training.settings import Precision, StrategyName, Training

MAX_SEED = 2**31
"""Room above for further seeds: Keras takes less than 2**32."""


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
    train_size: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="train on N images only, stratified")
    ] = None
    train_fraction: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="train on this share of the images only, stratified"),
    ] = None
    split_seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="seed of the division")] = 0


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What fully decides a comparison: run twice on one machine, it gives the same numbers."""

    app: str
    models: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="networks to compare, see `python -m kerasdl.models`"),
    ]
    seeds: Annotated[int, Meta(ge=1, le=10_000, description="train each model N times")] = 1
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    precision: Annotated[Precision, Meta(description="number format")] = "auto"
    strategy: Annotated[StrategyName, Meta(description="devices to train on")] = "auto"
    data: Data = Data()
    training: dict[str, Training]
    settings: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)

    def check(self) -> None:
        """Checks what types cannot say; imports no Keras.

        Raises:
            ValueError: If a model or setting does not exist, or a model has no training settings.
        """
        for model in (*self.models, *self.training, *self.settings):
            registry.get(model)
        for model in self.models:
            if model not in self.training:
                raise ValueError(
                    f"expected a table [training.{model}] for the model {model!r}. "
                    f"Received: {', '.join(self.training) or 'none'}"
                )
            if self.training[model].patience and not self.data.validation_fraction:
                raise ValueError(
                    f"training.{model}.patience needs validation images to stop by. Received: "
                    "validation_fraction 0; use e.g. --validation-fraction 0.1"
                )
        for model, settings in self.settings.items():
            known = registry.get(model).setting_names()
            for name in settings:
                if name not in known:
                    raise ValueError(
                        f"{model} has the settings: {', '.join(known) or 'none'}. "
                        f"Received: {name!r}"
                    )
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"expected each model once. Received: {', '.join(self.models)}")


def resolve(
    base: Mapping[str, Any],
    trainings: Mapping[str, Training],
    changes: Mapping[str, Any],
    *,
    where: str,
) -> Recipe:
    """Makes a recipe from an app's defaults and a user's changes, strictly.

    Args:
        base: The app's recipe as plain data, without `training`.
        trainings: The app's training settings of every network.
        changes: Plain data laid over both, e.g. from TOML and the command line.
        where: What `changes` came from, for messages.

    Raises:
        ValueError: If a key, a model or a value is not what it should be.
    """
    if changes.get("app", base["app"]) != base["app"]:
        raise ValueError(
            f"{where}: a recipe of the app {changes['app']!r}. Received: the app {base['app']!r}"
        )
    tables = changes.get("training", {})
    if not isinstance(tables, Mapping):
        raise ValueError(f"{where}: expected one table [training.NAME] for each model")
    for model in (*tables, *(changes["models"] if _is_list(changes.get("models")) else ())):
        # Before the tables are read: a misspelt model would show as a misspelt table.
        registry.get(str(model))
    training = {}
    for model, defaults in trainings.items():
        table = tables.get(model, {})
        if isinstance(table, Mapping) and "epochs" in table and "minimum_images" not in table:
            # Asked for in so many words, the number of epochs is that number.
            table = {**table, "minimum_images": 0}
        merged = recipe.merge({model: recipe.to_dict(defaults)}, {model: table} if table else {})
        place = f"{where}, training.{model}"
        if not isinstance(merged[model], Mapping):
            raise ValueError(f"{place}: expected a table. Received: {merged[model]!r}")
        training[model] = recipe.from_dict(merged[model], Training, where=place)
    rest = {**recipe.merge(base, changes), "training": {}}
    plan = recipe.from_dict(rest, Recipe, where=where)
    plan = msgspec.structs.replace(plan, training=training)
    plan.check()
    # What is not used does not belong to the recipe: two runs differ only in what they did.
    return msgspec.structs.replace(
        plan,
        training={model: plan.training[model] for model in plan.models},
        settings={model: plan.settings[model] for model in plan.models if plan.settings.get(model)},
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
