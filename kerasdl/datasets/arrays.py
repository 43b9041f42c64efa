"""A data set from arrays in memory, as they come out of a notebook."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Dataset, Examples, Images, content_sha256
from kerasdl.datasets.splits import stratified_order

TEST_SHARE = 0.2
"""The share of the examples that become the test part, where none is given."""


def from_arrays(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    test: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    seed: int = 0,
) -> Dataset:
    """Returns a data set of images and labels in memory.

    Args:
        images: (n, h, w) or (n, h, w, c) with 1 or 3 channels: integers 0..255, or floats of
            which all are 0..1, or all are whole numbers 0..255. Two or more examples.
        labels: (n,) or (n, 1) integers or texts, or (n, k) one-hot.
        test: Images and labels of the test part; None to draw a fifth of the examples, every
            class in proportion.
        class_names: One name per class in the order of the labels; None for the labels' own.
        name: What the data set is called.
        seed: Chooses the test images where `test` is None, >= 0.

    Raises:
        ValueError: If shapes, types or values are other than these.
    """
    train_images, train_names = _images(images, "images"), _labels(labels, "labels")
    parts = [(train_images, train_names)]
    if test is not None:
        parts.append((_images(test[0], "test images"), _labels(test[1], "test labels")))
    for (pixels, given), what in zip(parts, ("", "test "), strict=False):
        if len(pixels) != len(given) or not len(pixels):
            raise ValueError(
                f"expected one label for each of the {what}images. Received: {len(pixels)} images "
                f"and {len(given)} labels"
            )
        if pixels.shape[1:] != train_images.shape[1:]:
            raise ValueError(
                f"test images must have the training images' shape {train_images.shape[1:]}. "
                f"Received: {pixels.shape[1:]}"
            )
    values = sorted(set(train_names.tolist()))
    known = _class_names(values, class_names)
    numbers = {value: number for number, value in enumerate(values)}
    examples = []
    for pixels, given in parts:
        unknown = sorted(set(given.tolist()) - set(values))
        if unknown:
            raise ValueError(
                f"every class of the test part must be in the training part. Received: {unknown}"
            )
        found = np.array([numbers[value] for value in given.tolist()], np.int32)
        examples.append(Examples(pixels, found))
    notes: tuple[str, ...] = ()
    if test is None:
        examples, note = _divided(examples[0], seed)
        notes = (note,)
    train, held_out = examples
    return Dataset(
        name=name,
        title=name,
        train=train,
        test=held_out,
        class_names=known,
        source="arrays",
        verified=False,
        partial=None,
        sha256=content_sha256(train, held_out),
        notes=notes,
    )


def _divided(examples: Examples, seed: int) -> tuple[list[Examples], str]:
    counts = np.bincount(examples.labels)
    if counts.min() < 2:
        raise ValueError(
            "expected two or more images of each class, one to train on and one to test. "
            f"Received: {int(counts.min())} of class {int(counts.argmin())}; or give `test`"
        )
    order = stratified_order(examples.labels, seed)
    count = max(len(counts), round(TEST_SHARE * len(order)))
    chosen = [np.sort(order[count:]), np.sort(order[:count])]
    parts = [Examples(examples.images[index], examples.labels[index]) for index in chosen]
    note = f"No test part was given: {count} of {len(order)} images were drawn for it (seed {seed})"
    return parts, note


def _images(given: npt.ArrayLike, what: str) -> Images:
    array: npt.NDArray[Any] = np.asarray(given)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3):
        raise ValueError(
            f"{what} must be of the shape (n, h, w) or (n, h, w, c) with 1 or 3 channels. "
            f"Received: {np.shape(given)}"
        )
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf" or not array.size:
        raise ValueError(f"{what} must be numbers. Received: {array.dtype} {array.shape}")
    low, high = float(array.min()), float(array.max())
    whole = array.dtype.kind in "iu" or bool((array == np.rint(array)).all())
    if whole and high <= 1 and low >= 0:
        raise ValueError(
            f"{what} with nothing but 0 and 1 may be 0..1 or 0..255. Received: {array.dtype}; give "
            "them as bool, or as uint8 0..255"
        )
    if whole and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        scaled: Images = np.rint(array * 255).astype(np.uint8)
        return scaled
    raise ValueError(
        f"{what} must be 0..255, or floats 0..1. Received: {array.dtype} from {low:g} to {high:g}; "
        "undo what standardised them: networks have their scaling inside"
    )


def _labels(given: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.asarray(given)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise ValueError(f"{what} of two dimensions must be one-hot. Received: {array.shape}")
        classes: npt.NDArray[Any] = np.argmax(array, axis=1)
        return classes
    if array.ndim == 1 and array.dtype.kind == "f" and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.ndim == 1 and array.dtype.kind == "O" and all(isinstance(v, str) for v in array):
        array = array.astype(str)
    if array.ndim != 1 or array.dtype.kind not in "iuUb":
        raise ValueError(
            f"{what} must be integers, texts or one-hot rows. Received: {array.dtype} {array.shape}"
        )
    return array


def _class_names(values: Sequence[Any], given: Sequence[str] | None) -> tuple[str, ...]:
    if len(values) < 2:
        raise ValueError(f"expected two or more classes. Received: {len(values)}")
    if given is None:
        return tuple(str(value) for value in values)
    if len(given) != len(values) or len(set(given)) != len(given):
        raise ValueError(
            f"expected {len(values)} different class names, in the order of the labels. "
            f"Received: {list(given)}"
        )
    return tuple(map(str, given))
