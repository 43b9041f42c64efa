"""The recipe of a comparison of networks. Light: the command line needs nothing heavier."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kerasdl import recipe, suggest
from kerasdl.models import registry
from kerasdl.models.network import Network
from kerasdl.studies.transfer import settings as transferring
from kerasdl.studies.transfer.settings import Transfer
from kerasdl.training.settings import Precision, StrategyName, Training

MAX_SEEDS = 20
"""What a race gives a model at most, where nothing else is said."""

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
    classes: Annotated[
        tuple[str, ...],
        Meta(description="only these classes, by their names or numbers, e.g. 0,1,2"),
    ] = ()
    split_seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="seed of the division")] = 0


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What fully decides a comparison: run twice on one machine, it gives the same numbers."""

    app: str
    models: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="networks to compare, see `python -m kerasdl.models`"),
    ]
    seeds: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | Literal["auto"],
        Meta(
            description="train each model N times; auto: three times, and those still tied with "
            "the best on the validation images further, up to --max-seeds"
        ),
    ] = 1
    max_seeds: Annotated[
        Annotated[int, Meta(ge=3, le=10_000)] | None,
        Meta(description="with --seeds auto: train a model at most N times (20)"),
    ] = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    precision: Annotated[Precision, Meta(description="number format")] = "auto"
    strategy: Annotated[StrategyName, Meta(description="devices to train on")] = "auto"
    data: Data = Data()
    training: dict[str, Training]
    settings: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    networks: dict[str, str] = msgspec.field(default_factory=dict)
    """Models with names of their own, e.g. the same network with other settings."""
    transfer: dict[str, Transfer] = msgspec.field(default_factory=dict)
    """Models with a base from keras.applications, and how that is used."""

    @property
    def races(self) -> bool:
        """Whether further seeds go only to the models that are still tied with the best."""
        return self.seeds == "auto"

    @property
    def most_seeds(self) -> int:
        """How often a model is trained, at most."""
        return (self.max_seeds or MAX_SEEDS) if self.seeds == "auto" else self.seeds

    @property
    def trainings(self) -> int:
        """How many there are, at most."""
        return len(self.models) * self.most_seeds

    def network(self, model: str) -> Network:
        """Returns the network that a model of the comparison is.

        Raises:
            ValueError: If there is no such network.
        """
        return registry.get(self.networks.get(model, model))

    @property
    def convolutions(self) -> bool:
        """Whether any of its models has convolutions, for the choice of kernels."""
        return any(self.network(model).convolutions for model in self.models)

    def check(self) -> None:
        """Checks what types cannot say; imports no Keras.

        Raises:
            ValueError: If a model or setting does not exist, or a model has no training settings.
        """
        named = (*self.models, *self.training, *self.settings, *self.networks, *self.transfer)
        for model in dict.fromkeys(named):
            _check_name(model)
            self.network(model)
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
            known = self.network(model).setting_names()
            for name in settings:
                if name not in known:
                    raise ValueError(
                        f"{model} has the settings: {', '.join(known) or 'none'}. "
                        f"Received: {name!r}.{suggest.hint(name, known)}"
                    )
        for model in self.models:
            self._check_transfer(model)
        if self.max_seeds is not None and not self.races:
            raise ValueError(
                f"--max-seeds is of --seeds auto. Received: --seeds {self.seeds}; drop one of them"
            )
        if self.races and not self.data.validation_fraction:
            raise ValueError(
                "--seeds auto goes by the validation images. Received: validation_fraction 0; use "
                "e.g. --validation-fraction 0.1, or a number of --seeds"
            )
        if len(set(self.models)) != len(self.models):
            raise ValueError(f"expected each model once. Received: {', '.join(self.models)}")

    def _check_transfer(self, model: str) -> None:
        found = self.transfer.get(model)
        if self.network(model).name == transferring.NETWORK:
            settings = self.settings.get(model, {})
            transferring.check(model, found, settings, self.training[model])
        elif found is not None:
            raise ValueError(
                f"transfer.{model} is for a model of the network {transferring.NETWORK!r}. "
                f"Received: {self.network(model).name!r}"
            )


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
    names = recipe.merge(base.get("networks", {}), _table(changes, "networks", where))
    for name, network in names.items():
        if not isinstance(network, str):
            raise ValueError(f"{where}: networks.{name} must be a name. Received: {network!r}")
    chosen = changes["models"] if _is_list(changes.get("models")) else ()
    for model in (*tables, *chosen):
        # Before the tables are read: a misspelt model would show as a misspelt table.
        _find(str(model), names)
    training = {}
    named = [str(name) for name in (*chosen, *tables)]
    # A model that the user named is trained as its network is, where nothing else is said.
    base_of = {**trainings, **{n: trainings.get(names.get(n, n), Training()) for n in named}}
    for model, defaults in {**base_of, **trainings}.items():
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
        networks={model: plan.networks[model] for model in plan.models if model in plan.networks},
        transfer={model: plan.transfer[model] for model in plan.models if model in plan.transfer},
    )


def _table(changes: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    table = changes.get(key, {})
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: expected a table [{key}]. Received: {table!r}")
    return table


def _find(model: str, networks: Mapping[str, Any]) -> Network:
    """Returns the network of a model.

    Raises:
        ValueError: If there is none; the message lists the models with names of their own, too.
    """
    if model in networks:
        return registry.get(str(networks[model]))
    try:
        return registry.get(model)
    except ValueError as error:
        near = suggest.hint(model, networks)
        # One suggestion: of the names here, where one is as near as any network's.
        text = str(error).partition(" Did you mean")[0] if near else str(error)
        own = f" Besides, here: {', '.join(networks)}." if networks else ""
        raise ValueError(f"{text}{own}{near}") from None


def _check_name(model: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}", model):
        # It becomes the name of files.
        raise ValueError(
            "a model's name has letters, digits, '_', '-' and '.', at most 61 of them. "
            f"Received: {model!r}"
        )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
