"""Arrays in memory as a data set: what is taken, what is refused, and what the parts are."""

import numpy as np
import pytest

from kerasdl.datasets.arrays import from_arrays

PIXELS = np.arange(40 * 4 * 4).reshape(40, 4, 4) % 256
LABELS = np.tile([3, 1, 7, 1], 10)


def parts(dataset):
    images = np.concatenate([dataset.train.images, dataset.test.images])
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    order = np.lexsort(images.reshape(len(images), -1).T)
    return images[order], labels[order]


@pytest.mark.parametrize(
    "images",
    [
        PIXELS.astype(np.uint8),
        PIXELS,
        PIXELS.astype(np.float64),
        PIXELS[..., None].astype(np.float32),
        (PIXELS / 255).astype(np.float32),
        PIXELS.astype(np.uint8).tolist(),
    ],
    ids=["uint8", "int64", "whole floats", "channel", "0..1", "lists"],
)
def test_pixels_of_any_kind_are_the_same_images(images):
    expected = parts(from_arrays(PIXELS.astype(np.uint8), LABELS))
    found = parts(from_arrays(images, LABELS))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS, ("1", "3", "7")),
        (LABELS[:, None].astype(float), ("1", "3", "7")),
        (np.array(["b", "a", "c", "a"] * 10), ("a", "b", "c")),
        (np.array(["b", "a", "c", "a"] * 10, object), ("a", "b", "c")),
        (np.eye(3)[np.tile([1, 0, 2, 0], 10)], ("0", "1", "2")),
    ],
    ids=["integers", "column", "texts", "objects", "one-hot"],
)
def test_labels_of_any_kind_are_classes(labels, names):
    dataset = from_arrays(PIXELS, labels)
    assert dataset.class_names == names
    _, found = parts(dataset)
    assert np.bincount(found).tolist() == [20, 10, 10]


def test_a_fifth_is_drawn_for_the_test_and_it_is_said():
    dataset = from_arrays(PIXELS, LABELS, seed=3)
    assert (len(dataset.train), len(dataset.test)) == (32, 8)
    assert np.bincount(dataset.test.labels).tolist() == [4, 2, 2]
    assert "8 of 40" in dataset.notes[0]
    assert dataset.sha256 == from_arrays(PIXELS, LABELS, seed=3).sha256
    assert dataset.sha256 != from_arrays(PIXELS, LABELS, seed=4).sha256


def test_a_given_test_part_is_taken_as_it_is():
    test = PIXELS[:4], LABELS[:4]
    dataset = from_arrays(PIXELS, LABELS, test=test, class_names=["one", "three", "seven"])
    assert dataset.class_names == ("one", "three", "seven")
    assert dataset.test.labels.tolist() == [1, 0, 2, 0]
    assert not dataset.notes


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (PIXELS[0], LABELS, {}, "shape"),
        (np.zeros((40, 4, 4, 4)), LABELS, {}, "1 or 3 channels"),
        (PIXELS - 128, LABELS, {}, "from -128"),
        ((PIXELS - 90.5) / 70, LABELS, {}, "standardised"),
        (PIXELS % 2, LABELS, {}, "0..1 or 0..255"),
        (PIXELS.astype(str), LABELS, {}, "numbers"),
        (PIXELS, LABELS[:-1], {}, "40 images and 39"),
        (PIXELS, LABELS / 2, {}, "integers, texts or one-hot"),
        (PIXELS, np.ones((40, 3)), {}, "one-hot"),
        (PIXELS, np.zeros(40, int), {}, "two or more classes"),
        (PIXELS, np.arange(40) == 0, {}, "two or more images of each class"),
        (PIXELS, LABELS, {"class_names": ["a", "b"]}, "3 different class names"),
        (PIXELS, LABELS, {"test": (PIXELS[:, :3], LABELS)}, "training images' shape"),
        (PIXELS, LABELS, {"test": (PIXELS, LABELS + 1)}, "in the training part"),
        (np.full((40, 4, 4), np.nan), LABELS, {}, "nan"),
    ],
)
def test_what_cannot_be_right_is_refused(images, labels, options, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(images, labels, **options)
