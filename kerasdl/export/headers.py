"""Width and height of a PNG, JPEG or BMP from its first bytes, inside a TensorFlow graph.

Decoding allocates what a header announces: a PNG of 750 kB can take 1.5 GB. So the graph reads
the header itself, and the decoder sees only what passed. What is checked besides is what
TensorFlow's decoders would take for something else: palettes and packed pixels of BMP files.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

MAX_PIXELS = 2**24
"""Of one image: 400 MB of memory while it is decoded, with transparency; 12 megapixels fit."""

MAX_SCANS = 64
"""Of a progressive JPEG, which has about ten. Each goes over all pixels again, in a few bytes."""

PNG, FEW_BITS_PNG, JPEG, BMP = range(4)
"""Kinds of files; a PNG of fewer than 8 bits per value is decoded in another way."""

_HEAD = 64
_GRAY_PALETTE = b"".join(bytes((level, level, level, 0)) for level in range(256))


def check(contents: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
    """Checks the headers of a batch of encoded images, all at once, in the graph.

    Args:
        contents: string (n,), each the bytes of a file.

    Returns:
        The same bytes, which the graph hands on only after the checks, and their
        kinds, int32 (n,). The graph ends with INVALID_ARGUMENT for anything else than
        PNG, JPEG and BMP, and for a PNG or BMP file of no or more than MAX_PIXELS pixels.
        A JPEG file's header has no fixed place: see `check_jpeg`; BMP files: `check_bmp`.
    """
    import tensorflow as tf

    heads = _heads(contents)
    is_png = _begin(heads, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    is_jpeg = _begin(heads, b"\xff\xd8\xff")
    is_bmp = _begin(heads, b"BM")
    pngs = tf.where(heads[:, 24] < 8, FEW_BITS_PNG, PNG)
    kinds = tf.where(is_png, pngs, tf.where(is_jpeg, JPEG, BMP))
    height = tf.where(is_png, _big_endian(heads, 20), tf.abs(_signed(heads, 22)))
    width = tf.where(is_png, _big_endian(heads, 16), _signed(heads, 18))
    contents = _require(
        is_png | is_jpeg | is_bmp, contents, "expected a PNG, JPEG or BMP file", "another"
    )
    return _require_size(contents, height, width, unless=is_jpeg), kinds


def check_jpeg(content: "tf.Tensor", number: "tf.Tensor") -> tuple["tf.Tensor", "tf.Tensor"]:
    """Checks a JPEG file, in the graph.

    Args:
        content: string scalar.
        number: integer scalar, its place in the batch, for messages.

    Returns:
        The same bytes, handed on after the checks, and int32 (2,), height and width. The
        graph ends with INVALID_ARGUMENT for a damaged header, no or more than MAX_PIXELS
        pixels, and more than MAX_SCANS scans.
    """
    import tensorflow as tf

    # libjpeg's own reading of the header, without the pixels.
    size = tf.io.extract_jpeg_shape(content)[:2]
    height, width = tf.unstack(tf.cast(size, tf.int64))
    content = _require_size(content, height, width, number=number)
    # The marker FF DA begins a scan; in pixels, FF is followed by 00.
    scans = _count(content, b"\xff\xda")
    expected = f"expected a JPEG file of at most {MAX_SCANS} scans"
    received = tf.as_string(scans)
    return _require(scans <= MAX_SCANS, content, expected, received, number=number), size


def check_bmp(content: "tf.Tensor", number: "tf.Tensor") -> "tf.Tensor":
    """Checks that TensorFlow reads a BMP file as what it is; it takes colours' indices for grays.

    Args:
        content: string scalar.
        number: integer scalar, its place in the batch, for messages.

    Returns:
        The same bytes, handed on after the check. The graph ends with INVALID_ARGUMENT
        for a palette of colours, fewer than 8 bits per pixel, or compression.
    """
    import tensorflow as tf

    head = _heads(content[tf.newaxis])
    info, bits = _little_endian(head, 14), _little_endian(head, 28, 2)
    # A file that ends early is padded: substr refuses a place behind the end.
    padded = tf.strings.join([tf.strings.substr(content, 0, 2**16), b"\0" * 2**16])
    start = tf.clip_by_value(14 + info[0], 0, 2**16 - len(_GRAY_PALETTE))
    gray = tf.strings.substr(padded, start, len(_GRAY_PALETTE)) == _GRAY_PALETTE
    direct = (bits == 24) | (bits == 32)
    plain = (info >= 40) & (_little_endian(head, 30) == 0) & (direct | (bits == 8) & gray)
    expected = "expected a BMP file of 24 or 32 bits per pixel, or 8 with all grays, not compressed"
    return _require(plain[0], content, expected, "another", number=number)


def may_be_transparent(content: "tf.Tensor") -> "tf.Tensor":
    """Whether a FEW_BITS_PNG may have transparency, bool scalar: whether it says `tRNS`.

    Asked for an alpha channel, TensorFlow 2.21's decoder gives such an image without
    transparency an alpha of 2**bits - 1 instead of 255.

    Args:
        content: string scalar.
    """
    return _count(content, b"tRNS") > 0


def _count(content: "tf.Tensor", pattern: bytes) -> "tf.Tensor":
    """Returns how often some bytes occur, int64 scalar."""
    import tensorflow as tf

    raw = tf.io.decode_raw(content, tf.uint8)
    places = tf.size(raw) - len(pattern) + 1
    matches = [raw[start : start + places] == byte for start, byte in enumerate(pattern)]
    return tf.math.count_nonzero(tf.reduce_all(matches, axis=0))


def _require_size(
    contents: "tf.Tensor",
    height: "tf.Tensor",
    width: "tf.Tensor",
    *,
    unless: Any = False,
    number: "tf.Tensor | None" = None,
) -> "tf.Tensor":
    """Returns `contents` once int64 heights and widths were found in bounds."""
    import tensorflow as tf

    # Each side first: a product of two large ones could pass for a small one.
    fits = (height >= 1) & (width >= 1) & (height <= MAX_PIXELS) & (width <= MAX_PIXELS)
    received = tf.strings.join([tf.as_string(height), " x ", tf.as_string(width)])
    expected = f"expected 1 to {MAX_PIXELS} pixels (height x width)"
    valid = unless | fits & (height * width <= MAX_PIXELS)
    return _require(valid, contents, expected, received, number=number)


def _require(
    valid: "tf.Tensor",
    contents: "tf.Tensor",
    expected: str,
    received: Any,
    *,
    number: "tf.Tensor | None" = None,
) -> "tf.Tensor":
    """Returns `contents` once all are valid; else the graph ends and names the first."""
    import tensorflow as tf

    if number is None:
        # The first that is not; of an empty batch, which is valid, there is none.
        first = tf.argmin(tf.concat([tf.cast(valid, tf.int32), [0]], 0))
        number, received = (
            first,
            tf.concat([tf.broadcast_to(received, tf.shape(valid)), [""]], 0)[first],
        )
    text = tf.strings.join(["image ", tf.as_string(number), f": {expected}. Received: ", received])
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(valid), [text])]):
        return tf.identity(contents)


def _heads(contents: "tf.Tensor") -> "tf.Tensor":
    """Returns the first bytes of each, int64 (n, 64); where a file ends before, 0."""
    import tensorflow as tf

    start = tf.strings.substr(contents, 0, _HEAD)
    heads = tf.io.decode_raw(start, tf.uint8, fixed_length=_HEAD)
    return tf.cast(tf.reshape(heads, [-1, _HEAD]), tf.int64)  # (0, 0) of an empty batch


def _begin(heads: "tf.Tensor", magic: bytes) -> "tf.Tensor":
    import tensorflow as tf

    return tf.reduce_all(tf.equal(heads[:, : len(magic)], list(magic)), axis=1)


def _big_endian(heads: "tf.Tensor", at: int) -> "tf.Tensor":
    import tensorflow as tf

    return tf.reduce_sum(heads[:, at : at + 4] * [2**24, 2**16, 2**8, 1], axis=1)


def _little_endian(heads: "tf.Tensor", at: int, size: int = 4) -> "tf.Tensor":
    import tensorflow as tf

    powers = [2 ** (8 * place) for place in range(size)]
    return tf.reduce_sum(heads[:, at : at + size] * powers, axis=1)


def _signed(heads: "tf.Tensor", at: int) -> "tf.Tensor":
    import tensorflow as tf

    value = _little_endian(heads, at)
    return tf.where(value < 2**31, value, value - 2**32)
