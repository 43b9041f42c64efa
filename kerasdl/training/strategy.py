"""Which devices train a model: none (one device) or mirrored over a machine's GPUs."""

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import keras

from kerasdl.training.settings import StrategyName


class OneDevice:
    """Distributes nothing: the strategy where Keras does not run on TensorFlow."""

    num_replicas_in_sync = 1

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Returns a context that changes nothing."""
        return contextlib.nullcontext()


def make_strategy(name: StrategyName, devices: list[str] | None = None) -> Any:
    """Returns the distribution strategy for this machine.

    Args:
        name: "none" for one device; "mirrored" for all GPUs (or `devices`) with
            the same weights on each; "auto" is mirrored when there are at least
            two GPUs, else none.
        devices: TensorFlow device names for "mirrored", e.g. ["CPU:0", "CPU:1"]
            (logical devices, for tests).

    Returns:
        A `tf.distribute.Strategy`; for one device TensorFlow's default one. On
        another backend `OneDevice`.

    Raises:
        ValueError: If "mirrored" is asked for and the machine has no GPU, or
            Keras's backend is not TensorFlow.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        if name in ("auto", "none"):
            return OneDevice()
        raise ValueError(
            f"--strategy {name} needs Keras on TensorFlow. Received: the backend {backend!r}, "
            "which trains on one device here; use --strategy none, or auto"
        )
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "mirrored" if len(gpus) >= 2 else "none"
    if name == "none":
        return tf.distribute.get_strategy()
    if name != "mirrored":
        raise ValueError(f"strategy must be auto, none or mirrored. Received: {name!r}")
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


def agree(strategy: Any, values: Sequence[int]) -> tuple[int, ...]:
    """Returns for each value the largest that any worker has; without workers the values.

    Args:
        strategy: The strategy; every worker calls this at the same point.
        values: Integers of this process, as many on every worker.
    """
    return tuple(values)


def describe(strategy: Any) -> str:
    """Returns the strategy's name for a record: "none" or e.g. "mirrored x 2"."""
    replicas = strategy.num_replicas_in_sync
    return "none" if replicas == 1 else f"mirrored x {replicas}"
