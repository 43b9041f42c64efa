"""A person's own search space: `build(hp)` or a KerasTuner HyperModel, as KerasTuner takes them.

A recipe names one as REFERENCE#FINGERPRINT, as it does a person's own model
(`kerasdl.models.own`): `mine.py:build#3f2a61c0b7d4`. A changed space is another search.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasdl.models import own

if TYPE_CHECKING:
    import keras

Build = Callable[..., "keras.Model"]

_KNOWN: dict[str, Any] = {}
"""The spaces of this process by their whole name: what a search began with, it ends with."""


def give(space: Any) -> str:
    """Takes a space for this process and returns what a recipe calls it.

    Args:
        space: A function `build(hp)` or `build(hp, input_shape, num_classes)` that returns a
            Keras model, or a `keras_tuner.HyperModel`, or its class.

    Raises:
        ValueError: If it is none of these, or trains by a `fit` of its own.
    """
    space = _checked(space)
    kind = space if inspect.isfunction(space) else type(space)
    name = kind.__qualname__.replace("<locals>.", "").replace("<lambda>", "build")
    whole = f"{kind.__module__}:{name}#{_fingerprint(space)}"
    _KNOWN[whole] = space
    return whole


def find(reference: str) -> tuple[str, Any]:
    """Returns a space and its whole name; imports the module it is in.

    Args:
        reference: With or without fingerprint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such module or space, or it changed since.
    """
    if reference in _KNOWN:
        return reference, _KNOWN[reference]
    place, _, wanted = reference.partition("#")
    if ":" not in place:
        raise ValueError(
            "build is FILE.py:FUNCTION or package.module:FUNCTION, of a function build(hp) or a "
            f"HyperModel. Received: {reference!r}"
        )
    space = _checked(own.look_up(place, "--build"))
    found = _fingerprint(space)
    if wanted and wanted != found:
        raise ValueError(
            f"{place} was changed: expected the source with the fingerprint {wanted}, as in the "
            f"recipe. Received: {found}; choose another --out for the new space"
        )
    whole = f"{place}#{found}"
    _KNOWN[whole] = space
    return whole, space


def build(space: Any, hp: Any, input_shape: tuple[int, ...], num_classes: int) -> Any:
    """Returns what a space builds for a trial.

    Args:
        space: As from `find`.
        hp: KerasTuner's HyperParameters.
        input_shape: (height, width, channels) of the images.
        num_classes: The classes.
    """
    function = space if inspect.isfunction(space) else space.build
    if _takes(function, hp):
        return function(hp)
    return function(hp, input_shape, num_classes)


def _checked(space: Any) -> Any:
    """Returns a function or an instance of a HyperModel.

    Raises:
        ValueError: If a space is none of these.
    """
    if inspect.isclass(space) and hasattr(space, "build"):
        try:
            space = space()
        except TypeError as error:
            raise ValueError(
                f"expected a HyperModel that is made without arguments. Received: "
                f"{space.__name__} ({error}); give an instance"
            ) from None
    function = space if inspect.isfunction(space) else getattr(space, "build", None)
    if not callable(function) or not (
        _takes(function, None) or _takes(function, None, (1, 1, 1), 2)
    ):
        raise ValueError(
            "expected a function build(hp) or build(hp, input_shape, num_classes) that returns a "
            f"Keras model, or a keras_tuner.HyperModel. Received: {space!r}"
        )
    if not inspect.isfunction(space):
        from kerasdl.tuning.training_by_fit import has_own_fit

        if has_own_fit(space):
            raise ValueError(
                f"the search trains by itself. Received: {type(space).__name__} with a fit of its "
                "own; kerasdl.tuning.PackedTuner calls it"
            )
    for one in _functions(space):
        own.check_fresh(one)
    return space


def _takes(function: Any, *arguments: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _functions(space: Any) -> list[Any]:
    """Returns the functions that make a space: itself, or the methods of its class."""
    if inspect.isfunction(space):
        return [space]
    return [one for one in vars(type(space)).values() if inspect.isfunction(one)]


def _fingerprint(space: Any) -> str:
    """Returns twelve hexadecimal digits that change with a space's source and values."""
    texts = [own.fingerprint(one) for one in _functions(space)]
    if not inspect.isfunction(space):
        texts.append(own.plain(vars(space)))
    return texts[0] if len(texts) == 1 else hashlib.sha256(repr(texts).encode()).hexdigest()[:12]
