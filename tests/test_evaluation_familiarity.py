import io
import zipfile

import numpy as np
import pytest

from kerasdl.evaluation import familiarity
from kerasdl.evaluation.familiarity import UNLIKE, Familiarity, fit, load, save_familiarity


def strokes(n, seed, size=28, parts=2):
    """Draws light strokes in the middle of dark images, as MNIST's: uint8 (n, size, size, 1)."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.mgrid[:size, :size], axis=-1) / size
    images = np.zeros((n, size, size))
    for _ in range(parts):
        start = generator.uniform(0.2, 0.8, (n, 1, 1, 2))
        along = generator.uniform(0.2, 0.8, (n, 1, 1, 2)) - start
        share = ((grid - start) * along).sum(-1) / (along**2).sum(-1)
        gap = grid - start - np.clip(share, 0, 1)[..., None] * along
        images = np.maximum(images, np.exp(-(gap**2).sum(-1) / 0.002))
    return np.round(255 * images).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def known():
    return fit(strokes(3000, 0), strokes(1200, 1))


def rate(known, images):
    return np.mean(known.shares(images) <= UNLIKE)


def test_one_percent_of_images_of_the_same_kind_are_unlike(known):
    shares = known.shares(strokes(4000, 2))
    assert known.num_held_out == 1200
    assert shares.min() > 0
    assert shares.max() <= 1
    assert 0.003 < np.mean(shares <= UNLIKE) < 0.025
    # What a share says is so: of real images, that share has it or a smaller one.
    for share in (0.1, 0.5, 0.9):
        assert np.mean(shares <= share) == pytest.approx(share, abs=0.04)


def others():
    test = strokes(200, 3)
    generator = np.random.default_rng(4)
    return {
        "inverted": 255 - test,
        "noise": generator.integers(0, 256, test.shape, dtype=np.uint8),
        "shuffled": generator.permuted(test.reshape(200, -1), axis=1).reshape(test.shape),
        "on gray paper": (test // 2 + 60).astype(np.uint8),
        "many strokes": strokes(200, 5, parts=9),
        "at the edge": np.roll(test, 11, axis=2),
    }


@pytest.mark.parametrize("kind", others())
def test_other_pictures_are_unlike(known, kind):
    assert rate(known, others()[kind]) > 0.9


@pytest.mark.parametrize("level", [0, 30, 128, 255])
def test_a_picture_of_one_colour_is_unlike_for_its_contrast(known, level):
    blank = np.full((1, 28, 28, 1), level, np.uint8)
    assert known.shares(blank)[0] == 1 / 1201
    assert known.reason(blank[0]) == "its contrast is lower"


def test_the_reason_is_what_is_most_unusual(known):
    test = strokes(1, 3)
    said = {kind: known.reason(images[0]) for kind, images in others().items()}
    assert said["inverted"] == "its light and dark parts are elsewhere"
    assert said["many strokes"] == "its contrast is higher"
    assert known.reason(test[0] // 8) == "its contrast is lower"


def test_real_digits_are_familiar_and_clothes_and_ink_on_paper_are_not(real_data):
    from kerasdl.datasets.load import load as load_dataset
    from kerasdl.datasets.splits import split

    parts = split(load_dataset("mnist", data_dir=real_data), validation_fraction=0.1, seed=0)
    known = fit(parts.train.images, parts.validation.images)
    digits = parts.test.images
    clothes = load_dataset("fashion_mnist", data_dir=real_data).test.images[:2000]
    assert 0.005 < rate(known, digits) < 0.02
    assert rate(known, clothes) > 0.95
    assert rate(known, 255 - digits[:2000]) == 1.0


def test_it_is_the_same_after_saving_and_the_file_is_small(known, tmp_path):
    known.save(tmp_path / "familiarity.npz")
    assert (tmp_path / "familiarity.npz").stat().st_size < 300_000
    again = load(tmp_path / "familiarity.npz")
    assert again.image_shape == (28, 28, 1)
    test = strokes(50, 6)
    np.testing.assert_array_equal(again.shares(test), known.shares(test))
    assert [again.reason(image) for image in test] == [known.reason(image) for image in test]


def test_the_same_images_give_the_same_file(tmp_path):
    contents = []
    for name in ("one", "two"):
        save_familiarity(tmp_path / name, strokes(300, 0), strokes(20, 1))
        contents.append((tmp_path / name / "familiarity.npz").read_bytes())
    assert contents[0] == contents[1]


def test_only_so_many_images_are_looked_at():
    many = np.concatenate([strokes(500, 0)] * 45)
    assert fit(many, many[:6000]).num_held_out == 3000
    assert fit(many, many[:5000]).num_held_out == familiarity.HELD_OUT == 5000
    assert fit(many, many[:0]).num_held_out == 3750  # every third of a half


def test_few_held_out_images_are_joined_by_training_images():
    assert fit(strokes(200, 0), strokes(10, 1)).num_held_out == 110
    assert fit(strokes(200, 0), strokes(0, 1)).num_held_out == 100


@pytest.mark.parametrize(("train", "held_out"), [(1, 0), (2, 0), (3, 1), (40, 40)])
def test_with_too_few_images_nothing_is_called_unlike(train, held_out):
    known = fit(strokes(train, 0), strokes(held_out, 1))
    assert rate(known, others()["noise"]) == 0
    assert rate(known, strokes(100, 2)) == 0


@pytest.mark.parametrize("shape", [(30, 17, 3), (1, 1, 1), (5, 64, 1), (7, 6, 3)], ids=str)
def test_any_shape_of_images(shape, tmp_path):
    generator = np.random.default_rng(0)
    light = generator.integers(60, 200, (600, 1, 1, 1))
    noise = generator.integers(-40, 40, (600, *shape))
    images = (light + noise).astype(np.uint8)
    save_familiarity(tmp_path, images[:300], images[300:500])
    known = load(tmp_path / "familiarity.npz")
    assert rate(known, images[500:]) < 0.1
    assert rate(known, np.full((1, *shape), 0, np.uint8)) == 1


def test_averaging_is_over_the_area_that_a_number_covers():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8)
    blocks = images.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(3, -1) / 255
    np.testing.assert_allclose(familiarity._averaged(images), blocks, atol=1e-6)
    colours = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
    found = familiarity._averaged(colours).reshape(3, 8, 8, 3)
    np.testing.assert_allclose(found.mean((1, 2)), colours.mean((1, 2)) / 255, atol=1e-6)
    # Rows 0, 1 and half of 2; columns 0, 1, 2.
    weights = np.array([1, 1, 0.5])[:, None, None] / 7.5
    corner = (colours[:, :3, :3] * weights).sum((1, 2)) / 255
    np.testing.assert_allclose(found[:, 0, 0], corner, atol=1e-6)


def test_what_does_not_fit_is_refused(known):
    with pytest.raises(ValueError, match=r"\(n, 28, 28, 1\)"):
        known.shares(strokes(2, 0, size=20))
    with pytest.raises(ValueError, match="uint8"):
        known.shares(strokes(2, 0) / 255)
    with pytest.raises(ValueError, match="of one shape"):
        fit(strokes(20, 0), strokes(20, 0, size=20))
    with pytest.raises(ValueError, match="at least one"):
        fit(strokes(0, 0), strokes(20, 0))


def change(known, **arrays):
    names = [field for field in Familiarity.__dataclass_fields__ if field not in arrays]
    content = {"format": np.int32(1), **{name: np.asarray(getattr(known, name)) for name in names}}
    buffer = io.BytesIO()
    np.savez(buffer, **content, **{k: v for k, v in arrays.items() if v is not None})
    return buffer.getvalue()


def hostile(known):
    good = change(known)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in zipfile.ZipFile(io.BytesIO(good)).namelist():
            archive.writestr(name, zipfile.ZipFile(io.BytesIO(good)).read(name))
        archive.writestr("more.npy", bytes(10**7))
    spoilt = known.mean.copy()
    spoilt[3] = np.nan
    return {
        "empty": b"",
        "text": b"familiar",
        "half": good[: len(good) // 2],
        "pickle": change(known, mean=np.array([{}, 1], object)),
        "missing": change(known, variances=None),
        "shape": change(known, directions=known.directions[:, :-1]),
        "other size": change(known, image_shape=np.array([9, 9, 3])),
        "no size": change(known, image_shape=np.array([0, -5])),
        "NaN": change(known, mean=spoilt),
        "text numbers": change(known, mean=np.array(["x"] * 196)),
        "bomb": bomb.getvalue(),
        "array": (lambda b: (np.save(b, known.mean), b.getvalue())[1])(io.BytesIO()),
    }


def test_a_damaged_file_is_named(known, tmp_path):
    path = tmp_path / "familiarity.npz"
    path.write_bytes(change(known))
    load(path)
    for kind, content in hostile(known).items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"familiarity\.npz is not .* Delete it"):
            print(kind, load(path))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")
