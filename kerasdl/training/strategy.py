"""Which devices train a model: one, the GPUs of a machine, or those of several workers."""

import contextlib
import logging
import weakref
from collections.abc import Sequence
from typing import Any

import keras

from kerasdl.training.settings import StrategyName
from kerasdl.training.workers import ALONE, Workers, has_collectives

_WORKERS: weakref.WeakKeyDictionary[Any, Workers] = weakref.WeakKeyDictionary()


class OneDevice:
    """Distributes nothing: the strategy where Keras does not run on TensorFlow."""

    num_replicas_in_sync = 1

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context that changes nothing."""
        return contextlib.nullcontext()


def make_strategy(
    name: StrategyName, devices: list[str] | None = None, workers: Workers = ALONE
) -> Any:
    """Returns the distribution strategy for this process.

    Args:
        name: "none" for one device; "mirrored" for all GPUs (or `devices`) with
            the same weights on each; "multiworker" for the GPUs, or else the
            processors, of all `workers`; "auto" is multiworker where there are
            several workers, mirrored where there are at least two GPUs, else none.
        devices: TensorFlow device names for "mirrored", e.g. ["CPU:0", "CPU:1"]
            (logical devices, for tests).
        workers: As from `joined`. Several must be known before TensorFlow does
            anything else in this process.

    Returns:
        A `tf.distribute.Strategy`; for one device TensorFlow's default one. On
        another backend `OneDevice`.

    Raises:
        ValueError: If "mirrored" is asked for and the machine has no GPU, or
            Keras's backend is not TensorFlow.
    """
    if name == "auto" and workers.size > 1:
        name = "multiworker"
    backend = keras.backend.backend()
    if backend != "tensorflow":
        if name in ("auto", "none"):
            return OneDevice()
        raise ValueError(
            f"--strategy {name} needs Keras on TensorFlow. Received: the backend {backend!r}, "
            "which trains on one device here; use --strategy none, or auto"
        )
    if workers.size > 1:
        if name != "multiworker":
            raise ValueError(f"several workers need --strategy multiworker. Received: {name!r}")
        return _multi_worker(workers)
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    if name in ("auto", "multiworker"):  # one worker is a process like any other
        name = "mirrored" if len(gpus) >= 2 else "none"
    if name == "none":
        return tf.distribute.get_strategy()
    if name != "mirrored":
        raise ValueError(
            f"strategy must be auto, none, mirrored or multiworker. Received: {name!r}"
        )
    if devices is None:
        if not gpus:
            raise ValueError(
                "--strategy mirrored needs at least one GPU. Received: a machine where TensorFlow "
                "sees none; use --strategy none, or auto"
            )
        devices = [device.name for device in gpus]
    # Its notices about CPU devices are for us, not for a user's console.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker(workers: Workers) -> Any:
    import tensorflow as tf
    from tensorflow.python.eager import context

    cluster = workers.cluster
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.rank,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except tf.errors.OpError as error:
        workers.explain(error)
        raise
    _WORKERS[strategy] = workers
    has_collectives()

    def abort() -> None:
        # As TensorFlow's own check of the workers' health does; that takes 10 to 20 s.
        context.context().abort_collective_ops(tf.errors.UNAVAILABLE, "a worker is gone")

    workers.on_loss = abort
    workers.check()  # one may have been lost before
    return strategy


def workers_of(strategy: Any) -> Workers:
    """Returns the workers that a strategy connects, or `ALONE`."""
    return _WORKERS.get(strategy, ALONE)


def agree(strategy: Any, values: Sequence[int]) -> tuple[int, ...]:
    """Returns for each value the largest that any worker has; without workers the values.

    Args:
        strategy: The strategy; every worker calls this at the same point.
        values: Integers of this process, as many on every worker.

    Raises:
        ConnectionError: If a worker is gone.
    """
    return tuple(map(max, zip(*workers_of(strategy).gather(list(values)), strict=True)))


def describe(strategy: Any) -> str:
    """Returns the strategy's name for a record: "none", "mirrored x 2" or "multiworker x 3".

    The number is that of the devices, of all workers together.
    """
    replicas = strategy.num_replicas_in_sync
    kind = "mirrored" if workers_of(strategy) is ALONE else "multiworker"
    return "none" if replicas == 1 else f"{kind} x {replicas}"
