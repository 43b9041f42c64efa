"""Other formats than SavedModel, through Keras's own exporters: ONNX, LiteRT and OpenVINO."""

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasdl.export.precision import copy_as_float32

if TYPE_CHECKING:
    import keras

SAVED_MODEL = "saved_model"
FILES = {"onnx": "model.onnx", "litert": "model.tflite", "openvino": "model.xml"}
"""The file of each in a folder of its name. OpenVINO has its weights beside it, in model.bin."""

NEEDED = {
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "litert": ("ai_edge_litert",),
    "openvino": ("openvino",),
}
"""What writes a format, and what runs it in the comparison."""


def parse(text: str) -> tuple[str, ...]:
    """Returns the formats that a user named, SavedModel first.

    SavedModel is always written: a version's folder without one is an error to every server that
    watches it.

    Args:
        text: Names with commas between.

    Raises:
        ValueError: If a name is unknown.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    known = (SAVED_MODEL, *FILES)
    for name in names:
        if name not in known:
            raise ValueError(f"--format takes some of {', '.join(known)}. Received: {name!r}")
    return SAVED_MODEL, *(name for name in FILES if name in names)


def check_installed(formats: Sequence[str]) -> None:
    """Checks that the packages that write and run some formats are there, importing none.

    Raises:
        ValueError: If one is missing.
    """
    for name in formats:
        missing = [
            module for module in NEEDED.get(name, ()) if importlib.util.find_spec(module) is None
        ]
        if missing:
            raise ValueError(
                f"--format {name} needs {', '.join(missing)}: pip install 'kerasdl[export]'"
            )


def with_probabilities(model: "keras.Model", temperature: float) -> "keras.Model":
    """Returns a float32 model from `images`, uint8 (n, h, w, c), to `probabilities` (n, k).

    Args:
        model: From pixels 0..255 to logits.
        temperature: What logits are divided by before the softmax, > 0.
    """
    import keras
    import numpy as np

    inner = _for_converters(copy_as_float32(model))
    inputs = keras.Input(inner.input_shape[1:], dtype="uint8", name="images")
    # Said, not left out: where nothing is said, a Resizing layer (Keras 3.15) makes the layers
    # behind it train, and BatchNorm answers by the batch.
    logits = inner(keras.ops.cast(inputs, "float32"), training=False)
    softmax = keras.layers.Softmax(dtype="float32")
    whole = keras.Model(inputs, {"probabilities": softmax(logits / temperature)}, name="served")
    # Keras's exporter to ONNX wants a model that was called.
    whole(np.zeros((1, *inner.input_shape[1:]), np.uint8))
    return whole


def _for_converters(model: "keras.Model") -> "keras.Model":
    """Changes a model where converters fall short, so that it answers the same; returns it.

    A tensor that a layer made outside of the graph, such as the means of pixels, would be an
    input that nobody feeds: it becomes an array. Antialiased resizing is nothing that LiteRT
    has: where images become larger there is nothing to smooth, and plain resizing does the same.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    for layer in model._flatten_layers(include_self=False):
        for name, value in list(vars(layer).items()):
            if isinstance(value, tf.Tensor):
                setattr(layer, name, np.asarray(value))
        if isinstance(layer, keras.layers.Resizing):
            own, new = layer.input.shape[1:3], (layer.height, layer.width)
            if all(before <= after for before, after in zip(own, new, strict=True)):
                layer.antialias = False
    return model


def write(whole: "keras.Model", folder: Path, name: str) -> None:
    """Writes one format into a folder of its name.

    Args:
        whole: As from `with_probabilities`.
        folder: A version's folder.
        name: One of FILES.

    Raises:
        ValueError: If the exporter cannot express the model.
    """
    path = folder / name / FILES[name]
    path.parent.mkdir()
    try:
        with (
            # The converters talk to standard output and use names that NumPy warns of.
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(action="ignore"),
        ):
            whole.export(str(path), format=name, verbose=False)
    # Each converter has exceptions of its own.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"the model cannot be written as {name}: {reason}") from error
