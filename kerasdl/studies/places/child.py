"""The process that trains: it makes the comparison's `Study` once, and then group after group."""

import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from kerasdl.studies.places.task import Outcome, Task

if TYPE_CHECKING:
    from kerasdl.studies.networks import Study
    from kerasdl.studies.stacking import Group

_STUDY: dict[str, "Study"] = {}


def begin(task: Task, threads: int) -> None:
    """Prepares a process: its share of the cores, Keras, the comparison.

    Args:
        task: The comparison.
        threads: The cores that it may use.
    """
    # Ctrl-C is the parent's, which ends this process; so does the parent's own end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _STUDY["study"] = _study(task, threads)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _study(task: Task, threads: int) -> "Study":
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    from kerasdl.training.environment import start_keras

    start_keras(convolutions=task.plan.convolutions, recorded=task.kernels)
    from rich.console import Console

    from kerasdl import recipe
    from kerasdl.studies.networks import Study
    from kerasdl.studies.transfer.cached import open_cache
    from kerasdl.training.logs import Logs

    console = Console(quiet=True)
    return Study(
        task.plan,
        task.dataset,
        task.splits,
        task.folder,
        command="",
        reported=[],
        console=console,
        logs=Logs(task.log, task.folder, recipe.to_dict(task.plan)),
        checkpoint_seconds=task.checkpoint_seconds,
        weights=task.weights,
        cache=open_cache(task.plan, task.cache_limit, console),
    )


def train(group: "Group") -> Outcome:
    """Trains a group of the comparison that `begin` prepared."""
    study = _STUDY["study"]
    runs, error = study.executor.train(group, "")
    scores = [study.predictions.get(run.model, run.seed, run.settings) for run in runs]
    return Outcome(runs, error, [one for one in scores if one is not None])


def train_on_ray(task: Task, group: "Group") -> Outcome:
    """Trains a group in a process of Ray's."""
    import ray

    # A process of Ray's trains one group after the other, of one comparison or another.
    key = str(task.folder)
    if _STUDY.get(key) is None or _STUDY[key].plan != task.plan:
        cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1.0)
        _STUDY[key] = _study(task, max(1, int(cores)))
    _STUDY["study"] = _STUDY[key]
    return train(group)
