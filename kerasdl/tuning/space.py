"""A search space as a person writes it: TOML tables of values or ranges."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kerasdl import recipe
from kerasdl.models import registry
from kerasdl.training.settings import Training

MOST = 10**6
"""The most whole numbers of a range."""

Value = bool | int | float | str | tuple[int, ...]


class Axis(recipe.Struct, frozen=True, kw_only=True):
    """One hyper-parameter: `values`, or `min` and `max`.

    Args:
        values: What it may be; lists of numbers are one value each (`units`).
        min, max: The ends of a range, both included.
        step: From one value of the range to the next; None for any (of integers: 1).
        sampling: Whether differences or factors are alike over the range.
    """

    values: tuple[Value, ...] = ()
    min: float | int | None = None
    max: float | int | None = None
    step: float | int | None = None
    sampling: Literal["linear", "log"] = "linear"

    def problem(self) -> str | None:
        """Returns what is wrong, or None."""
        ranged = self.min is not None and self.max is not None
        if bool(self.values) == ranged or (self.min is None) != (self.max is None):
            return "expected values = [...], or min and max"
        if self.values:
            kinds = {type(value) for value in self.values}
            if len(kinds - {int, float}) > 1 or (kinds - {int, float} and kinds & {int, float}):
                return f"expected values of one type. Received: {list(self.values)}"
            if len(set(self.values)) != len(self.values):
                return f"expected each value once. Received: {list(self.values)}"
            return None
        assert self.min is not None
        assert self.max is not None
        numbers = (self.min, self.max, *([] if self.step is None else [self.step]))
        if not all(map(math.isfinite, numbers)):
            return f"expected finite numbers. Received: {', '.join(map(str, numbers))}"
        if self.min >= self.max:
            return f"expected min < max. Received: {self.min} and {self.max}"
        if self.step is not None and self.step <= 0:
            return f"expected step > 0. Received: {self.step}"
        whole = isinstance(self.min, int) and isinstance(self.max, int)
        if whole and isinstance(self.step, float):
            return f"expected a whole step between whole numbers. Received: {self.step}"
        if self.sampling == "log" and (self.min <= 0 or self.step is not None):
            return "sampling = log takes min > 0 and no step"
        count = (self.max - self.min) // (self.step or 1) + 1
        if whole and self.sampling == "linear" and count > MOST:
            # KerasTuner lists them all.
            return f"expected at most {MOST} whole numbers; give a larger step. Received: {count}"
        return None

    def ends(self) -> list[Any]:
        """Returns values that show whether all are possible."""
        if self.values:
            return list(self.values)
        assert self.min is not None
        assert self.max is not None
        if isinstance(self.min, int) and isinstance(self.max, int):
            return [self.min, self.max]
        # And one in between: 1.0 may do where a whole number is expected, 1.3 does not.
        return [self.min, self.min + 0.3 * (self.max - self.min), self.max]

    def ask(self, hp: Any, name: str) -> Any:
        """Returns a trial's value, from KerasTuner's HyperParameters."""
        if self.values and isinstance(self.values[0], tuple):
            # KerasTuner knows numbers and texts only.
            texts = [",".join(map(str, value)) for value in self.values]  # type: ignore[arg-type]
            return [int(part) for part in hp.Choice(name, texts).split(",")]
        if self.values and isinstance(self.values[0], bool):
            # A Choice would turn it into a number.
            both, first = len(self.values) == 2, self.values[0]
            return hp.Boolean(name, default=first) if both else hp.Fixed(name, first)
        if self.values:
            numbers = all(isinstance(value, float | int) for value in self.values)
            mixed = numbers and any(isinstance(value, float) for value in self.values)
            return hp.Choice(name, [float(v) if mixed else v for v in self.values])  # type: ignore[arg-type]
        if isinstance(self.min, int) and isinstance(self.max, int):
            step = None if self.sampling == "log" else int(self.step or 1)
            return hp.Int(name, self.min, self.max, step=step, sampling=self.sampling)
        return hp.Float(name, self.min, self.max, step=self.step, sampling=self.sampling)


Space = dict[str, dict[str, Axis]]
"""Axes by part of the recipe ("settings" of the network, "training") and by field."""

PARTS = ("settings", "training")


def check(space: Mapping[str, Mapping[str, Axis]], network: str) -> None:
    """Checks a space against what there is to search.

    Args:
        space: The axes.
        network: A name of the registry.

    Raises:
        ValueError: If a field does not exist or cannot have one of its values.
    """
    if not any(space.values()):
        raise ValueError(
            "expected a space, e.g. --space FILE.toml with a table [training.learning_rate] "
            "with min, max and sampling, or [settings.NAME] with values. Received: none"
        )
    for part, axes in space.items():
        if part not in PARTS:
            raise ValueError(f"a space has the parts {', '.join(PARTS)}. Received: {part!r}")
        for name, axis in axes.items():
            where = f"space.{part}.{name}"
            if problem := axis.problem():
                raise ValueError(f"{where}: {problem}")
            known = registry.get(network).setting_names()
            if part == "settings" and name not in known:
                raise ValueError(
                    f"{where}: {network} has the settings: {', '.join(known) or 'none'}"
                )
            if part == "training":
                for value in axis.ends():
                    plain = {**msgspec.to_builtins(Training()), name: value}
                    recipe.from_dict(plain, Training, where=where)


def changes(space: Mapping[str, Mapping[str, Axis]], hp: Any) -> dict[str, dict[str, Any]]:
    """Returns a trial's values, by part and field."""
    return {
        part: {name: axis.ask(hp, f"{part}.{name}") for name, axis in axes.items()}
        for part, axes in space.items()
    }
