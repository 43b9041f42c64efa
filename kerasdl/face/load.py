"""Data sets for notebooks and programs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasdl.datasets.dataset import Dataset


def load(
    data: Any,
    labels: Any = None,
    *,
    test: tuple[Any, Any] | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> "Dataset":
    """Returns a data set: by name, from a folder of images, or from arrays.

    >>> import kerasdl as kd
    >>> data = kd.load("synthetic_gray")
    >>> data.image_shape, data.num_classes
    ((28, 28, 1), 10)
    >>> import numpy as np
    >>> images = np.zeros((40, 12, 12), np.uint8)
    >>> kd.load(images, ["cat", "dog"] * 20).class_names
    ('cat', 'dog')

    Args:
        data: A name (svhn, mnist, fashion_mnist, cifar10, gurmukhi, synthetic,
            synthetic_gray), the path of a folder with one folder of images per class, a
            `Dataset`, images (n, h, w) or (n, h, w, c) 0..255, or the pair (images, labels).
        labels: The labels of images, (n,) integers or texts, or one-hot.
        test: Images and labels of the test part of arrays; None to draw a fifth of them.
        class_names: Names of the classes of arrays; None for the labels' own.
        name: What arrays are called.
        data_dir: The folder with the known data sets' files; None for KERASDL_DATA or a download.
        seed: Chooses the test images where there is no test part, >= 0.
        quiet: Whether nothing is said of where the images come from.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is not what it should be.
    """
    from kerasdl.datasets.dataset import Dataset

    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | Path):
        if labels is not None or test is not None:
            raise ValueError(
                f"labels and test belong to arrays. Received: them, with {str(data)!r}"
            )
        from kerasdl.datasets import load as door
        from kerasdl.terminal import Console

        console = Console(quiet=quiet)
        return door.load(
            os.fspath(data),
            data_dir=data_dir,
            seed=seed,
            notify=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
            console=console,
        )
    from kerasdl.datasets.arrays import from_arrays

    if labels is None:
        if not isinstance(data, tuple) or len(data) != 2:
            raise ValueError(
                "expected a name, a folder, a Dataset, or images with their labels: "
                f"load(images, labels) or load((images, labels)). Received: {type(data).__name__}"
            )
        data, labels = data
    return from_arrays(data, labels, test=test, class_names=class_names, name=name, seed=seed)
