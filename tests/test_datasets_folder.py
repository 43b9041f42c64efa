import os
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from kerasdl.datasets import folder, image
from kerasdl.datasets.folder import read_folder
from kerasdl.datasets.image import read_image


def paint(path, colour=(200, 30, 10), size=(16, 16), mode="RGB", **options):
    """Writes an image of one colour; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **options)
    return path


def photos(root, classes=("cat", "dog"), count=5, parts=("",), **options):
    """Writes class folders whose images differ from each other."""
    for p, part in enumerate(parts):
        for c, name in enumerate(classes):
            for number in range(count):
                path = root / part / name / f"{number}.png"
                paint(path, (10 * c + 5, 20 * number, 40 * p), **options)
    return root


def test_without_a_test_folder_a_fifth_of_each_class_is_the_test_part(tmp_path):
    data = read_folder(photos(tmp_path / "pets", count=10))
    assert data.name == data.title == "pets"
    assert data.class_names == ("cat", "dog")
    assert np.bincount(data.train.labels).tolist() == [8, 8]
    assert np.bincount(data.test.labels).tolist() == [2, 2]
    assert data.source == "folder"
    assert "4 of 20 images" in data.notes[0]
    seen = {image.tobytes() for part in (data.train, data.test) for image in part.images}
    assert len(seen) == 20


def test_the_seed_chooses_the_test_part(tmp_path):
    photos(tmp_path, count=20)
    checksums = {read_folder(tmp_path, seed=seed).sha256 for seed in (0, 0, 1)}
    assert len(checksums) == 2


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_val_is_the_test_part_where_there_is_no_other(tmp_path, val):
    data = read_folder(photos(tmp_path, parts=("train", val)))
    assert (len(data.train), len(data.test)) == (10, 10)
    assert data.validation is None
    assert (data.test.images[..., 2] == 40).all()
    assert any("no folder test" in note for note in data.notes)


def test_with_all_three_parts_val_stays_validation(tmp_path):
    data = read_folder(photos(tmp_path, parts=("train", "val", "test")))
    assert data.validation is not None
    assert (data.validation.images[..., 2] == 40).all()
    assert (data.test.images[..., 2] == 80).all()


def test_a_class_may_be_named_test(tmp_path):
    assert read_folder(photos(tmp_path, ("test", "zebra"))).class_names == ("test", "zebra")


def test_classes_are_in_natural_order(tmp_path):
    data = read_folder(photos(tmp_path, ("10", "9", "b2", "B10", "a"), count=2))
    assert data.class_names == ("9", "10", "a", "b2", "B10")
    assert (data.train.images[data.train.labels == 1][:, 0, 0, 0] == 5).all()


def test_hidden_files_and_other_files_are_ignored(tmp_path):
    photos(tmp_path)
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "__MACOSX" / "cat").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "empty").mkdir()
    data = read_folder(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert len(data.train) + len(data.test) == 10


def test_folders_below_a_class_belong_to_it_and_loops_end(tmp_path):
    photos(tmp_path)
    paint(tmp_path / "cat" / "more" / "x.png", (1, 2, 3))
    os.symlink(tmp_path / "cat", tmp_path / "cat" / "more" / "loop")
    data = read_folder(tmp_path)
    assert len(data.train) + len(data.test) == 11


def test_a_class_that_test_lacks_is_noted_and_one_that_train_lacks_refused(tmp_path):
    photos(tmp_path, ("a", "b", "c"), parts=("train",))
    photos(tmp_path, ("a", "b"), parts=("test",))
    assert "No test images of: c." in read_folder(tmp_path).notes
    photos(tmp_path, ("d",), parts=("test",))
    with pytest.raises(ValueError, match=r"classes of test must be among.*also: d"):
        read_folder(tmp_path)


def test_test_images_that_are_training_images_are_noted(tmp_path):
    photos(tmp_path, parts=("train", "test"))
    paint(tmp_path / "test" / "cat" / "again.png", (5, 20, 0))
    assert "1 of 11 test images are training images, too." in read_folder(tmp_path).notes


@pytest.mark.parametrize("names", [(), ("only",)])
def test_a_folder_without_classes_is_refused(tmp_path, names):
    photos(tmp_path / "x", names)
    (tmp_path / "x").mkdir(exist_ok=True)
    with pytest.raises(ValueError, match="at least two folders with images, one per class"):
        read_folder(tmp_path / "x")


def test_parts_without_train_and_parts_that_are_empty_are_refused(tmp_path):
    photos(tmp_path / "x", parts=("val", "test"))
    with pytest.raises(ValueError, match="must have a folder train"):
        read_folder(tmp_path / "x")
    photos(tmp_path / "y", parts=("train",))
    (tmp_path / "y" / "test").mkdir()
    with pytest.raises(ValueError, match="the folder for test must hold images"):
        read_folder(tmp_path / "y")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({(16, 20): 3}, (16, 20)),
        ({(224, 100): 3}, (224, 100)),
        ({(300, 400): 3}, (224, 224)),
        ({(30, 40): 1, (31, 41): 1}, (32, 32)),
        ({(100, 40): 3, (60, 200): 4}, (56, 56)),
        ({(1000, 1000): 1, (2000, 900): 1}, (224, 224)),
    ],
)
def test_the_target_size_follows_its_rule(sizes, expected):
    assert folder.target_size(Counter(sizes)) == expected


def test_images_of_several_sizes_are_resized_and_that_is_noted(tmp_path):
    photos(tmp_path, size=(50, 40))
    photos(tmp_path, ("wide",), size=(90, 70))
    data = read_folder(tmp_path)
    assert data.image_shape == (40, 40, 3)
    assert "Images of 2 sizes were resized to 40 x 40" in data.notes[0]


def test_gray_only_when_all_images_are_gray(tmp_path):
    photos(tmp_path, mode="L")
    assert read_folder(tmp_path).image_shape == (16, 16, 1)
    paint(tmp_path / "cat" / "grey.jpg", (90, 90, 90))
    assert read_folder(tmp_path).image_shape == (16, 16, 1)
    paint(tmp_path / "cat" / "red.png")
    assert read_folder(tmp_path).image_shape == (16, 16, 3)


@pytest.mark.parametrize("suffix", ["bmp", "tiff", "png", "jpg", "webp", "gif"])
def test_every_format_is_read(tmp_path, suffix):
    pixels = read_image(paint(tmp_path / f"a.{suffix}"), (16, 16))
    assert pixels.shape == (16, 16, 3)
    np.testing.assert_allclose(pixels[8, 8], (200, 30, 10), atol=6)


@pytest.mark.parametrize(
    ("mode", "suffix", "expected"),
    [
        ("1", "png", [255]),
        ("L", "png", [79]),
        ("P", "png", [200, 30, 10]),
        ("CMYK", "jpg", [200, 30, 10]),
        ("RGBA", "png", [200, 30, 10]),
        ("I;16", "png", [79]),
        ("I", "tiff", [79]),
    ],
)
def test_every_mode_becomes_gray_or_rgb(tmp_path, mode, suffix, expected):
    path = tmp_path / f"a.{suffix}"
    source = Image.new("RGB", (16, 16), (200, 30, 10))
    if mode == "1":
        source = Image.new("1", (16, 16), 1)
    elif mode.startswith("I"):
        values = np.full((16, 16), 79 * 257, np.uint16 if mode == "I;16" else np.int32)
        source = Image.fromarray(values)
    else:
        source = source.quantize(4) if mode == "P" else source.convert(mode)
    source.save(path)
    pixels = read_image(path, (16, 16))
    assert pixels.shape == (16, 16, len(expected))
    np.testing.assert_allclose(pixels[8, 8], expected, atol=6)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(tmp_path, mode):
    path = tmp_path / "a.png"
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).convert(mode).save(path)
    assert (read_image(path, (16, 16)) == 255).all()


def test_a_transparent_palette_colour_is_laid_over_white(tmp_path):
    path = tmp_path / "a.png"
    source = Image.new("P", (16, 16), 3)
    source.putpalette([0, 0, 0] * 256)
    source.save(path, transparency=3)
    assert (read_image(path, (16, 16)) == 255).all()


def test_exif_rotation_is_applied(tmp_path):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    exif = Image.Exif()
    exif[image.EXIF_ORIENTATION] = 6  # the camera was turned: rows run downwards in truth
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert image.image_size(tmp_path / "a.jpg") == (32, 16)
    upright = read_image(tmp_path / "a.jpg", (32, 16))
    assert upright[4].max() < 20
    assert upright[28].min() > 235


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif", (16, 16))[8, 8].tolist() == [254, 0, 0] or (
        read_image(tmp_path / "a.gif", (16, 16))[8, 8].tolist() == [255, 0, 0]
    )


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tiff"])
def test_a_truncated_image_is_named(tmp_path, suffix):
    photos(tmp_path)
    path = tmp_path / "dog" / f"broken.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"dog/broken\.{suffix} must be"):
        read_folder(tmp_path)


def test_a_file_that_is_no_image_is_named(tmp_path):
    photos(tmp_path)
    (tmp_path / "dog" / "page.png").write_text("<html>")
    with pytest.raises(ValueError, match=r"dog/page\.png must be an image in one of the formats"):
        read_folder(tmp_path)


def png_header(width, height):
    """A PNG that announces a size and has no more than that."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9000, 12_000, 60_000])
def test_an_announced_size_of_gigabytes_is_not_decoded(tmp_path, side):
    photos(tmp_path)
    (tmp_path / "dog" / "bomb.png").write_bytes(png_header(side, side))
    with pytest.raises(ValueError, match=r"dog/bomb\.png must (have at most|be a readable)"):
        read_folder(tmp_path)


def test_a_set_that_would_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="Received: 10 images of 16 x 16"):
        read_folder(photos(tmp_path))
