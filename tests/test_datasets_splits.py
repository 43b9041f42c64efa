import dataclasses

import numpy as np
import pytest

from kerasdl.datasets.dataset import Dataset, Examples, content_sha256
from kerasdl.datasets.splits import split, stratified_order


def dataset(labels, num_test=7, **fields):
    """A data set whose images carry their own index, so that they can be recognised."""

    def part(labels, first):
        images = np.zeros((len(labels), 2, 2, 1), np.uint8)
        images.reshape(len(labels), 4).view("<u4")[:, 0] = np.arange(len(labels)) + first
        return Examples(images, np.asarray(labels, np.int32))

    train, test = part(labels, 0), part(labels[:num_test], 10**6)
    names = tuple(str(label) for label in range(max(labels) + 1))
    data = Dataset("d", "D", train, test, names, "local", False, None, content_sha256(train, test))
    return dataclasses.replace(data, **fields)


def ids(examples):
    return examples.images.reshape(len(examples), 4).view("<u4")[:, 0]


UNEVEN = dataset([0] * 600 + [1] * 300 + [2] * 90 + [3] * 10)


def test_parts_are_disjoint_whole_and_stratified():
    splits = split(UNEVEN, validation_fraction=0.1, seed=3)
    train, validation = ids(splits.train), ids(splits.validation)
    assert len(validation) == 100
    assert sorted([*train, *validation]) == list(range(1000))
    assert np.bincount(splits.validation.labels).tolist() == [60, 30, 9, 1]
    assert splits.test is UNEVEN.test
    for part in (splits.train, splits.validation):
        np.testing.assert_array_equal(part.labels, UNEVEN.train.labels[ids(part)])
        assert (np.diff(ids(part).astype(int)) > 0).all()


def test_the_seed_decides_and_nothing_else():
    first = split(UNEVEN, validation_fraction=0.1, train_size=50, seed=3)
    again = split(UNEVEN, validation_fraction=0.1, train_size=50, seed=3)
    other = split(UNEVEN, validation_fraction=0.1, train_size=50, seed=4)
    np.testing.assert_array_equal(ids(first.train), ids(again.train))
    assert set(ids(first.train)) != set(ids(other.train))
    assert set(ids(first.validation)) != set(ids(other.validation))


def test_the_split_is_the_same_on_every_machine():
    # Known once; Philox's raw stream is guaranteed not to change.
    order = stratified_order(np.arange(20, dtype=np.int32) % 3, 7)
    assert order.tolist() == [15, 13, 8, 12, 4, 14, 3, 1, 2, 6, 19, 17, 0, 10, 5, 18, 16, 11, 9, 7]


def test_validation_is_the_same_for_every_portion_and_portions_are_nested():
    small = split(UNEVEN, validation_fraction=0.2, train_size=40, seed=0)
    large = split(UNEVEN, validation_fraction=0.2, train_fraction=0.5, seed=0)
    np.testing.assert_array_equal(ids(small.validation), ids(large.validation))
    assert len(small.train) == 40
    assert len(large.train) == 400
    assert set(ids(small.train)) < set(ids(large.train))
    assert np.bincount(large.train.labels).tolist() == pytest.approx([240, 120, 36, 4], abs=1)


def test_a_portion_has_at_least_one_example_of_each_class():
    splits = split(UNEVEN, validation_fraction=0.0, train_size=4, seed=0)
    assert sorted(splits.train.labels) == [0, 1, 2, 3]


def test_without_validation_and_portion_nothing_is_copied():
    splits = split(UNEVEN, validation_fraction=0.0, seed=0)
    assert splits.train is UNEVEN.train
    assert len(splits.validation) == 0


def test_a_publishers_validation_part_is_kept():
    own = Examples(np.full((3, 2, 2, 1), 9, np.uint8), np.zeros(3, np.int32))
    data = dataset([0] * 50 + [1] * 50, validation=own)
    splits = split(data, validation_fraction=0.1, seed=0)
    assert splits.validation is own
    assert len(splits.train) == 100
    assert len(split(data, validation_fraction=0, seed=0).validation) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_fraction": 1.0}, r"below 1, e\.g\. 0\.1\. Received: 1\.0"),
        ({"validation_fraction": -0.1}, r"Received: -0\.1"),
        ({"validation_fraction": float("nan")}, "Received: nan"),
        ({"train_size": 0}, "positive integer. Received: 0"),
        ({"train_size": 3}, r"4 \(one of each class\) to 900.*Received: 3"),
        ({"train_size": 901}, r"to 900.*Received: 901"),
        ({"train_fraction": 0.0}, "above 0 and at most 1. Received: 0.0"),
        ({"train_fraction": 1.5}, "Received: 1.5"),
        ({"train_fraction": 0.001}, "train_fraction must select.*Received: 0.001"),
        ({"train_size": 10, "train_fraction": 0.1}, "not both"),
        ({"seed": -1}, "nonnegative integer. Received: -1"),
    ],
)
def test_impossible_values_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        split(UNEVEN, **{"validation_fraction": 0.1, "seed": 0, **arguments})


def test_validation_must_leave_something_to_train_on():
    with pytest.raises(ValueError, match="must leave examples to train on"):
        split(dataset([0, 1]), validation_fraction=0.9, seed=0)
