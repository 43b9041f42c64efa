"""A JPEG's EXIF orientation, inside a TensorFlow graph: phones store pictures lying down."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

TAG = 0x0112
MAX_ENTRIES = 64
SEARCHED = 2**16
"""Bytes; one segment of a JPEG is no longer, and cameras write EXIF first."""


def read(content: "tf.Tensor") -> "tf.Tensor":
    """Reads the orientation that a JPEG's EXIF data states.

    Source: Exif 2.32 (CIPA DC-008), section 4.6; TIFF 6.0, sections 2 and 8.

    Args:
        content: string scalar, the file's bytes.

    Returns:
        int64 scalar, 1 to 8; 1, which is upright, where there is none.
    """
    import tensorflow as tf

    start = tf.io.decode_raw(tf.strings.substr(content, 0, SEARCHED), tf.uint8)
    # What is read behind the end is zero.
    data = tf.concat([tf.cast(start, tf.int64), tf.zeros(16, tf.int64)], 0)

    def take(places: "tf.Tensor") -> "tf.Tensor":
        return tf.gather(data, tf.clip_by_value(places, 0, tf.size(data, tf.int64) - 1))

    marker = {0: 0xFF, 1: 0xE1, **{4 + i: byte for i, byte in enumerate(b"Exif\0\0")}}
    last = tf.size(data) - 9
    matches = tf.reduce_all(
        [data[place : place + last] == byte for place, byte in marker.items()], axis=0
    )
    tiff = tf.argmax(matches, output_type=tf.int64) + 10
    little = take(tiff) == ord("I")

    def number(places: "tf.Tensor", size: int) -> "tf.Tensor":
        digits = [take(places + i) for i in range(size)]
        up = sum(digit * 256**i for i, digit in enumerate(digits))
        down = sum(digit * 256**i for i, digit in enumerate(reversed(digits)))
        return tf.where(little, up, down)

    directory = tiff + number(tiff + 4, 4)
    entries = directory + 2 + 12 * tf.range(MAX_ENTRIES, dtype=tf.int64)
    in_use = tf.range(MAX_ENTRIES, dtype=tf.int64) < number(directory, 2)
    found = in_use & (number(entries, 2) == TAG)
    value = number(entries[tf.argmax(found)] + 8, 2)
    valid = tf.reduce_any(matches) & tf.reduce_any(found) & (value >= 1) & (value <= 8)
    return tf.where(valid, value, 1)


def apply(image: "tf.Tensor", orientation: "tf.Tensor") -> "tf.Tensor":
    """Turns an image upright.

    Args:
        image: Tensor (h, w, c).
        orientation: int64 scalar, 1 to 8.

    Returns:
        Tensor (h, w, c), or (w, h, c) for 5 to 8.
    """
    import tensorflow as tf

    def among(*values: int) -> "tf.Tensor":
        return tf.reduce_any(tf.equal(orientation, values))

    image = tf.transpose(image, tf.where(orientation >= 5, [1, 0, 2], [0, 1, 2]))
    return tf.reverse(image, tf.boolean_mask([0, 1], [among(3, 4, 7, 8), among(2, 3, 6, 7)]))
