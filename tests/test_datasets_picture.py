import numpy as np
import pytest
from PIL import Image

from kerasdl.datasets.picture import read_picture


def write(path, pixels, **options):
    pixels = np.asarray(pixels, np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path, **options)
    return path


@pytest.fixture
def noise():
    generator = np.random.default_rng(0)
    return lambda *shape: generator.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stretch", [False, True])
def test_an_image_of_the_data_sets_size_is_taken_as_it_is(tmp_path, noise, channels, stretch):
    pixels = noise(28, 20, channels)
    found = read_picture(write(tmp_path / "a.png", pixels), (28, 20, channels), stretch=stretch)
    np.testing.assert_array_equal(found, pixels)


def test_proportions_are_kept_and_the_border_goes_on(tmp_path):
    pixels = np.full((40, 80, 3), (10, 200, 90))
    pixels[10:30, 30:50] = 255
    found = read_picture(write(tmp_path / "a.png", pixels), (28, 28, 3))
    # Half as high as wide: 14 rows, 7 above and below in the border's colour.
    np.testing.assert_array_equal(found[:8], np.broadcast_to((10, 200, 90), (8, 28, 3)))
    np.testing.assert_array_equal(found[-8:], found[:8])
    white = (found == 255).all(axis=-1)
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    assert (rows[0], rows[-1]) == (11, 16)
    assert (columns[0], columns[-1]) == (11, 16)


def test_stretching_does_as_reading_a_folder_does(tmp_path):
    pixels = np.zeros((40, 80, 1))
    pixels[:, 40:] = 255
    path = write(tmp_path / "a.png", pixels)
    found = read_picture(path, (16, 16, 1), stretch=True)
    assert (found[:, :7] == 0).all()
    assert (found[:, 9:] == 255).all()


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (3, 5), (1, 1)], ids=str)
def test_any_proportions(tmp_path, noise, size):
    path = write(tmp_path / "a.png", noise(*size, 3))
    for stretch in (False, True):
        assert read_picture(path, (28, 28, 1), stretch=stretch).shape == (28, 28, 1)


def test_colours_become_brightness_and_gray_becomes_colours(tmp_path):
    pixels = np.zeros((8, 8, 3))
    pixels[..., 0], pixels[..., 2] = 250, 100
    path = write(tmp_path / "a.png", pixels)
    assert (read_picture(path, (8, 8, 1)) == round(0.299 * 250 + 0.114 * 100)).all()
    assert np.array(Image.open(path).convert("L"))[0, 0] == round(0.299 * 250 + 0.114 * 100)
    gray = write(tmp_path / "b.png", np.full((8, 8, 1), 77))
    assert (read_picture(gray, (8, 8, 3)) == 77).all()


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "webp", "jpg"])
def test_every_format(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = write(tmp_path / f"a.{suffix}", np.full((60, 30, 3), 120), **options)
    found = read_picture(path, (28, 28, 3)).astype(int)
    assert np.abs(found - 120).max() <= 2


def test_the_border_is_the_median_so_that_a_corner_does_not_colour_it(tmp_path):
    pixels = np.full((20, 60, 1), 250)
    pixels[:5, :12] = 0
    found = read_picture(write(tmp_path / "a.png", pixels), (30, 30, 1))
    assert (found[:10] == 250).all()
    assert (found[20:] == 250).all()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.png", None, "no such file"),
        ("text.png", b"not an image", "must be an image"),
        ("empty.png", b"", "must be an image"),
        ("folder", "folder", "a folder"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, name, content, complaint):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=complaint) as caught:
        read_picture(path, (28, 28, 1))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
