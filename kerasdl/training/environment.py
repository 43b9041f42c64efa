"""The machine and the versions a run used, and starting TensorFlow quietly."""

import os
import platform
import sys
from importlib import metadata
from typing import Any

from kerasdl import __version__
from kerasdl.quiet import quiet_start
from kerasdl.record import Environment


def start_tensorflow() -> None:
    """Imports Keras on TensorFlow, quietly.

    Raises:
        ValueError: If Keras is configured for another backend, or the processor
            is too old for TensorFlow.
    """
    if "tensorflow" in sys.modules:
        return
    _check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))
    _check_processor()
    with quiet_start():
        import keras
        import tensorflow  # noqa: F401 - the import is the point
    # Without the variable, Keras's own configuration file decides.
    _check_backend(keras.backend.backend())


def _check_processor() -> None:
    """Says before TensorFlow does, which ends the process, that the processor is too old."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = [line.split() for line in file if line.startswith("flags")]
    except OSError:  # not Linux
        return
    if flags and "avx" not in flags[0]:
        raise ValueError("TensorFlow needs a processor with AVX. Received: one without")


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise ValueError(
            "training needs Keras on TensorFlow. Received: the backend "
            f"{backend!r}; unset KERAS_BACKEND (or set it to tensorflow)"
        )


def describe(strategy_name: str, precision: str) -> Environment:
    """Returns the environment of this process for a record.

    Args:
        strategy_name: As from `strategy.describe`.
        precision: The precision asked for ("auto", "float32", …).
    """
    import keras

    return Environment(
        kerasdl=__version__,
        keras=metadata.version("keras"),
        tensorflow=metadata.version("tensorflow"),
        numpy=metadata.version("numpy"),
        python=platform.python_version(),
        backend=keras.backend.backend(),
        device=_device(),
        strategy=strategy_name,
        precision=precision,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _device() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details: dict[str, Any] = tf.config.experimental.get_device_details(gpus[0])
        return f"{len(gpus)} x {details.get('device_name', 'GPU')}"
    return cpu_name()


def cpu_name() -> str:
    """Returns the processor's name, e.g. "Intel(R) Xeon(R) Platinum 8480+"."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:  # not Linux
        names = []
    return (names or [platform.processor() or platform.machine()])[0]
