"""TensorFlow's kernels and threads on a processor: chosen before its first operation.

- oneDNN's kernels. TensorFlow has two kinds of its operations, its own (Eigen's) and
  those of oneDNN, and reads which to take when it is imported. By itself it takes oneDNN's
  only where the processor has VNNI, BF16 or AMX instructions. On others, which most laptops are,
  convolutional networks then train at a third to a half of the speed, while small perceptrons
  are faster without. So whatever may have convolutions has oneDNN here, and perceptrons
  alone have what TensorFlow takes by itself (`python benchmarks/settings.py` has the table).
- Threads that wait sleep. By default they spin, which takes the processor from the very
  thread that is waited for as soon as anything else runs beside them.

The two kinds round differently: a record says which it was, and a continued run keeps its own.
"""

import os
import platform
import sys

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
"""TensorFlow's own switch; what the user sets it to stands."""

ONEDNN, EIGEN = "oneDNN", "Eigen"


def choose(*, convolutions: bool = True, recorded: str | None = None) -> None:
    """Chooses the kernels of this process and its children; once TensorFlow is there, nothing.

    Args:
        convolutions: Whether anything with convolutions may be computed.
        recorded: What the run that is continued or reproduced had, as from `describe`;
            None where there is none.
    """
    if "tensorflow" in sys.modules or platform.machine() not in ("x86_64", "AMD64"):
        return
    if recorded is not None:
        os.environ.setdefault(VARIABLE, "0" if recorded == EIGEN else "1")
    elif convolutions:
        os.environ.setdefault(VARIABLE, "1")


def let_threads_sleep() -> None:
    """Lets TensorFlow's threads sleep while they wait; after its import, before its first use.

    There is no public switch: the context takes the configuration of a session, and adds to
    it what `tf.config` is told later.
    """
    if "tensorflow" not in sys.modules:
        return
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.eager import context

    here = context.context()
    if here._initialized or here._config is not None:
        return  # somebody else's, in a notebook
    config = config_pb2.ConfigProto()
    config.experimental.disable_thread_spinning = True
    here._config = config


def describe() -> str:
    """Returns whose kernels TensorFlow, which must be imported, has in this process.

    Returns:
        "oneDNN" or "Eigen"; with the instructions, where the user limited oneDNN's, e.g.
        "oneDNN (AVX512_CORE)".
    """
    from tensorflow.python.util import _pywrap_util_port

    if not _pywrap_util_port.IsMklEnabled():
        return EIGEN
    limit = _limit()
    return f"{ONEDNN} ({limit})" if limit else ONEDNN


def may_use_bfloat16() -> bool:
    """Returns whether kernels that multiply bfloat16 in hardware run, where the processor can."""
    limit = _limit().upper()
    allowed = not limit or any(name in limit for name in ("BF16", "FP16", "AMX", "DEFAULT"))
    return allowed and describe() != EIGEN


def _limit() -> str:
    """Returns the instructions that the user limited oneDNN to; "" for no limit."""
    return os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
