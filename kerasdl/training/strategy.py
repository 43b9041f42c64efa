"""Which devices train a model: none (one device) or mirrored over a machine's GPUs."""

import logging
from typing import Any

from kerasdl.training.settings import StrategyName


def make_strategy(name: StrategyName, devices: list[str] | None = None) -> Any:
    """Returns the distribution strategy for this machine.

    Args:
        name: "none" for one device; "mirrored" for all GPUs (or `devices`) with
            the same weights on each; "auto" is mirrored when there are at least
            two GPUs, else none.
        devices: TensorFlow device names for "mirrored", e.g. ["CPU:0", "CPU:1"]
            (logical devices, for tests).

    Returns:
        A `tf.distribute.Strategy`; for one device TensorFlow's default one.

    Raises:
        ValueError: If "mirrored" is asked for and the machine has no GPU.
    """
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


def describe(strategy: Any) -> str:
    """Returns the strategy's name for a record: "none" or e.g. "mirrored x 2"."""
    replicas = strategy.num_replicas_in_sync
    return "none" if replicas == 1 else f"mirrored x {replicas}"
