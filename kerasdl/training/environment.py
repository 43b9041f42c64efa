"""The machine and the versions a run used, and starting Keras quietly."""

import gc
import os
import platform
import sys
from importlib import metadata
from typing import Any

from kerasdl import __version__, kernels
from kerasdl.quiet import quiet_start
from kerasdl.record import Environment

BACKENDS = ("tensorflow", "jax")
"""Where Keras may run: TensorFlow is what everything is made for, JAX trains through `fit`."""


def start_keras(*, convolutions: bool = True, recorded: str | None = None) -> None:
    """Imports Keras and its backend, quietly: TensorFlow, or JAX where Keras is set to it.

    Args:
        convolutions: Whether anything with convolutions may be computed; TensorFlow's kernels
            are chosen by it (`kerasdl.kernels`).
        recorded: The kernels of the run that is continued or reproduced, which it keeps; None
            where there is none.

    Raises:
        ValueError: If Keras is configured for another backend, the backend is not
            installed, or the processor is too old for TensorFlow.
    """
    _check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))
    _check_processor()
    collects, new = gc.isenabled(), "keras" not in sys.modules
    gc.disable()
    try:
        with quiet_start(convolutions=convolutions, recorded=recorded):
            import keras

            # On JAX, Keras imports TensorFlow too where it is installed: in here, quietly.
            # Before the seed, which is TensorFlow's first operation.
            kernels.let_threads_sleep()
            keras.utils.set_random_seed(0)
        if new:
            # Hundreds of thousands of objects that stay. Looking for garbage among them took a
            # quarter of the start, and nearly all of every later collection.
            gc.freeze()
    except ModuleNotFoundError as error:
        if error.name not in BACKENDS:
            raise
        (other,) = set(BACKENDS) - {error.name}
        raise ValueError(
            f"Keras's backend {error.name!r} is not installed here: pip install {error.name}, "
            f"or set KERAS_BACKEND={other}"
        ) from None
    finally:
        if collects:
            gc.enable()
    # Without the variable, Keras's own configuration file decides.
    _check_backend(keras.backend.backend())


def _check_processor() -> None:
    """Says before the backend does, which ends the process, that the processor is too old."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = [line.split() for line in file if line.startswith("flags")]
    except OSError:  # not Linux
        return
    if flags and "avx" not in flags[0]:
        raise ValueError("TensorFlow and JAX need a processor with AVX. Received: one without")


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(
            "training needs Keras on TensorFlow or JAX. Received: the backend "
            f"{backend!r}; unset KERAS_BACKEND (or set it to tensorflow or jax)"
        )


def describe(strategy_name: str, precision: str) -> Environment:
    """Returns the environment of this process for a record.

    Args:
        strategy_name: As from `strategy.describe`.
        precision: The precision asked for ("auto", "float32", …).
    """
    import keras

    backend = keras.backend.backend()
    return Environment(
        kerasdl=__version__,
        keras=metadata.version("keras"),
        tensorflow=metadata.version("tensorflow") if backend == "tensorflow" else None,
        numpy=metadata.version("numpy"),
        python=platform.python_version(),
        backend=backend,
        device=_device(backend),
        strategy=strategy_name,
        precision=precision,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        jax=metadata.version("jax") if backend == "jax" else None,
        kernels=kernels.describe() if backend == "tensorflow" else None,
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _device(backend: str) -> str:
    """Returns e.g. "1 x NVIDIA H100", or the processor where there is no GPU."""
    if backend == "jax":
        import jax

        devices = jax.devices()
        if devices[0].platform != "cpu":
            return f"{len(devices)} x {devices[0].device_kind}"
        return cpu_name()
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
