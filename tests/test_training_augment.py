import textwrap

import keras
import msgspec
import numpy as np
import pytest

from kerasdl.training import elastic
from kerasdl.training.augment import NUM_RANDOM, augment, is_active, random_numbers, streams
from kerasdl.training.order import epoch_order, flip_phase
from kerasdl.training.settings import Training


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 9, 11, 3), dtype=np.uint8)


def run(images, uniform, mirrored=False, **settings):
    training = Training(**settings)
    uniform = np.broadcast_to(np.float32(uniform), (len(images), numbers(training)))
    mirrored = np.broadcast_to(mirrored, len(images))
    result = augment(keras.ops.convert_to_tensor(images), uniform, mirrored, training)
    result = keras.ops.convert_to_numpy(result)
    assert result.dtype == np.uint8
    assert result.shape == images.shape
    return result


def numbers(training):
    return sum(count for _, count in streams(training))


def random(n=40, seed=1, **settings):
    shape = n, numbers(Training(**settings))
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


ALL = {"shift": 2, "rotation": 15.0, "crop": 0.3, "elastic": 1.5, "flip": True, "cutout": 3}


@pytest.mark.parametrize(
    "settings",
    [
        {"shift": 2},
        {"rotation": 20.0},
        {"shift": 2, "flip": True},
        {"elastic": 2.0},
        {"elastic": 2.0, "rotation": 20.0},
    ],
    ids=str,
)
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
    one = {"shift": 1, "rotation": 1.0, "cutout": 1, "crop": 0.1, "elastic": 0.1}
    assert all(is_active(Training(**{name: value})) for name, value in one.items())
    assert is_active(Training(flip=True))


def test_the_order_is_a_permutation_that_seed_and_epoch_decide():
    order = epoch_order(1000, 3, 5)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    np.testing.assert_array_equal(order, epoch_order(1000, 3, 5))
    for other in (epoch_order(1000, 3, 6), epoch_order(1000, 4, 5), epoch_order(1000, 5, 3)):
        assert not np.array_equal(order, other)


@pytest.mark.parametrize("elastic", [0.0, 1e-9], ids=["affine", "gathered"])
def test_a_crop_enlarges_a_window_inside_the_image(elastic):
    ramp = np.arange(20) * 10
    images = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :]), axis=-1)
    images = np.repeat(images.astype(np.uint8)[None], 4, axis=0)
    uniform = np.full((4, 296 if elastic else 8), 0.5, np.float32)
    uniform[:, 5:8] = [[0.0, 0.9, 0.9], [1.0, 0.5, 0.5], [1.0, 0.0, 1.0], [0.5, 0.0, 0.0]]
    cropped = run(images, uniform, crop=0.5, elastic=elastic).astype(int)
    np.testing.assert_array_equal(cropped[0], images[0])
    # Half of each side is left: rows and columns 5..15, then 0..10 and 10..20, then 0..15.
    for i, (top, left, side) in enumerate([(5, 5, 10), (0, 10, 10), (0, 0, 15)], start=1):
        place = (np.arange(20) + 0.5) * side / 20 - 0.5
        rows, columns = (np.clip(place + first, 0, 19) * 10 for first in (top, left))
        expected = np.stack(np.broadcast_arrays(rows[:, None], columns[None, :]), axis=-1)
        assert np.abs(cropped[i] - expected).max() <= 0.5 + 1e-3


def test_crops_have_every_size_up_to_the_largest_and_every_place():
    images = np.zeros((300, 24, 24, 2), np.uint8)
    images[...] = np.stack(np.meshgrid(np.arange(24), np.arange(24)), axis=-1) * 10
    cropped = run(images, random(300, crop=0.4), crop=0.4).astype(float) / 10
    # Without the outermost pixels, whose neighbours are reflections.
    share = (cropped[:, 12, 20, 0] - cropped[:, 12, 3, 0]) / 17
    assert 0.59 < share.min() < 0.63
    assert 0.97 < share.max() < 1.01
    centre = cropped[:, 11:13, 11:13].mean(axis=(1, 2)) - 11.5
    assert np.abs(centre).max() <= 0.2 * 24 + 0.1
    assert centre.min(axis=0).max() < -3
    assert centre.max(axis=0).min() > 3
    assert np.abs(centre.mean(axis=0)).max() < 0.4


def test_resampling_at_whole_pixels_and_beyond_the_edge_is_exact(images):
    rows, columns = np.float32(np.mgrid[-9:18, -11:22])
    places = (np.broadcast_to(place, (40, 27, 33)) for place in (rows, columns))
    read = keras.ops.convert_to_numpy(elastic.resample(images, *places))
    expected = np.pad(images, ((0, 0), (9, 9), (11, 11), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(read, expected)


def test_resampling_between_pixels_is_bilinear_and_never_leaves_the_range(images):
    generator = np.random.default_rng(3)
    down = generator.uniform(0, 8, (40, 9, 11)).astype(np.float32)
    right = generator.uniform(0, 10, (40, 9, 11)).astype(np.float32)
    top, left = np.minimum(down.astype(int), 7), np.minimum(right.astype(int), 9)
    y, x = (down - top)[..., None], (right - left)[..., None]
    i = np.arange(40)[:, None, None]
    expected = (1 - y) * ((1 - x) * images[i, top, left] + x * images[i, top, left + 1])
    expected += y * ((1 - x) * images[i, top + 1, left] + x * images[i, top + 1, left + 1])
    read = keras.ops.convert_to_numpy(elastic.resample(images, down, right))
    assert np.abs(read - expected).max() < 0.5 + 1e-3
    far = np.full((40, 9, 11), 1e6, np.float32)
    for extreme in (0, 255):
        flat = np.full_like(images, extreme)
        for place in (down - 20, right * 5, far, -far):
            assert (
                keras.ops.convert_to_numpy(elastic.resample(flat, place, place)) == extreme
            ).all()


@pytest.mark.parametrize("shape", [(28, 28), (20, 45)], ids=str)
def test_the_displacement_is_smooth_and_as_large_as_asked_everywhere(shape):
    uniform = np.random.default_rng(5).random((2000, elastic.NUM_RANDOM), np.float32)
    down, right = map(np.asarray, elastic.displacement(uniform, *shape, 1.4))
    for field in (down, right):
        assert field.shape == (2000, *shape)
        assert field.std() == pytest.approx(1.4, rel=0.02)
        # The edges and corners as much as the middle.
        np.testing.assert_allclose(field.std(axis=0), 1.4, rtol=0.12)
        # Correlation of a smoothed field at a distance: exp(-distance^2 / (4 sigma^2)).
        far = shape[1] // 2
        together = (field[:, 5, 0] * field[:, 5, far]).mean() / 1.4**2
        assert together == pytest.approx(np.exp(-((far * 7 / shape[1]) ** 2) / 4), abs=0.06)
        # Neighbours never swap places, at the paper's strength: strokes bend, not tear.
        steps = np.diff(field, axis=1) * shape[0] / 28
        assert steps.std() == pytest.approx(1.4 / (2**0.5 * 4), rel=0.1)
    assert abs(np.corrcoef(down.ravel(), right.ravel())[0, 1]) < 0.02
    # All numbers at one end is as far as a pixel can move.
    furthest = elastic.displacement(np.zeros_like(uniform[:1]), *shape, 1.4)
    assert 6.0 < max(np.abs(field).max() for field in furthest) / 1.4 < 6.2


def test_the_displacement_is_that_of_a_gaussian_filter():
    # Against the paper's way, one random number a pixel: the same covariance.
    smooth = elastic._smoothing(28)
    pixels = np.arange(-40, 68)
    dense = np.exp(-((np.arange(28)[:, None] - pixels) ** 2) / (2 * 4.0**2))
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    np.testing.assert_allclose(smooth @ smooth.T, dense @ dense.T, atol=3e-3)


def test_each_image_has_its_own_numbers(images):
    same = np.repeat(images[:1], 40, axis=0)
    uniform = random(**ALL)
    changed = run(same, uniform, **ALL)
    assert len(np.unique(changed, axis=0)) == 40
    # Alone, in another order, or among others: what becomes of an image is its own affair.
    np.testing.assert_array_equal(run(same[:7], uniform[:7], **ALL), changed[:7])
    np.testing.assert_array_equal(run(same, uniform[::-1], **ALL), changed[::-1])
    np.testing.assert_array_equal(run(same, uniform, **ALL), changed)


def test_crop_and_elastic_leave_the_numbers_of_the_others_as_they_are():
    import tensorflow as tf

    def draw(**settings):
        return random_numbers(6, 3, tf.constant(11, "int64"), Training(**settings)).numpy()

    # The numbers of the trainings before there were the two.
    seed = [3 ^ 0x61756764, 11]
    plain = tf.random.stateless_uniform([6, 5], seed=tf.constant(seed, "int64")).numpy()
    np.testing.assert_array_equal(draw(shift=2), plain)
    both = draw(**ALL)
    assert both.shape == (6, numbers(Training(**ALL)))
    np.testing.assert_array_equal(both[:, :5], plain)
    np.testing.assert_array_equal(draw(crop=0.1), both[:, :8])
    assert len(np.unique(both)) > 0.99 * both.size


def test_a_training_learns_with_every_augmentation_and_repeats_to_the_bit(examples):
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine

    training = Training(epochs=8, batch_size=16, learning_rate=1e-2, crop=0.2, elastic=1.0)
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input((12, 12, 3)), *layers])
        compile_model(model, training, 90)
        Engine(model).fit(examples(90), training, seed=0)
        weights.append(model.get_weights())
    for one, again in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, again)
    # Learnt from changed images with unchanged labels.
    assert Engine(model).evaluate(examples(60, seed=1))["accuracy"] > 0.9


ON_JAX = """
    import keras, msgspec, numpy as np, sys
    from kerasdl.training.augment import augment
    from kerasdl.training.settings import Training
    from kerasdl.training.fit_engine import _compiled

    data, training = np.load("data.npz"), msgspec.json.decode(sys.argv[1], type=Training)
    moved = _compiled(lambda *arrays: augment(*arrays, training))
    np.save("moved.npy", moved(data["images"], data["uniform"], data["mirrored"]))
    print(keras.backend.backend())
"""


def test_jax_gives_the_same_images(images, run_python, tmp_path):
    pytest.importorskip("jax")
    uniform, mirrored = random(**ALL), np.arange(40) % 2 == 0
    np.savez(tmp_path / "data.npz", images=images, uniform=uniform, mirrored=mirrored)
    settings = msgspec.json.encode(Training(**ALL)).decode()
    program = "-W", "error", "-c", textwrap.dedent(ON_JAX), settings
    done = run_python(*program, cwd=tmp_path, KERAS_BACKEND="jax")
    assert done.stdout == "jax\n", done.stderr
    found, expected = np.load(tmp_path / "moved.npy"), run(images, uniform, mirrored, **ALL)
    # Rounding may fall to either side of a half.
    assert np.abs(found.astype(int) - expected).max() <= 1
