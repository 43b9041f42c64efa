"""A study on several workers: what they agree on before, and what those do that do not write."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from kerasdl import __version__, recipe
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.studies.building import build, precision_of
from kerasdl.studies.plan import Recipe
from kerasdl.training.cluster import find_cluster
from kerasdl.training.workers import Workers, joined

TIMEOUT = 120.0
"""Seconds to wait for the other workers at the start."""


@contextlib.contextmanager
def team(plan: Recipe, options: Mapping[str, Any]) -> Iterator[tuple[Workers, Any]]:
    """Joins the workers that the options or the environment name.

    Several workers start TensorFlow here, before anything else uses it.

    Args:
        plan: The recipe, the same on all of them.
        options: Uses workers, rank and worker_timeout.

    Yields:
        The workers, and their `tf.distribute.Strategy`; None for one that trains alone.

    Raises:
        ValueError: If they are not what they should be, or a worker was started otherwise.
        TimeoutError: If one does not come in time.
        ConnectionError: If one is lost.
    """
    cluster = find_cluster(plan.strategy, options.get("workers"), options.get("rank"))
    if cluster is not None and "find_lr" in options:
        raise ValueError("--find-lr runs in one process; leave out --workers and TF_CONFIG")
    if cluster is not None and plan.transfer:
        raise ValueError("--transfer runs in one process; leave out --workers and TF_CONFIG")
    greeting: dict[str, Any] = {}
    if cluster is not None:
        greeting = {"recipe": recipe.to_dict(plan), "versions": _versions()}
    with joined(cluster, greeting, options.get("worker_timeout", TIMEOUT)) as workers:
        strategy = None
        if workers.size > 1:
            from kerasdl.training.environment import start_keras

            start_keras(convolutions=plan.convolutions)
            from kerasdl.training.strategy import make_strategy

            strategy = make_strategy(plan.strategy, workers=workers)
        yield workers, strategy


def load_in_turn(workers: Workers, load: Callable[[], Dataset]) -> Dataset:
    """Loads the data set, the chief first, so that a download or preparation is done once.

    Raises:
        ValueError: If a worker has other images than the chief.
    """
    dataset = load() if workers.is_chief else None
    workers.share(None)
    dataset = load() if dataset is None else dataset
    sums = workers.gather(dataset.sha256)
    for rank, sha256 in enumerate(sums):
        if sha256 != sums[0]:
            raise ValueError(
                f"{workers.cluster.name(rank)} has other images than {workers.cluster.name(0)} "
                f"(SHA-256 {sha256[:16]}... and {sums[0][:16]}...); give all the same --data"
            )
    return dataset


def announce(strategy: Any, plan: Recipe, name: str, seed: int, checkpoints: Any) -> None:
    """Tells the other workers which model comes next.

    Args:
        strategy: The strategy of the study.
        plan: The recipe.
        name: One of its models.
        seed: The seed.
        checkpoints: The training's `CheckpointStore`, or None.
    """
    from kerasdl.training.strategy import workers_of

    workers = workers_of(strategy)
    if workers.size == 1:
        return
    store = {} if checkpoints is None else {"folder": str(checkpoints.folder.resolve())}
    if checkpoints is not None:
        store["identity"] = checkpoints.identity
    # Processors may differ in what "auto" is; the chief's is the one that counts.
    task = {"model": name, "seed": seed, "precision": precision_of(plan, name)}
    workers.share({**task, **store})


def dismiss(workers: Workers, reason: str | None) -> None:
    """Ends `follow` on the other workers; from now on the chief does without them.

    Args:
        workers: The workers; this is the chief.
        reason: Why it ends early, e.g. "was interrupted"; None after the last model.
    """
    if reason is None:
        workers.share(None)
        workers.finish()
    else:
        workers.leave(reason)


def follow(plan: Recipe, dataset: Dataset, splits: Splits, strategy: Any, workers: Workers) -> None:
    """Trains with the chief whatever it announces; writes nothing.

    Args:
        plan: The recipe.
        dataset: The data set, for image shape and class names.
        splits: Its parts.
        strategy: As from `team`.
        workers: As from `team`.

    Raises:
        ConnectionError: If a worker is lost.
    """
    from kerasdl.training.checkpoint import CheckpointStore
    from kerasdl.training.engine import Engine

    while (task := workers.share(None)) is not None:
        name, checkpoints = task["model"], None
        if "folder" in task:
            checkpoints = CheckpointStore(
                Path(task["folder"]),
                task["identity"],
                seconds=math.inf,  # the chief knows when one is due
                write=False,
                notify=lambda _: None,
            )
        model = build(
            msgspec.structs.replace(plan, precision=task["precision"]),
            name,
            task["seed"],
            dataset=dataset,
            train=splits.train,
            strategy=strategy,
        )
        Engine(model, strategy).fit(
            splits.train,
            plan.training[name],
            seed=task["seed"],
            validation=splits.validation,
            checkpoints=checkpoints,
        )


def _versions() -> dict[str, str]:
    return {
        "kerasdl": __version__,
        **{name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
    }
