"""The number format of a training: float32, or 16 bits where that is faster here."""

import contextlib
from collections.abc import Iterator

import keras

from kerasdl import kernels
from kerasdl.training.settings import Precision


def resolve(precision: Precision, *, depthwise: bool = False, exact: bool = False) -> str:
    """Returns the Keras dtype policy for one network on this machine.

    "auto" is mixed_bfloat16 where the processor (AVX-512 BF16, AMX) or the GPU
    multiplies bfloat16 matrices in hardware, else float32: bfloat16 has
    float32's range, so that it needs no loss scaling, unlike float16, and
    trains convolutional networks 1.1 to 1.6 times faster on a CPU
    (benchmarks/precision.py). Not so depthwise convolutions, for which a CPU
    has no such kernel: ShuffleNet V2 takes nearly twice as long in bfloat16.
    Weights, statistics and logits stay float32.

    Args:
        precision: What was asked for.
        depthwise: Whether the network has depthwise convolutions.
        exact: Whether "auto" is float32 on every device, for a network whose answers suffer.
    """
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if not exact and _has_bfloat16(depthwise) else "float32"


def item_bytes(name: str) -> int:
    """Returns the bytes of a number that layers of the Keras dtype policy `name` hand on."""
    return 4 if name == "float32" else 2


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """Builds layers under the Keras dtype policy `name` inside the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _has_bfloat16(depthwise: bool) -> bool:
    jax = keras.backend.backend() == "jax"
    capability = _gpu_of_jax() if jax else _gpu_of_tensorflow()
    if capability is not None:
        return capability >= (8, 0)
    # On a CPU, XLA, which is all that JAX has, gains nothing by bfloat16, and TensorFlow's own
    # kernels lose: those that use the hardware are oneDNN's, if they may.
    if depthwise or jax or not kernels.may_use_bfloat16():
        return False
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = file.read().split()
            return "amx_bf16" in flags or "avx512_bf16" in flags
    except OSError:  # not Linux: nothing is known, so the safe choice
        return False


def _gpu_of_tensorflow() -> tuple[int, ...] | None:
    """Returns the compute capability of the first GPU; () where it has none, None without GPU."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return None
    details = tf.config.experimental.get_device_details(gpus[0])
    return tuple(details.get("compute_capability", ()))


def _gpu_of_jax() -> tuple[int, ...] | None:
    """Returns the same as `_gpu_of_tensorflow`, asked of JAX."""
    import jax

    device = jax.devices()[0]
    if device.platform != "gpu":
        return None
    # "9.0"; AMD's name the architecture instead, e.g. "gfx942".
    parts = str(getattr(device, "compute_capability", "")).split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
