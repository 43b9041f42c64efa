"""What a data set is in kerasdl: images and labels in memory, with their origin."""

import dataclasses
import hashlib
import importlib
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]
ALIGNMENT = 64
"""Bytes; what TensorFlow and XLA ask of memory that they take over (Eigen's largest vector)."""
Source = Literal["local", "store", "tfds", "folder", "arrays", "synthetic"]


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images with their labels.

    Args:
        images: uint8 array (n, h, w, c), values 0..255.
        labels: int32 array (n,), values 0..num_classes - 1.

    Raises:
        ValueError: If shapes or dtypes are other than these.
    """

    images: Images
    labels: Labels

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(
                "images must be a uint8 array of shape (n, h, w, c). "
                f"Received: {self.images.dtype} {self.images.shape}"
            )
        _check_labels(self.labels, len(self.images))

    def __len__(self) -> int:
        return len(self.images)


@dataclasses.dataclass(frozen=True)
class Features(Examples):
    """Examples whose images are what a frozen network made of them.

    Args:
        images: float array (views × n, d): the first view of every example, then the next.
        labels: int32 array (views × n,), the labels of the n examples once for each view.
        views: How often each example is in `images`, e.g. augmented differently; >= 1.

    Raises:
        ValueError: If shapes or dtypes are other than these.
    """

    images: npt.NDArray[Any]
    labels: Labels
    views: int = 1

    def __post_init__(self) -> None:
        # bfloat16 is not one of NumPy's own types, which have a kind "f".
        is_float = self.images.dtype.name in ("float32", "float16", "bfloat16")
        if not is_float or self.images.ndim != 2:
            raise ValueError(
                "features must be a float array of shape (n, d). "
                f"Received: {self.images.dtype} {self.images.shape}"
            )
        _check_labels(self.labels, len(self.images))
        if self.views < 1 or len(self.images) % self.views:
            raise ValueError(
                f"expected {self.views} views of each example. Received: {len(self.images)} rows"
            )

    def __len__(self) -> int:
        return len(self.images) // self.views


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set with its official train and test parts and where it came from.

    Args:
        name: The catalog's name ("svhn") or the folder's own name.
        title: The name for people, e.g. "SVHN (cropped digits)".
        train: The training part.
        test: The test part, disjoint from `train`.
        class_names: One name per label, in the order of the labels.
        source: Where it was read: "local" (a folder of official files),
            "store" (prepared before), "tfds", "folder" (a person's own images), "arrays"
            (in memory)
            or "synthetic" (rendered, not photographs).
        verified: True when the content has the publisher's checksums.
        partial: None for the whole set, else e.g. "4434 of 73257" (train).
        sha256: SHA-256 of all images and labels (see `content_sha256`), 64
            hexadecimal digits.
        validation: The publisher's own validation part, where an image folder
            has one beside train and test; `split` then uses it as it is.
        partial_test: Like `partial`, of the test part.
        notes: Sentences a reader of the results should know, e.g. where the
            test part comes from.
    """

    name: str
    title: str
    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    source: Source
    verified: bool
    partial: str | None
    sha256: str
    validation: Examples | None = None
    partial_test: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def synthetic(self) -> bool:
        """Whether the pixels are rendered rather than photographed."""
        return self.source == "synthetic"

    @property
    def label(self) -> str:
        """One line for banners, tables and figures, e.g. "SVHN, partial: 4434 of 73257"."""
        parts = [self.title]
        if self.synthetic:
            parts.append("SYNTHETIC images, not real data")
        if self.partial:
            parts.append(f"partial: {self.partial}")
        if self.partial_test:
            parts.append(f"test partial: {self.partial_test}")
        return ", ".join(parts)

    def look(self, **augmentation: Any) -> Any:
        """Returns what is in it, what is wrong with it, and samples: see `kerasdl.look`.

        Args:
            **augmentation: Fields of the training whose augmentation the samples show.
        """
        # By its name: the face stands above all rooms.
        return importlib.import_module("kerasdl.face.look").look(self, **augmentation)


@dataclasses.dataclass(frozen=True)
class Splits:
    """Disjoint training, validation and test examples of one data set.

    Args:
        train: What the weights are fitted on.
        validation: What choices are made on; may be empty (0 examples).
        test: What is scored once, at the end.
    """

    train: Examples
    validation: Examples
    test: Examples


def _check_labels(labels: Labels, count: int) -> None:
    if labels.dtype != np.int32 or labels.shape != (count,):
        raise ValueError(
            f"labels must be an int32 array of shape ({count},). "
            f"Received: {labels.dtype} {labels.shape}"
        )


def aligned_empty(shape: tuple[int, ...]) -> Images:
    """Returns an uninitialised uint8 array whose memory a tensor library can share.

    Args:
        shape: The shape.

    Returns:
        uint8 array in C order; its first byte is at a multiple of ALIGNMENT.
    """
    memory = np.empty(math.prod(shape) + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + math.prod(shape)].reshape(shape)


def content_sha256(*parts: Examples | None) -> str:
    """Returns one SHA-256 of the images and labels of several parts.

    The shape, the pixels in C order and the labels as little-endian int32
    enter, in the order given; so the same content in another file format has
    the same checksum, and another order of the examples has another one.

    Args:
        parts: Training, test and (or None) validation examples.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            continue
        digest.update(repr(part.images.shape).encode())
        digest.update(np.ascontiguousarray(part.images).data)
        digest.update(np.ascontiguousarray(part.labels, dtype="<i4").data)
    return digest.hexdigest()
