"""A data set restricted to some classes."""

import dataclasses

import numpy as np
import pytest

from kerasdl.datasets.classes import restrict
from kerasdl.datasets.dataset import Dataset, content_sha256


@pytest.fixture
def fruit(examples):
    train, test = examples(30, num_classes=3), examples(12, num_classes=3, seed=1)
    return Dataset(
        name="fruit",
        title="Fruit",
        train=train,
        test=test,
        class_names=("apple", "pear", "0"),
        source="folder",
        verified=False,
        partial=None,
        sha256=content_sha256(train, test, None),
    )


def test_labels_follow_the_given_order(fruit):
    found = restrict(fruit, ["pear", "apple"])
    assert found.class_names == ("pear", "apple")
    for part, whole in ((found.train, fruit.train), (found.test, fruit.test)):
        pears = whole.images[whole.labels == 1]
        np.testing.assert_array_equal(part.images[part.labels == 0], pears)
        assert set(part.labels.tolist()) == {0, 1}
        assert part.labels.dtype == np.int32
    assert found.sha256 != fruit.sha256
    assert "pear, apple" in found.title
    assert found.notes


def test_a_name_goes_before_a_number(fruit):
    assert restrict(fruit, ["0", "1"]).class_names == ("0", "pear")


@pytest.mark.parametrize("classes", [["apple"], ["apple", "apple"], ["apple", "0", "2"]])
def test_two_different_classes_at_least(fruit, classes):
    with pytest.raises(ValueError, match="two or more different"):
        restrict(fruit, classes)


@pytest.mark.parametrize("name", ["plum", "3", "-1", "1.0", "²"])
def test_an_unknown_class_is_answered_with_the_classes(fruit, name):
    with pytest.raises(ValueError, match=r"0 \(apple\), 1 \(pear\)"):
        restrict(fruit, ["apple", name])


def test_a_class_without_test_images_is_refused(fruit):
    test = fruit.test
    few = dataclasses.replace(
        fruit, test=type(test)(test.images[test.labels != 1], test.labels[test.labels != 1])
    )
    with pytest.raises(ValueError, match="'pear' has no test images"):
        restrict(few, ["apple", "pear"])
