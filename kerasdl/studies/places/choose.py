"""Which place an option asks for, and whether the recipe can be trained there."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from kerasdl.models import own
from kerasdl.studies.places.task import Place, Task
from kerasdl.studies.plan import Recipe


def check(plan: Recipe, options: Mapping[str, Any]) -> None:
    """Checks that models may be trained elsewhere, where the options ask for that.

    Args:
        plan: The recipe.
        options: Uses jobs, ray, minutes, find_lr and workers.

    Raises:
        ValueError: If they may not, or Ray is not installed.
    """
    asked = [f"--{name}" for name in ("jobs", "ray") if name in options]
    if not asked:
        return
    if len(asked) == 2:
        raise ValueError("--jobs is of this machine, --ray of a cluster; give one of them")
    alone = [name for name in ("minutes", "find_lr", "workers") if name in options]
    if alone:
        named = ", ".join("--" + name.replace("_", "-") for name in alone)
        raise ValueError(f"{asked[0]} trains in other processes. Received: {named}, too; drop one")
    if plan.strategy not in ("auto", "none"):
        raise ValueError(
            f"{asked[0]} gives each model a process, --strategy {plan.strategy} each model all "
            "devices; give one of them"
        )
    if "ray" in options and importlib.util.find_spec("ray") is None:
        raise ValueError('--ray needs what is not installed here: pip install "kerasdl[ray]"')
    for model in plan.models:
        name = plan.network(model).name
        if plan.network(model).own and own.is_of_this_process(name):
            raise ValueError(
                f"{model} is a function of this process alone, which {asked[0]} cannot find; put "
                'it into a file and name it, e.g. models=["mine.py:build"]'
            )


def make(options: Mapping[str, Any], task: Task) -> Place | None:
    """Returns where models are trained; None for this process."""
    if options.get("ray"):
        from kerasdl.studies.places.on_ray import OnRay

        return OnRay(task, options["ray"])
    if options.get("jobs", 1) > 1:
        from kerasdl.studies.places.processes import Processes

        return Processes(task, options["jobs"])
    return None
