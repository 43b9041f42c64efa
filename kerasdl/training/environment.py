"""The machine and the versions a run used, and starting TensorFlow quietly."""

import os
import platform
import sys
import tempfile
from importlib import metadata
from typing import Any

from kerasdl import __version__
from kerasdl.record import Environment


def start_tensorflow() -> None:
    """Imports Keras on TensorFlow without the start-up notices TensorFlow cannot be asked to omit.

    They are written by C++ code before any setting is read, so the import runs
    with standard error in a file; everything in it that is not an
    informational line is passed on, all of it when the import fails.

    Raises:
        ValueError: If Keras is configured for another backend.
    """
    if "tensorflow" in sys.modules:
        return
    _check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))
    _check_processor()
    # 3: on a machine without a GPU even the search for one is logged as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as caught:
        stderr = os.dup(2)
        os.dup2(caught.fileno(), 2)
        done = False
        try:
            import keras
            import tensorflow  # noqa: F401 - the import is the point

            done = True
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if not done or not (line.startswith("I0000") or "absl::InitializeLog" in line):
                    print(line, file=sys.stderr)
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
