import keras
import numpy as np
import pytest

from kerasdl.training.augment import NUM_RANDOM, augment, is_active
from kerasdl.training.order import epoch_order, flip_phase
from kerasdl.training.settings import Training


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 9, 11, 3), dtype=np.uint8)


def run(images, uniform, mirrored=False, **settings):
    uniform = np.broadcast_to(np.float32(uniform), (len(images), NUM_RANDOM))
    mirrored = np.broadcast_to(mirrored, len(images))
    result = augment(keras.ops.convert_to_tensor(images), uniform, mirrored, Training(**settings))
    result = keras.ops.convert_to_numpy(result)
    assert result.dtype == np.uint8
    assert result.shape == images.shape
    return result


def random(n=40, seed=1):
    return np.random.default_rng(seed).random((n, NUM_RANDOM), dtype=np.float32)


@pytest.mark.parametrize("settings", [{"shift": 2}, {"rotation": 20.0}, {"shift": 2, "flip": True}])
def test_random_numbers_in_the_middle_change_nothing(images, settings):
    np.testing.assert_array_equal(run(images, 0.5, **settings), images)


@pytest.mark.parametrize(("u", "v"), [(0.0, 0.0), (0.0, 0.99), (0.99, 0.3)])
def test_a_shift_moves_whole_pixels_and_reflects_at_the_edge(images, u, v):
    down, right = int(u * 5) - 2, int(v * 5) - 2
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="symmetric")
    expected = padded[:, 2 + down : 11 + down, 2 + right : 13 + right]
    moved = run(images, [u, v, 0.5, 0.5, 0.5], shift=2)
    np.testing.assert_array_equal(moved, expected)


def test_every_shift_occurs(images):
    images = np.repeat(images[:1], 400, axis=0)
    assert len(np.unique(run(images, random(400), shift=2), axis=0)) == 25


def test_flip_mirrors_the_images_whose_turn_it_is(images):
    mirrored = np.arange(40) % 3 == 0
    expected = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    np.testing.assert_array_equal(run(images, 0.5, mirrored, flip=True), expected)


def test_about_half_of_the_images_are_mirrored_first_and_the_seed_says_which():
    phase = flip_phase(1000, 0)
    assert 450 < phase.sum() < 550
    np.testing.assert_array_equal(phase, flip_phase(1000, 0))
    assert not np.array_equal(phase, flip_phase(1000, 1))


def test_digits_are_not_mirrored_unless_asked(images):
    assert not Training(shift=2).flip
    np.testing.assert_array_equal(run(images, 0.5, mirrored=True, shift=2), images)


def test_a_rotation_turns_about_the_centre():
    images = np.zeros((1, 9, 9, 1), np.uint8)
    images[0, 4, :] = 255  # a horizontal bar
    # A quarter turn: twice the angle minus one times 180 degrees.
    turned = run(images, [0.5, 0.5, 0.75, 0.5, 0.5], rotation=180.0)
    assert (turned[0, :, 4, 0] > 250).all()
    assert turned.sum() == pytest.approx(images.sum(), rel=0.02)


def test_a_rotation_keeps_the_brightness():
    images = np.random.default_rng(0).integers(0, 255, (200, 32, 32, 3), dtype=np.uint8)
    turned = run(images, random(200), rotation=10.0)
    inner = (slice(None), slice(6, -6), slice(6, -6))
    assert turned[inner].mean() == pytest.approx(images[inner].mean(), abs=0.2)


def test_cutout_blanks_one_square_that_may_stick_out(images):
    uniform = np.full((40, NUM_RANDOM), 0.5, np.float32)
    uniform[0, 3:] = 0.0  # centre on the corner: a quarter of the square is inside
    changed = (run(np.maximum(images, 200), uniform, cutout=4) == 127).all(axis=-1)
    assert changed[1].sum() == 16
    assert changed[0].sum() == 4
    assert changed[0, :2, :2].all()


def test_no_setting_is_no_augmentation():
    assert not is_active(Training())
    assert all(is_active(Training(**{name: 1})) for name in ("shift", "rotation", "cutout"))
    assert is_active(Training(flip=True))


def test_the_order_is_a_permutation_that_seed_and_epoch_decide():
    order = epoch_order(1000, 3, 5)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    np.testing.assert_array_equal(order, epoch_order(1000, 3, 5))
    for other in (epoch_order(1000, 3, 6), epoch_order(1000, 4, 5), epoch_order(1000, 5, 3)):
        assert not np.array_equal(order, other)
