"""Decoding inside the graph: the same pixels as `predict` reads, and no bombs."""

import functools
import io
import resource
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasdl.datasets.picture import read_picture
from kerasdl.export import headers
from kerasdl.export.decode import decode

GRAY, COLOUR = (28, 28, 1), (32, 24, 3)
ROUNDING = 2
"""Levels of 255: Pillow rounds after each of two passes and in fixed point."""


@functools.cache
def graph(shape, stretch):
    return tf.function(
        lambda contents: decode(contents, shape, stretch=stretch),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def smooth(height, width, mode="RGB"):
    """An image of soft blobs, as photographs are; noise would measure rounding alone."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    generator = np.random.default_rng(height * width)
    coarse = (max(2, height // 8), max(2, width // 8), channels)
    pixels = generator.integers(0, 256, coarse, dtype=np.uint8)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def encode(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def rotated(orientation):
    exif = Image.Exif()
    exif[0x010E] = "a description before it"
    exif[0x0112] = orientation
    return encode(smooth(40, 60), "JPEG", exif=exif)


FILES = {
    "png of the size": encode(smooth(28, 28), "PNG"),
    "gray png of the size": encode(smooth(28, 28, "L"), "PNG"),
    "large png": encode(smooth(200, 300), "PNG"),
    "small png": encode(smooth(7, 5), "PNG"),
    "one pixel": encode(smooth(1, 1), "PNG"),
    "narrow": encode(smooth(3, 200), "PNG"),
    "transparent": encode(smooth(60, 50, "RGBA"), "PNG"),
    "gray and alpha": encode(smooth(60, 50, "RGBA").convert("LA"), "PNG"),
    "palette": encode(smooth(40, 50).quantize(200), "PNG"),
    "palette of 4 bits": encode(smooth(40, 50).quantize(12), "PNG", bits=4),
    "4 bits, transparent": encode(smooth(40, 50).quantize(12), "PNG", bits=4, transparency=3),
    "1 bit": encode(smooth(40, 50, "L").convert("1"), "PNG"),
    "16 bits": encode(
        Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160), "PNG"
    ),
    "jpeg": encode(smooth(100, 60), "JPEG", quality=90),
    "large jpeg": encode(smooth(600, 900), "JPEG"),
    "gray jpeg": encode(smooth(33, 44, "L"), "JPEG"),
    "progressive": encode(smooth(40, 50), "JPEG", progressive=True),
    "cmyk": encode(smooth(40, 50).convert("CMYK"), "JPEG"),
    "bmp": encode(smooth(40, 50), "BMP"),
    "gray bmp": encode(smooth(40, 50, "L"), "BMP"),
    "bmp of 32 bits": encode(smooth(40, 50, "RGBA"), "BMP"),
    **{f"turned {number}": rotated(number) for number in range(1, 9)},
}


@pytest.mark.parametrize(("shape", "stretch"), [(GRAY, False), (COLOUR, False), (COLOUR, True)])
def test_a_batch_is_what_predict_reads(tmp_path, shape, stretch):
    decoded = graph(shape, stretch)(tf.constant(list(FILES.values()))).numpy()
    assert decoded.dtype == np.uint8
    for (name, content), found in zip(FILES.items(), decoded, strict=True):
        (tmp_path / "picture").write_bytes(content)
        expected = read_picture(tmp_path / "picture", shape, stretch=stretch)
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() <= ROUNDING, (name, difference.max())


def test_pixels_of_the_size_are_taken_as_they_are():
    image = np.random.default_rng(1).integers(0, 256, COLOUR, dtype=np.uint8)
    files = [encode(Image.fromarray(image), kind) for kind in ("PNG", "BMP")]
    for found in graph(COLOUR, False)(tf.constant(files)).numpy():
        np.testing.assert_array_equal(found, image)
    assert graph(COLOUR, False)(tf.constant([], tf.string)).shape == (0, *COLOUR)


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(height, width, rows=b""):
    """A PNG of one bit per pixel: 32 MB of zeros for 16000 x 16000 pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(rows, 1)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def progressive_with(scans):
    """A JPEG of many scans, each of which a decoder would run over all pixels."""
    content = FILES["progressive"]
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * scans + content[-2:]


GOOD = FILES["png of the size"]
BAD = {
    "empty": (b"", "expected a PNG, JPEG or BMP file"),
    "a gif": (encode(smooth(9, 9), "GIF"), "expected a PNG, JPEG or BMP file"),
    "a text": (b"P6 1 1 255 abc", "expected a PNG, JPEG or BMP file"),
    "no pixels": (png(0, 5), r"expected 1 to 16777216 pixels.*0 x 5"),
    "wide": (png(2, 2**31 - 1), r"expected 1 to 16777216 pixels.*2 x 2147483647"),
    "beyond 32 bits": (png(2**32 - 1, 2**32 - 1), "expected 1 to 16777216 pixels"),
    "large bmp": (
        b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 60000, -60000, 1, 24, 0) + bytes(24),
        r"16777216 pixels.*60000 x 60000",
    ),
    "large jpeg": (
        FILES["jpeg"].replace(struct.pack(">HH", 100, 60), struct.pack(">HH", 65000, 65000)),
        r"16777216 pixels.*65000 x 65000",
    ),
    "many scans": (progressive_with(200), "at most 64 scans"),
    "palette bmp": (encode(smooth(9, 9).quantize(200), "BMP"), "BMP file of 24 or 32 bits"),
    "1 bit bmp": (encode(smooth(9, 9, "L").convert("1"), "BMP"), "BMP file of 24 or 32 bits"),
    "compressed bmp": (
        FILES["gray bmp"][:30] + b"\1" + FILES["gray bmp"][31:],
        "BMP file of 24 or 32 bits",
    ),
    "half a png": (GOOD[: len(GOOD) // 2], "PNG"),
    "the beginning of a png": (GOOD[:29], "PNG"),
    "half a jpeg": (FILES["jpeg"][:300], "JPEG"),
    "the beginning of a jpeg": (b"\xff\xd8\xff", "JPEG"),
    "half a bmp": (FILES["bmp"][:300], "Input size should match"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_the_graph_as_an_invalid_argument(name):
    content, message = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message) as caught:
        graph(COLOUR, False)(tf.constant([GOOD, content]))
    # Ours say which of the batch it is; the decoders' own messages cannot.
    assert "expected" not in message or "image 1: " in str(caught.value)


def test_a_bomb_is_not_decoded():
    bomb = png(16000, 16000, bytes(16000 * 2001))
    assert len(bomb) < 200_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tf.errors.InvalidArgumentError, match="16000 x 16000"):
        graph(GRAY, False)(tf.constant([GOOD, bomb]))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # kB; decoded it would be 768 000


def test_damaged_files_are_invalid_arguments_only():
    generator = np.random.default_rng(0)
    run = graph(GRAY, False)
    refused = 0
    for number in range(150):
        content = bytearray(list(FILES.values())[number % len(FILES)])
        for place in generator.integers(0, len(content), 1 + number % 4):
            content[place] = generator.integers(0, 256)
        try:
            assert run(tf.constant([bytes(content)])).shape == (1, *GRAY)
        except tf.errors.InvalidArgumentError:
            refused += 1
    assert refused > 20


def test_the_cap_leaves_room_for_a_photograph():
    assert headers.MAX_PIXELS >= 4000 * 3000
