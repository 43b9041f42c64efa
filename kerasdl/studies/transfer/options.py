"""`--transfer` and what goes with it: from the command line to the models of a recipe."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.models import bases
from kerasdl.studies.transfer import defaults
from kerasdl.studies.transfer.settings import ARMS, NETWORK, BaseSettings, Transfer
from kerasdl.suggest import hint
from kerasdl.training.settings import Training
from kerasdl.training.sizes import size_option


class Choice(recipe.Struct, frozen=True):
    """Which bases, and what is done with each."""

    transfer: Annotated[
        tuple[str, ...],
        Meta(description="bases from keras.applications, e.g. vgg16,resnet50, instead of --models"),
    ] = ()
    arms: Annotated[
        tuple[str, ...],
        Meta(description="some of frozen, finetuned, scratch: each base is trained so (frozen)"),
    ] = ("frozen",)


_STRUCTS: tuple[type[msgspec.Struct], ...] = (Choice, BaseSettings, Transfer)


def add_options(parser: argparse.ArgumentParser, others: type[msgspec.Struct] | None) -> None:
    """Adds the options to an app's parser.

    Args:
        parser: The parser; options that are not given are absent from the namespace.
        others: The app's own settings: a field of the same name is one option for both.
    """
    taken = _names(others)
    for struct, title in zip(
        _STRUCTS, ("transfer", "transfer: the network", "transfer: the training"), strict=True
    ):
        recipe.add_options(parser, struct, title=title, without=taken)
    group = parser.add_argument_group("transfer: cached features")
    group.add_argument(
        "--no-cache",
        action="store_true",
        help="train the head on pixels, through the base at every step, with augmentation",
    )
    group.add_argument(
        "--cache-limit",
        metavar="SIZE",
        type=size_option,
        help="keep features of at most this size, e.g. 8GB; those used least lately go first",
    )


def _names(struct: type[msgspec.Struct] | None) -> set[str]:
    """Returns the options that the fields of an app's settings are."""
    return {field.encode_name for field in msgspec.structs.fields(struct)} if struct else set()


def is_asked(options: Mapping[str, Any], own: type[msgspec.Struct] | None) -> bool:
    """Whether the command line names bases.

    Args:
        options: The parser's result.
        own: The app's own settings, as for `add_options`.

    Raises:
        ValueError: If it has options of a transfer without, or other models besides.
    """
    if "transfer" in options:
        for name in ("models", "preset"):
            if options.get(name, "default") != "default":
                raise ValueError(
                    f"--transfer names the networks itself. Received: --{name} besides; "
                    "give one of them"
                )
        return True
    fields = [field.encode_name for struct in _STRUCTS for field in msgspec.structs.fields(struct)]
    # Networks of some apps have dropout, too.
    taken = _names(own)
    for name in [*fields, "no_cache"]:
        if name in options and name not in taken:
            raise ValueError(
                f"--{name.replace('_', '-')} goes with --transfer, e.g. --transfer vgg16; in a "
                "recipe file it is changed with --set. Received: it alone"
            )
    return False


def arms_of(
    options: Mapping[str, Any], augmentation: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Training]]:
    """Returns the models that the options ask for.

    Args:
        options: The parser's result, with `transfer`.
        augmentation: Fields of a training that leave the images in their classes.

    Returns:
        The recipe's `models`, `networks`, `settings` and `transfer` as plain data, and the
        training settings by model.

    Raises:
        ValueError: If a base does not exist or the options do not belong together.
    """
    choice = recipe.from_dict(recipe.chosen(Choice, options), Choice, where="the options")
    for what, names in (("--transfer", choice.transfer), ("--arms", choice.arms)):
        if not names or len(set(names)) != len(names):
            raise ValueError(
                f"{what} takes names, each once. Received: {', '.join(names) or 'none'}"
            )
    for arm in choice.arms:
        if arm not in ARMS:
            raise ValueError(
                f"--arms takes some of {', '.join(ARMS)}. Received: {arm!r}.{hint(arm, ARMS)}"
            )
    # As a TOML file would give them: the same recipe either way.
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in recipe.chosen(BaseSettings, options).items()
    }
    changes = recipe.chosen(Transfer, options)
    _check_arms(choice.arms, given, changes)
    models: dict[str, Any] = {"models": [], "networks": {}, "settings": {}, "transfer": {}}
    trainings = {}
    for base in choice.transfer:
        title = bases.get(base).name
        for arm in choice.arms:
            name = f"{title}-{arm}"
            scratch = arm == "scratch"
            transfer = defaults.transfer_of(
                arm,
                frozen_whole=given.get("freeze", "conv") == "conv",
                cached="no_cache" not in options,
                views=changes.get("views", 1),
            )
            second = {key: value for key, value in changes.items() if key != "views"}
            if arm == "finetuned":
                transfer = msgspec.structs.replace(transfer, **second)
            settings = {"base": title, "weights": "imagenet", **given}
            if scratch:
                settings |= {"weights": "random", "freeze": "none"}
            models["models"].append(name)
            models["networks"][name] = NETWORK
            models["settings"][name] = settings
            models["transfer"][name] = recipe.to_dict(transfer)
            trainings[name] = defaults.training_of(transfer, dict(augmentation))
    return models, trainings


def _check_arms(arms: Sequence[str], given: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Raises ValueError if an option speaks of arms that are not chosen."""
    chosen = ", ".join(arms)
    for name in changes:
        if name != "views" and "finetuned" not in arms:
            raise ValueError(
                f"--{name.replace('_', '-')} goes with --arms finetuned. Received: the arms "
                f"{chosen}"
            )
    if given.get("weights") == "random" and set(arms) != {"scratch"}:
        raise ValueError(
            "--weights random goes with --arms scratch: nothing is learned by freezing random "
            f"weights. Received: the arms {chosen}"
        )
    if set(arms) != {"scratch"}:
        return
    if given.get("weights", "random") != "random":
        raise ValueError(
            "--arms scratch begins with random weights. Received: --weights "
            f"{given['weights']}; leave it out, or choose another arm"
        )
    if given.get("freeze", "none") != "none" or "views" in changes:
        option = "views" if "views" in changes else "freeze"
        raise ValueError(f"--{option} goes with --arms frozen or finetuned. Received: {chosen}")


def others(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that say nothing of a transfer."""
    fields = {field.encode_name for struct in _STRUCTS for field in msgspec.structs.fields(struct)}
    return {name: value for name, value in options.items() if name not in fields}


def check_file(options: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> None:
    """Raises ValueError if a recipe file and `--transfer` both name the models."""
    if "transfer" in options and "models" in changes:
        raise ValueError(
            f"{where} names the models itself; leave out --transfer, or choose among them with "
            "--models. Received: both"
        )


def titles(plan: Any) -> dict[str, str]:
    """Returns names for people, e.g. "VGG16, frozen", of a recipe's models with a base."""
    words = {"frozen": "frozen", "finetuned": "fine-tuned", "scratch": "from scratch"}
    return {
        name: f"{bases.get(plan.settings[name]['base']).title}, {words[how.arm]}"
        for name, how in plan.transfer.items()
    }
