"""Which runs are repetitions of each other."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kerasdl.record import Run


def _identity(model: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    return model, json.dumps(dict(settings), sort_keys=True, default=str)


def group(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Groups runs that differ in their seed only.

    A group's name is its model's, and where a model occurs with several
    settings, the settings that differ too: "mlp (depth=3)".

    Args:
        runs: The runs of a record.

    Returns:
        The runs by name, groups in the order of first appearance, each by seed.

    Raises:
        ValueError: If a model, its settings and a seed occur twice.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault(_identity(run.model, run.settings), []).append(run)
    for members in groups.values():
        members.sort(key=lambda run: run.seed)
        for first, second in itertools.pairwise(members):
            if first.seed == second.seed:
                raise ValueError(
                    f"expected one run per model, settings and seed. Received: {first.model} "
                    f"with seed {first.seed} twice"
                )
    return {_name(members[0], groups): members for members in groups.values()}


def _name(run: Run, groups: Mapping[tuple[str, str], Sequence[Run]]) -> str:
    rivals = [members[0].settings for members in groups.values() if members[0].model == run.model]
    keys = [
        key
        for key in dict.fromkeys(key for settings in rivals for key in settings)
        if any(settings.get(key) != rivals[0].get(key) for settings in rivals)
        or any((key in settings) != (key in rivals[0]) for settings in rivals)
    ]
    values = [f"{key}={run.settings[key]}" for key in keys if key in run.settings]
    return f"{run.model} ({', '.join(values)})" if values else run.model
