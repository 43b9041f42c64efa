"""The python batches of CIFAR-10, read without running what a pickle asks for.

Format (https://www.cs.toronto.edu/~kriz/cifar.html): each batch is a pickled
dict (Python 2, protocol 2) with `data`, a uint8 array (n, 3072) whose rows are
the red, green and blue planes of one image, and `labels`, a list of n integers.
"""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Images, Labels

PIXELS = 32 * 32 * 3


# What Python 2 and 3 write for dicts, lists, tuples, strings, integers and NumPy arrays.
OPCODES = frozenset(
    re.findall(
        r"\w+",
        """
        PROTO FRAME STOP MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET NONE NEWFALSE
        NEWTRUE BININT BININT1 BININT2 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES
        BINUNICODE SHORT_BINUNICODE EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
        APPEND APPENDS SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD
        """,
    )
)
MAX_MEMO = 100_000  # an official batch has 10 013 entries


class _Dtype:
    """Stands in for numpy.dtype. A batch holds unsigned bytes, and nothing else is made."""

    def __init__(self, name: Any = None, *rest: Any) -> None:
        if name not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"an array of dtype {name!r} in place of unsigned bytes")

    def __setstate__(self, state: Any) -> None:
        """Ignores byte order and flags: one byte has none."""


class _Array:
    """Stands in for numpy.ndarray, so that no C code of NumPy sees what a file made up."""

    values: npt.NDArray[np.uint8] | None = None

    def __init__(self, *arguments: Any) -> None:
        """Takes what numpy.core.multiarray._reconstruct would; the state says it again."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran_order, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes) or fortran_order:
            raise pickle.UnpicklingError("an array that is not plain unsigned bytes")
        self.values = np.frombuffer(raw, np.uint8).reshape(shape)


class _BatchUnpickler(pickle.Unpickler):
    """Knows the three globals of a NumPy array, and gives stand-ins of ours for them.

    A pickle is a program: what it may import is what it may run.
    """

    def find_class(self, module: str, name: str, /) -> Any:
        known: dict[tuple[str, str], type] = {
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
        }
        try:
            return known[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"a pickle with the global {module}.{name}, which is not run; a batch needs "
                "NumPy arrays only"
            ) from None


def _check_opcodes(content: bytes) -> None:
    """Refuses what no batch contains, e.g. a memo index that would take gigabytes."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in OPCODES:
            raise pickle.UnpicklingError(f"a pickle with the opcode {opcode.name}")
        if opcode.name == "LONG_BINPUT" and (argument or 0) > MAX_MEMO:
            raise pickle.UnpicklingError(f"a pickle with the memo index {argument}")


def parse(content: bytes, name: str, *, max_items: int = 10_000) -> tuple[Images, Labels]:
    """Returns the images and labels of one batch.

    Args:
        content: The whole unpacked file.
        name: What to call the file in errors.
        max_items: The largest number of images.

    Returns:
        uint8 images (n, 32, 32, 3) and int32 labels (n,), values 0..9.

    Raises:
        ValueError: If this is no such batch, or its pickle asks for anything
            but NumPy arrays.
    """
    try:
        _check_opcodes(content)
        batch = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(
            f"{name} must be a CIFAR-10 python batch. Received: {error or 'a truncated file'}. "
            "Copy or download it again."
        ) from error
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        # What a damaged or hostile pickle makes the unpickler itself stumble over.
        raise ValueError(
            f"{name} must be a CIFAR-10 python batch. Received: a damaged pickle ({error}). "
            "Copy or download it again."
        ) from error
    if not isinstance(batch, dict):
        raise ValueError(
            f"{name} must be a pickled dict with `data` and `labels`. "
            f"Received: {type(batch).__name__}"
        )
    array = batch.get(b"data", batch.get("data"))
    data = array.values if isinstance(array, _Array) else array
    images = _images(data, name, max_items)
    return images, _labels(batch.get(b"labels", batch.get("labels")), name, len(images))


def _images(data: Any, name: str, max_items: int) -> Images:
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.ndim != 2
        or data.shape[1] != PIXELS
        or not 0 < len(data) <= max_items
    ):
        received = (
            f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        )
        raise ValueError(
            f"{name}: `data` must be a uint8 array (n, {PIXELS}) with n from 1 to {max_items}. "
            f"Received: {received}"
        )
    planes = data.reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def _labels(labels: Any, name: str, count: int) -> Labels:
    if not isinstance(labels, list) or len(labels) != count:
        received = f"{len(labels)} labels" if isinstance(labels, list) else type(labels).__name__
        raise ValueError(
            f"{name}: `labels` must be a list of {count} integers. Received: {received}"
        )
    for label in labels:
        if type(label) is not int or not 0 <= label <= 9:
            raise ValueError(f"{name}: labels must be integers 0..9. Received: {label!r}")
    return np.array(labels, np.int32)
