import hashlib
import time

import numpy as np
import pytest

from kerasdl.datasets.load import load
from kerasdl.datasets.synthetic import TEST_PART, TRAIN_PART, render
from kerasdl.datasets.synthetic_glyphs import glyphs

COLOUR, GRAY = (32, 32, 3), (28, 28, 1)


@pytest.mark.parametrize("shape", [COLOUR, GRAY, (32, 32, 1), (28, 28, 3)])
def test_shapes_and_labels(shape):
    examples = render(300, seed=0, part=TRAIN_PART, image_shape=shape)
    assert examples.images.shape == (300, *shape)
    assert set(examples.labels) == set(range(10))


def test_the_same_seed_gives_the_same_images_and_more_only_adds():
    few = render(10, seed=5, part=TRAIN_PART, image_shape=COLOUR)
    many = render(600, seed=5, part=TRAIN_PART, image_shape=COLOUR)
    np.testing.assert_array_equal(many.images[:10], few.images)
    np.testing.assert_array_equal(many.labels[:10], few.labels)


def test_train_test_and_other_seeds_differ():
    parts = [
        render(256, seed=seed, part=part, image_shape=COLOUR)
        for seed, part in ((0, TRAIN_PART), (0, TEST_PART), (1, TRAIN_PART))
    ]
    assert len({part.images.tobytes() for part in parts}) == 3
    assert len({part.labels.tobytes() for part in parts}) == 3
    assert len({image.tobytes() for part in parts for image in part.images}) == 3 * 256


def test_for_the_same_masks_every_byte_is_known():
    masks = hashlib.sha256(glyphs().masks.tobytes()).hexdigest()
    if masks != "7caf8e940815de471d0813675822bc67961bdc9d3207763440d09204b33c0811":
        pytest.skip("Pillow's FreeType draws the fonts a little differently here")
    digest = hashlib.sha256()
    for shape in (COLOUR, GRAY):
        examples = render(300, seed=0, part=TEST_PART, image_shape=shape)
        digest.update(examples.images.tobytes() + examples.labels.tobytes())
    assert digest.hexdigest() == "cc199f30b1ce310bf0797fa88451f841ed3147243ebcee7916f7731f01cb56e4"


def test_every_mask_shows_a_centred_digit():
    masks = glyphs().masks
    assert masks[..., [0, -1], :].max() == masks[..., [0, -1]].max() == 0
    sharp = masks[:, :, 0].astype(float)
    ink = sharp.sum((-2, -1)) / 255
    assert (ink > 80).all()
    assert (ink < 1100).all()
    columns = (sharp.sum(-2) * np.arange(64)).sum(-1) / sharp.sum((-2, -1))
    assert abs(columns - 31.5).max() < 5
    # No font lacks a digit: in a font, no two digits are nearly the same.
    for font in sharp:
        for digit in range(10):
            others = np.abs(np.delete(font, digit, 0) - font[digit]).sum((-2, -1)) / 255
            assert others.min() > 20


def test_the_digit_can_be_seen():
    """A nearest-centroid classifier on clean statistics is far above chance, far below perfect."""
    train = render(2000, seed=0, part=TRAIN_PART, image_shape=GRAY)
    test = render(500, seed=0, part=TEST_PART, image_shape=GRAY)

    def features(examples):
        pixels = examples.images[..., 0].astype(np.float32)
        pixels = pixels.reshape(len(pixels), 14, 2, 14, 2).mean((2, 4))
        # Light digits on dark and dark on light must count alike.
        edges = [np.abs(np.diff(pixels, axis=axis)).reshape(len(pixels), -1) for axis in (1, 2)]
        values = np.concatenate(edges, 1)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    known, asked = features(train), features(test)
    centroids = np.stack([known[train.labels == digit].mean(0) for digit in range(10)])
    accuracy = ((asked @ centroids.T).argmax(1) == test.labels).mean()
    assert 0.3 < accuracy < 0.95


def test_rendering_is_fast_enough_for_a_demonstration():
    glyphs()
    start = time.process_time()
    render(1024, seed=0, part=TRAIN_PART, image_shape=COLOUR)
    # Here about 0.25 s of one core; ten times as much is a mistake, not a slow machine.
    assert time.process_time() - start < 2.5


@pytest.mark.parametrize("shape", [(32, 28, 3), (4, 4, 1), (32, 32, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="square"):
        render(10, seed=0, part=TRAIN_PART, image_shape=shape)


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, -1)])
def test_impossible_numbers_are_refused(count, seed):
    with pytest.raises(ValueError, match="count must be at least 1"):
        render(count, seed=seed, part=TRAIN_PART, image_shape=COLOUR)


@pytest.mark.parametrize(("name", "shape"), [("synthetic", COLOUR), ("synthetic_gray", GRAY)])
def test_it_is_loaded_by_name_and_says_what_it_is(name, shape, monkeypatch):
    monkeypatch.setenv("KERASDL_DATA", "/nowhere")  # which does not matter for it
    data = load(name, synthetic_train=20, synthetic_test=10, seed=3)
    assert data.image_shape == shape
    assert (len(data.train), len(data.test)) == (20, 10)
    assert data.synthetic
    assert "SYNTHETIC images, not real data" in data.label
    assert data.sha256 == load(name, synthetic_train=20, synthetic_test=10, seed=3).sha256
