"""The real data sets, where KERASDL_DATA names their folder; skipped elsewhere."""

import numpy as np
import pytest

from kerasdl.datasets import store
from kerasdl.datasets.duplicates import find_duplicates
from kerasdl.datasets.load import load
from kerasdl.datasets.splits import split


@pytest.fixture(autouse=True)
def keep_nothing(monkeypatch):
    """A busy machine would else find CIFAR-10 slow and keep copies of it."""
    monkeypatch.setattr(store, "SLOW_SECONDS", 1e9)


@pytest.mark.parametrize(
    ("name", "shape", "counts", "first_labels", "smallest", "largest"),
    [
        ("mnist", (28, 28, 1), (60_000, 10_000), [5, 0, 4, 1, 9], 5421, 6742),
        ("fashion_mnist", (28, 28, 1), (60_000, 10_000), [9, 0, 0, 3, 0], 6000, 6000),
        ("cifar10", (32, 32, 3), (50_000, 10_000), [6, 9, 9, 4, 1], 5000, 5000),
        ("gurmukhi", (32, 32, 1), (1000, 178), [0, 0, 0, 0, 0], 100, 100),
    ],
)
def test_whole_sets_verify(real_data, name, shape, counts, first_labels, smallest, largest):
    data = load(name, data_dir=real_data)
    assert data.verified
    assert data.partial is data.partial_test is None
    assert data.image_shape == shape
    assert (len(data.train), len(data.test)) == counts
    assert data.train.labels[:5].tolist() == first_labels
    classes = np.bincount(data.train.labels, minlength=10)
    assert (classes.min(), classes.max()) == (smallest, largest)


def test_fashion_is_not_taken_for_mnist(real_data, tmp_path):
    from pathlib import Path

    (tmp_path / "mnist").symlink_to(Path(real_data) / "fashion_mnist")
    with pytest.raises(ValueError, match="Received: the file of Fashion-MNIST"):
        load("mnist", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError):
        load("mnist", data_dir=Path(real_data) / "fashion_mnist")


def test_svhn_is_labelled_as_the_part_it_is(real_data):
    data = load("svhn", data_dir=real_data)
    assert len(data.train) == 73_257 or data.partial == f"{len(data.train)} of 73257"
    assert (data.partial is None) or f"partial: {data.partial}" in data.label
    # The first crops of the official order show 1, 9, 2, 3, 2, 5, 9, 3, 3, 1.
    assert data.train.labels[:10].tolist() == [1, 9, 2, 3, 2, 5, 9, 3, 3, 1]
    # The label 10 of the fourth test crop is the digit 0.
    assert data.test.labels[:4].tolist() == [5, 2, 1, 0]
    classes = np.bincount(data.train.labels, minlength=10)
    assert classes.argmax() == 1
    assert classes.min() > 0


def test_gurmukhis_known_duplicates_are_found_and_said(real_data):
    data = load("gurmukhi", data_dir=real_data)
    found = find_duplicates(data)
    assert (found.train, found.between) == (0, 4)
    assert "4 of 178 test images are training images, too." in data.notes
    # Two more test images repeat only each other or another test image.
    train = {image.tobytes() for image in data.train.images}
    seen = set()
    repeated = 0
    for image in data.test.images:
        key = image.tobytes()
        repeated += key in seen and key not in train
        seen.add(key)
    assert repeated == 2


def test_cifar10_splits_are_balanced(real_data):
    splits = split(load("cifar10", data_dir=real_data), validation_fraction=0.1, seed=0)
    assert np.bincount(splits.validation.labels).tolist() == [500] * 10
    assert np.bincount(splits.train.labels).tolist() == [4500] * 10
