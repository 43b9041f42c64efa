"""Encoded images as a model's pixels, inside a TensorFlow graph.

It does what `kerasdl.datasets.picture` does with a person's own file, so that a served model
and `predict` see the same pixels but for rounding: EXIF rotation of JPEG files, transparency
over white, gray from colours by brightness and colours from gray by repetition, any size brought
to the model's, antialiased.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from kerasdl.export import headers, orientation

if TYPE_CHECKING:
    import tensorflow as tf

BRIGHTNESS = (0.299, 0.587, 0.114)
"""Rec. 601, as in kerasdl.datasets.picture."""

Shape = tuple[int, int, int]


def decode(contents: "tf.Tensor", shape: Shape, *, stretch: bool) -> "tf.Tensor":
    """Decodes a batch of encoded images, one after the other.

    One at a time is in memory as a whole; the graph ends with INVALID_ARGUMENT at the first
    that is damaged, too large or of another format (see `headers.check`).

    Args:
        contents: string (n,), each the bytes of a PNG, JPEG or BMP file of any size.
        shape: Height, width and channels (1 or 3) of the model's images.
        stretch: Bring height and width to the shape's, each for itself. Otherwise the picture
            keeps its proportions and gets a border of its own border's colour.

    Returns:
        uint8 (n, h, w, c).
    """
    import tensorflow as tf

    def one(parts: tuple["tf.Tensor", "tf.Tensor", "tf.Tensor"]) -> "tf.Tensor":
        number, content, kind = parts
        image = tf.switch_case(
            kind,
            {
                headers.PNG: lambda: _decode_png(content),
                headers.FEW_BITS_PNG: lambda: _decode_few_bits_png(content),
                headers.JPEG: lambda: _decode_jpeg(content, number, 2 * max(shape[:2])),
                headers.BMP: lambda: _decode_bmp(content, number),
            },
        )
        return fit(image, shape, stretch=stretch)

    contents, kinds = headers.check(contents)
    return tf.map_fn(
        one,
        (tf.range(tf.size(contents)), contents, kinds),
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        parallel_iterations=1,
    )


def fit(image: "tf.Tensor", shape: Shape, *, stretch: bool) -> "tf.Tensor":
    """Brings an image to a model's shape.

    Args:
        image: uint8 (h, w, 3), of any height and width.
        shape: As in `decode`.
        stretch: As in `decode`.

    Returns:
        uint8 tensor of `shape`.
    """
    import tensorflow as tf

    height, width, _ = shape

    def scaled() -> "tf.Tensor":
        if stretch:
            whole = _with_channels(_resize(image, (height, width)), shape)
        else:
            own = tf.cast(tf.shape(image)[:2], tf.float64)
            scale = tf.reduce_min((height, width) / own)
            size = tf.clip_by_value(tf.cast(tf.round(scale * own), tf.int32), 1, (height, width))
            inner = _with_channels(_resize(image, size), shape)
            whole = _with_border(inner, size, (height, width))
        return tf.cast(whole, tf.uint8)

    def as_it_is() -> "tf.Tensor":
        return image if shape[2] == 3 else tf.cast(_with_channels(image, shape), tf.uint8)

    fits = tf.reduce_all(tf.equal(tf.shape(image)[:2], (height, width)))
    return tf.ensure_shape(tf.cond(fits, as_it_is, scaled), shape)


def _with_channels(image: "tf.Tensor", shape: Shape) -> "tf.Tensor":
    """Returns (h, w, 3) with whole numbers as (h, w, 3), or as (h, w, 1): their brightness."""
    import tensorflow as tf

    if shape[2] == 3:
        return image
    weights = tf.constant(BRIGHTNESS, tf.float64)
    return tf.round(tf.reduce_sum(tf.cast(image, tf.float64) * weights, -1, keepdims=True))


def _decode_png(content: "tf.Tensor") -> "tf.Tensor":
    """Returns uint8 (h, w, 3); palettes become colours, 16 bits the upper 8."""
    import tensorflow as tf

    image = tf.io.decode_png(content, channels=4)
    opaque = tf.reduce_all(image[..., 3] == 255)
    return tf.cond(opaque, lambda: image[..., :3], lambda: _over_white(image))


def _decode_few_bits_png(content: "tf.Tensor") -> "tf.Tensor":
    """Returns the same of a PNG of 1, 2 or 4 bits per value."""
    import tensorflow as tf

    transparent = headers.may_be_transparent(content)
    opaque = partial(tf.io.decode_png, content, channels=3)
    return tf.cond(transparent, lambda: _decode_png(content), opaque)


def _over_white(image: "tf.Tensor") -> "tf.Tensor":
    """Lays uint8 (h, w, 4) over white: in integers, channel by channel, for a large image."""
    import tensorflow as tf

    alpha = tf.cast(image[..., 3], tf.uint16)
    white = 255 * (255 - alpha) + 128
    found = []
    for channel in range(3):
        value = tf.cast(image[..., channel], tf.uint16) * alpha + white
        # x / 255, rounded, without division (Blinn, Jim Blinn's Corner: Three Wrongs Make a
        # Right, IEEE Computer Graphics and Applications 15(6), 1995).
        value = tf.bitwise.right_shift(value + tf.bitwise.right_shift(value, 8), 8)
        found.append(tf.cast(value, tf.uint8))
    return tf.stack(found, axis=-1)


def _decode_jpeg(content: "tf.Tensor", number: "tf.Tensor", enough: int) -> "tf.Tensor":
    """Returns uint8 (h, w, 3), at a half, a quarter or an eighth where `enough` pixels remain."""
    import tensorflow as tf

    content, size = headers.check_jpeg(content, number)
    smaller = tf.reduce_min(size) // enough
    exponent = tf.reduce_sum(tf.cast(smaller >= [2, 4, 8], tf.int32))

    def at(ratio: int) -> "tf.Tensor":
        # As in Pillow; TensorFlow's default trades accuracy for speed.
        method = "INTEGER_ACCURATE"
        return tf.io.decode_jpeg(content, channels=3, ratio=ratio, dct_method=method)

    image = tf.switch_case(exponent, [lambda ratio=2**i: at(ratio) for i in range(4)])
    return orientation.apply(image, orientation.read(content))


def _decode_bmp(content: "tf.Tensor", number: "tf.Tensor") -> "tf.Tensor":
    """Returns uint8 (h, w, 3); the fourth byte of a pixel is no alpha in a plain BMP."""
    import tensorflow as tf

    image = tf.io.decode_bmp(headers.check_bmp(content, number))[..., :3]
    return tf.tile(image, [1, 1, 3 // tf.shape(image)[2]])


def _resize(image: "tf.Tensor", size: Any) -> "tf.Tensor":
    """Returns float64 (h, w, 3) with whole numbers 0..255; `size` is height and width."""
    import tensorflow as tf

    resized = tf.image.resize(image, size, tf.image.ResizeMethod.BILINEAR, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.float64)


def _with_border(image: "tf.Tensor", size: "tf.Tensor", whole: tuple[int, int]) -> "tf.Tensor":
    """Returns the image in the middle of a larger one of its border's median colour."""
    import tensorflow as tf

    edges = tf.concat([image[0], image[-1], image[:, 0], image[:, -1]], 0)
    ordered = tf.sort(edges, axis=0)
    middle = tf.shape(ordered)[0] // 2  # of an even number
    border = tf.round((ordered[middle - 1] + ordered[middle]) / 2)
    before = (whole - size) // 2
    margins = tf.stack([before, whole - size - before], axis=1)
    padded = tf.pad(image, tf.concat([margins, [[0, 0]]], 0))
    inside = tf.pad(tf.ones(size, tf.bool), margins)
    return tf.where(inside[..., tf.newaxis], padded, border)
