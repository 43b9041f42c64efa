"""How many trials and trainings a search is going to be."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras_tuner

from kerasdl.tuning.wording import counted

if TYPE_CHECKING:
    from kerasdl.tuning.packed_tuner import PackedTuner


def announcement(tuner: "PackedTuner") -> str | None:
    """Returns e.g. "10 trials with 5 seeds: 50 trainings"; None where nobody knows.

    Args:
        tuner: With its oracle, space and seeds.
    """
    oracle, seeds = tuner.plain_oracle, len(tuner.seeds)
    grid = isinstance(oracle, keras_tuner.oracles.GridSearchOracle)
    most = oracle.max_trials or math.inf
    different = combinations(tuner.space.space, {})
    trials = min(most, different) if grid else most
    if math.isinf(trials):
        return None
    # By chance it may miss a setting of a small space, and ends when it finds no new one.
    limit = "at most " if not grid and different <= trials else ""
    said = f"{limit}{counted(int(trials), 'trial', 'trials')}"
    if seeds == 1:
        return said
    return f"{said} with {seeds} seeds: {limit}{int(trials) * seeds} trainings"


def combinations(space: Sequence[Any], chosen: Mapping[str, Any]) -> int:
    """Returns how many combinations of values there are, as KerasTuner's grid counts them.

    Args:
        space: KerasTuner's hyper-parameters, those of a condition after what it depends on.
        chosen: The values, by name, of those before that conditions depend on.
    """
    if not space:
        return 1
    first, *rest = space
    if not all(condition.is_active(chosen) for condition in first.conditions):
        return combinations(rest, chosen)
    # The default is one more where it is none of the samples of a range.
    values = list(dict.fromkeys([first.default, *first.values]))
    if all(condition.name != first.name for one in rest for condition in one.conditions):
        return len(values) * combinations(rest, chosen)
    return sum(combinations(rest, {**chosen, first.name: value}) for value in values)
