"""A Keras model as a SavedModel with three signatures, preprocessing and labels inside."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.export.decode import decode

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PIXELS = "serving_default"
BYTES = "serving_bytes"
EXPLAIN = "serving_explain"


def image_shape(model: "keras.Model") -> tuple[int, int, int]:
    """Returns height, width and channels of a model's images.

    Raises:
        ValueError: If the model does not take images of one size, gray or in colour.
    """
    shape = model.input_shape
    if (
        not isinstance(shape, tuple)
        or len(shape) != 4
        or None in shape[1:]
        or shape[3] not in (1, 3)
    ):
        raise ValueError(
            "expected a model of one input, (n, height, width, 1 or 3) of a fixed size. "
            f"Received: {shape}"
        )
    height, width, channels = shape[1:]
    return height, width, channels


def has_explanation(model: "keras.Model") -> bool:
    """Whether there are maps of a convolution that an answer can be explained by."""
    from kerasdl.models.feature_maps import last_maps

    return last_maps(model) is not None


def write(
    model: "keras.Model",
    folder: Path,
    *,
    class_names: Sequence[str],
    temperature: float = 1.0,
    stretch: bool = False,
) -> list[str]:
    """Writes the SavedModel, through Keras's own export.

    Args:
        model: From pixels 0..255 (n, h, w, c) to logits (n, k).
        folder: Where; a new or empty folder.
        class_names: The k names, in the order of the labels.
        temperature: What logits are divided by before the softmax, > 0.
        stretch: How `serving_bytes` brings pictures to the model's size, see `decode.decode`.

    Returns:
        The names of its signatures: `serving_default` takes `images`, uint8 (n, h, w, c);
        `serving_bytes` takes `image_bytes`, strings (n,), PNG, JPEG or BMP; both return
        `probabilities` float32 (n, k), `classes` int64 (n,) and `labels` strings (n,).
        `serving_explain`, where the model has a convolution, takes what `serving_default` takes
        and returns `heatmap`, float32 (n, h, w) 0..1, besides: Grad-CAM of the answered class.

    Raises:
        ValueError: If the model's shapes are others, or the number of names.
    """
    import keras
    import tensorflow as tf

    shape = image_shape(model)
    if tuple(model.output_shape[1:]) != (len(class_names),):
        raise ValueError(
            f"expected one class name for each of the outputs {model.output_shape}. "
            f"Received: {len(class_names)}"
        )
    names = list(class_names)

    def answer(images: "tf.Tensor") -> dict[str, "tf.Tensor"]:
        logits = tf.cast(model(tf.cast(images, tf.float32), training=False), tf.float32)
        probabilities = tf.nn.softmax(logits / temperature)
        classes = tf.argmax(probabilities, axis=-1)
        labels = tf.gather(tf.constant(names), classes)
        return {"probabilities": probabilities, "classes": classes, "labels": labels}

    pixels = tf.TensorSpec((None, *shape), tf.uint8, name="images")
    endpoints: dict[str, tuple[Callable[..., Any], Any]] = {
        PIXELS: (lambda images: answer(exact(images, shape)), pixels),
        BYTES: (
            lambda image_bytes: answer(decode(image_bytes, shape, stretch=stretch)),
            tf.TensorSpec((None,), tf.string, name="image_bytes"),
        ),
    }
    if has_explanation(model):
        from kerasdl.training.gradcam import make_graph_function

        explain = make_graph_function(model)

        def explained(images: "tf.Tensor") -> dict[str, "tf.Tensor"]:
            images = exact(images, shape)
            return {**answer(images), "heatmap": explain(images)}

        endpoints[EXPLAIN] = explained, pixels
    archive = keras.export.ExportArchive()
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=[signature])
    archive.write_out(str(folder), verbose=False)
    return list(endpoints)


def exact(images: "tf.Tensor", shape: tuple[int, int, int]) -> "tf.Tensor":
    """Ends the graph with INVALID_ARGUMENT where images have another shape than the model's.

    A signature says its shape and does not enforce it; a network that ends with global pooling
    would answer images of any size, with anything.

    Args:
        images: Tensor (n, h, w, c).
        shape: (h, w, c).
    """
    import tensorflow as tf

    received = tf.shape(images)
    expected = f"expected images of the shape (n, {', '.join(map(str, shape))}). Received:"
    valid = tf.reduce_all(tf.equal(received[1:], shape))
    with tf.control_dependencies([tf.debugging.Assert(valid, [expected, received], summarize=8)]):
        return tf.identity(images)
