"""Reading arrays of an HDF5 file that anyone may have written.

HDF5 can point outside itself: datasets in other files, links to other files, datasets that are put
together of others; a dataset of a few bytes may declare any shape, and a compressed one may unpack
to more than its shape. None of it is followed, allocated or unpacked here: the file is walked
first, and an array is read only where its shape is one that was asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

MAX_OBJECTS = 50_000
MAX_DEPTH = 20
# Of one attribute: names of layers or weights; HDF5 itself ends at 64 KiB unless told otherwise.
MAX_ATTRIBUTE_BYTES = 1 << 20
# A small array may lie in a chunk larger than itself.
SMALL_BYTES = 1 << 20


class File:
    """The datasets of an HDF5 file, none of them read yet.

    Args:
        root: the open file.
        path: its name for messages.
    """

    def __init__(self, root: h5py.File, path: Path) -> None:
        self.path = path
        self.root = root
        self.datasets: dict[str, Any] = {}
        self.groups: dict[str, Any] = {"": root}
        self._seen: set[bytes] = set()
        self._walk(root, "", 0)

    def _walk(self, group: Any, prefix: str, depth: int) -> None:
        # One object under two names is how a file of a few bytes gets endless.
        identity = bytes(h5py.h5o.get_info(group.id).addr.to_bytes(8, "little"))
        if identity in self._seen or depth > MAX_DEPTH:
            raise self.error(f"{prefix or '/'} leads back into the file, or too deep")
        self._seen.add(identity)
        for name in group:
            path = f"{prefix}{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise self.error(f"{path} is a link to elsewhere ({type(link).__name__})")
            if len(self.datasets) + len(self.groups) >= MAX_OBJECTS:
                raise self.error(f"more than {MAX_OBJECTS:,} groups and datasets")
            found = group[name]
            if isinstance(found, h5py.Group):
                self.groups[path] = found
                self._walk(found, f"{path}/", depth + 1)
            elif isinstance(found, h5py.Dataset):
                self._check_storage(found, path)
                self.datasets[path] = found
            else:
                raise self.error(f"{path} is a {type(found).__name__}")

    def _check_storage(self, dataset: Any, path: str) -> None:
        if dataset.external:
            raise self.error(f"the values of {path} are in another file")
        if dataset.is_virtual:
            raise self.error(f"{path} is put together of other datasets")
        # What a filter makes of a chunk has the size that the chunk says, not the dataset.
        if dataset.id.get_create_plist().get_nfilters():
            raise self.error(f"{path} is compressed or filtered, which Keras's files never are")

    def read(self, path: str, shape: Sequence[int]) -> NDArray[np.float32]:
        """Returns one array of finite floats.

        Args:
            path: A key of `datasets`.
            shape: The shape that it must have.

        Raises:
            ValueError: If it has another shape or type, or values that are not finite.
        """
        dataset = self.datasets[path]
        if dataset.shape != tuple(shape):
            raise self.error(f"{path} has shape {dataset.shape}, expected {tuple(shape)}")
        if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
            raise self.error(f"{path} has type {dataset.dtype}, expected floats")
        size = prod(dataset.shape) * dataset.dtype.itemsize
        chunk = prod(dataset.chunks) * dataset.dtype.itemsize if dataset.chunks else 0
        if chunk > max(size, SMALL_BYTES):
            raise self.error(f"{path} of {size:,} bytes lies in chunks of {chunk:,}")
        if size and not dataset.id.get_storage_size():
            raise self.error(f"{path} has a shape but no values")
        try:
            values = np.asarray(dataset[()], dtype=np.float32)
        except (OSError, RuntimeError, ValueError) as error:
            raise self.error(f"{path} cannot be read: {_first_line(error)}") from None
        if not np.isfinite(values).all():
            raise self.error(f"{path} has values that are not finite numbers")
        return values

    def names(self, group: str, attribute: str) -> list[str] | None:
        """Returns a list of names that Keras's older format keeps in attributes.

        Args:
            group: A key of `groups`.
            attribute: The attribute; a long list is in several, numbered from 0.

        Returns:
            The names, or None where there is no such attribute.

        Raises:
            ValueError: If it is too large, or no list of texts.
        """
        attributes = self.groups[group].attrs
        keys = [attribute] if attribute in attributes else []
        while not keys or keys[-1] != attribute:
            if f"{attribute}{len(keys)}" not in attributes:
                break
            keys.append(f"{attribute}{len(keys)}")
        if not keys:
            return None
        found: list[str] = []
        for key in keys:
            kind = attributes.get_id(key)
            size = prod(kind.shape) * kind.dtype.itemsize
            if len(kind.shape) > 1 or size > MAX_ATTRIBUTE_BYTES:
                raise self.error(f"the attribute {key} of /{group} is no list of names")
            values = np.atleast_1d(attributes[key]).tolist()
            if not all(isinstance(value, bytes | str) for value in values):
                raise self.error(f"the attribute {key} of /{group} is no list of names")
            found += [
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                for value in values
            ]
            if len(found) > MAX_OBJECTS:
                raise self.error(f"the attributes {attribute} of /{group} list too many names")
        return found

    def error(self, reason: str) -> ValueError:
        """Returns the error to raise where the file is not what it should be."""
        # Names in the file are part of it, and may hold what a terminal would obey.
        shown = "".join(letter if letter.isprintable() else "?" for letter in reason)
        return ValueError(f"{self.path} is not read: {shown}")


@contextmanager
def opened(path: Path, stream: IO[bytes] | None = None) -> Iterator[File]:
    """Opens an HDF5 file and walks it.

    Args:
        path: The file, or what to call it in messages.
        stream: Its content, where it is inside another file.

    Yields:
        Its datasets.

    Raises:
        ValueError: If it is no HDF5 file, is cut off, or points outside itself.
    """
    try:
        root = h5py.File(stream or path, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no HDF5 file that can be read: {_first_line(error)}") from None
    with root:
        try:
            yield File(root, path)
        # h5py answers damage with whatever the part that stumbles over it raises.
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ValueError) and str(path) in str(error):
                raise
            raise ValueError(f"{path} is damaged: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip("'\" \n") or type(error).__name__).splitlines()[0]
