"""Binary classification tasks for the theory: two classes of an image set, and a table."""

import dataclasses

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Dataset, Examples, Splits

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Task:
    """A task with two classes, in three disjoint parts.

    Args:
        name: "images" or "table", for files.
        title: The name for people, e.g. "MNIST, 3 against 8".
        train: Features (n, d) and labels (n,), float64; labels are 0.0 or 1.0.
        validation: The same for the examples that choices are made on.
        test: The same for the examples that are scored once.
    """

    name: str
    title: str
    train: tuple[Floats, Floats]
    validation: tuple[Floats, Floats]
    test: tuple[Floats, Floats]


def of_images(dataset: Dataset, splits: Splits, *, seed: int = 0) -> Task:
    """Makes the task to tell two classes of images apart; pixels are scaled to 0..1.

    Args:
        dataset: Images of two classes; the second one has the label 1.
        splits: Their parts.
        seed: Of the order of the examples.

    Returns:
        The task; its features are the pixels, row by row.

    Raises:
        ValueError: If there are not two classes, or a part lacks one of them.
    """
    if dataset.num_classes != 2:
        raise ValueError(
            "expected two classes to tell apart, e.g. --classes 3,8. "
            f"Received: {dataset.num_classes} classes of {dataset.title}"
        )
    parts = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    for name, part in parts.items():
        if len(np.unique(part.labels)) < 2:
            raise ValueError(
                f"expected {name} images of both classes. Received: {len(part)} images of "
                f"{len(np.unique(part.labels))} class"
            )
    generator = np.random.default_rng(seed)
    train, validation, test = (_pixels(part, generator) for part in parts.values())
    return Task("images", dataset.title, train, validation, test)


def breast_cancer(*, seed: int = 0) -> Task | None:
    """Makes the task to tell malignant from benign tumours by 30 measurements.

    The Wisconsin diagnostic set (Street, Wolberg and Mangasarian 1993, "Nuclear feature
    extraction for breast tumor diagnosis"), 569 rows, which scikit-learn ships. 60 % are to
    train, 20 % to validate and 20 % to test; each measurement is brought to mean 0 and
    deviation 1 by the training part. Label 1 is benign.

    Args:
        seed: Of the division.

    Returns:
        The task, or None where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_breast_cancer
    except ModuleNotFoundError:
        return None
    table = load_breast_cancer()
    features = np.asarray(table.data, np.float64)
    labels = np.asarray(table.target, np.float64)
    order = np.random.default_rng(seed).permutation(len(labels))
    tenths = len(labels) // 5
    test, validation, train = order[:tenths], order[tenths : 2 * tenths], order[2 * tenths :]
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    features = (features - mean) / deviation
    return Task(
        name="table",
        title="Wisconsin breast cancer",
        train=(features[train], labels[train]),
        validation=(features[validation], labels[validation]),
        test=(features[test], labels[test]),
    )


def principal_components(features: Floats, count: int) -> Floats:
    """Returns the first principal components, each brought to deviation 1.

    Args:
        features: float64 array (n, d).
        count: How many components, at most d.

    Returns:
        float64 array (n, count) with mean 0; a component without any spread is left at 0.
    """
    centred = features - features.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    found: Floats = centred @ directions[:, ::-1][:, :count]
    deviation = found.std(axis=0)
    return found / np.where(deviation > 1e-12, deviation, 1.0)


def _pixels(examples: Examples, generator: np.random.Generator) -> tuple[Floats, Floats]:
    # Folders of images come class by class, but parts of a task are taken from its front.
    order = generator.permutation(len(examples))
    pixels = examples.images[order].reshape(len(examples), -1) / 255.0
    return pixels, examples.labels[order].astype(np.float64)
