"""NumPy .npz files, read without pickle and without trusting declared sizes.

Used for the mnist.npz that Keras publishes (arrays x_train, y_train, x_test,
y_test) and for the store's own files. Format:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import contextlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def read_npz(
    path: str | os.PathLike[str], names: Sequence[str], limit: int
) -> dict[str, npt.NDArray[Any]]:
    """Reads arrays of a .npz file.

    Args:
        path: The file.
        names: The arrays to read; all must be there.
        limit: The largest unpacked size of one array in bytes.

    Returns:
        The arrays by name, read-only.

    Raises:
        ValueError: If this is no .npz file, it lacks an array, an array is
            larger than `limit`, damaged, or holds Python objects.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    with open(path, "rb") as file, _one_error(path), zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        for name in names:
            info = members.get(f"{name}.npy")
            if info is None:
                raise ValueError(
                    f"{path} must hold the arrays {', '.join(names)}. Received: "
                    f"{str(sorted(members)[:20])[:500]}"
                )
            if info.file_size > limit:
                raise ValueError(
                    f"{path}: the array {name} must have at most {limit} bytes. "
                    f"Received: {info.file_size}"
                )
            # zipfile stops at the declared size, whatever the data would unpack to.
            arrays[name] = _parse(archive.read(info), f"{path}: {name}")
    return arrays


@contextlib.contextmanager
def _one_error(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns whatever zipfile raises on a damaged or forged file into one ValueError."""
    try:
        yield
    # RuntimeError: encrypted. OSError: an offset before the beginning of the file.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
        OSError,
    ) as error:
        raise ValueError(
            f"{path} must be a .npz file. Received: {error}. Copy or download it again."
        ) from error


def _parse(content: bytes, name: str) -> npt.NDArray[Any]:
    """Returns the array in the bytes of a .npy file."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"version {version} of the .npy format")
    except ValueError as error:
        raise ValueError(f"{name} must be a NumPy array. Received: {error}") from error
    if dtype.hasobject:
        raise ValueError(
            f"{name} must be an array of numbers. Received: dtype {dtype}, Python objects, "
            "which are not read because unpickling them could run any code"
        )
    count = 1
    for length in shape:
        count *= length
    # NumPy would allocate what the header announces before it looks at the data.
    if count * dtype.itemsize != len(content) - file.tell():
        raise ValueError(
            f"{name} announces shape {shape} and {dtype}, {count * dtype.itemsize} bytes. "
            f"Received: {len(content) - file.tell()} bytes"
        )
    values = np.frombuffer(content, dtype, count=count, offset=file.tell())
    return values.reshape(shape, order="F" if fortran_order else "C")
