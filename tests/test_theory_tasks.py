"""Tasks: from images, from scikit-learn's table, and their principal components."""

import sys

import numpy as np
import pytest

from kerasdl.datasets.dataset import Dataset, Splits, content_sha256
from kerasdl.theory import tasks


def dataset_of(part, names=("a", "b")):
    sha256 = content_sha256(part)
    return Dataset("two", "Two", part, part, tuple(names), "folder", False, None, sha256)


def test_images_become_pixels_in_zero_to_one_in_another_order(examples):
    part = examples(n=40, shape=(6, 6, 1), num_classes=2)
    task = tasks.of_images(dataset_of(part), Splits(part, part, part))
    features, labels = task.train
    assert features.shape == (40, 36)
    assert features.dtype == labels.dtype == np.float64
    assert features.max() <= 1.0
    assert not np.array_equal(labels, part.labels)
    # The same pairs of image and label.
    key = np.argsort(features @ np.arange(36))
    pixels = part.images.reshape(40, -1) / 255.0
    other = np.argsort(pixels @ np.arange(36))
    np.testing.assert_array_equal(features[key], pixels[other])
    np.testing.assert_array_equal(labels[key], part.labels[other])


def test_more_than_two_classes_are_refused(examples):
    part = examples(n=30, num_classes=3)
    with pytest.raises(ValueError, match=r"--classes 3,8.*3 classes"):
        tasks.of_images(dataset_of(part, "abc"), Splits(part, part, part))


def test_a_part_without_one_of_the_classes_is_refused(examples):
    part = examples(n=30, num_classes=2)
    lone = type(part)(part.images[::2], part.labels[::2])
    with pytest.raises(ValueError, match="validation images of both classes"):
        tasks.of_images(dataset_of(part), Splits(part, lone, part))


def test_the_table_is_divided_and_scaled_by_its_training_part():
    pytest.importorskip("sklearn")
    task = tasks.breast_cancer()
    sizes = [len(labels) for _, labels in (task.train, task.validation, task.test)]
    assert sizes == [343, 113, 113]
    np.testing.assert_allclose(task.train[0].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(task.train[0].std(axis=0), 1.0)
    assert abs(task.test[0].mean()) > 1e-6
    rows = np.concatenate([part[0] for part in (task.train, task.validation, task.test)])
    assert len(np.unique(rows, axis=0)) == 569
    assert set(task.test[1]) == {0.0, 1.0}


def test_without_scikit_learn_there_is_no_table(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert tasks.breast_cancer() is None


def test_principal_components_are_those_of_the_singular_values():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(50, 5)) @ generator.normal(size=(5, 5))
    found = tasks.principal_components(features, 3)
    left, _, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    for i in range(3):
        assert abs(np.corrcoef(found[:, i], left[:, i])[0, 1]) == pytest.approx(1.0)
    np.testing.assert_allclose(found.std(axis=0), 1.0)


def test_a_component_without_spread_stays_zero():
    features = np.zeros((10, 3))
    features[:, 0] = np.arange(10)
    np.testing.assert_allclose(tasks.principal_components(features, 3)[:, 1:], 0.0, atol=1e-9)
