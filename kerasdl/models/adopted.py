"""A person's own Keras model made one that kerasdl can train: from pixels to logits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

_CROSSENTROPIES = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
}


class Adopted(NamedTuple):
    """A model as it is trained.

    Args:
        model: From pixels (n, h, w, c) to logits (n, num_classes); shares the layers of the
            person's own.
        optimizer: The one it was compiled with; None for an uncompiled one.
        smoothing: The label smoothing of the loss it was compiled with.
        probabilities: What was taken off its end, "softmax" or "sigmoid"; "" for logits.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer | None
    smoothing: float
    probabilities: str


def adopt(model: Any, input_shape: Sequence[int], num_classes: int, place: str) -> Adopted:
    """Returns a person's model with logits as its outputs.

    A softmax at the end is taken off: a softmax before the cross-entropy and one inside it are
    the same function, and logits do not round to 0 or 1. One sigmoid for two classes becomes
    the logits 0 and z, whose softmax is that sigmoid.

    Args:
        model: What the function returned; it belongs to nobody else.
        input_shape: (height, width, channels) of the images.
        num_classes: The classes, >= 2.
        place: Where the function is, for messages.

    Raises:
        ValueError: If it is no model of such images and classes, or was compiled with a loss
            that is no cross-entropy.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"{place} must return a keras.Model. Received: {type(model).__name__}")
    optimizer, smoothing = _compiled(model, place)
    functional = _functional(model, tuple(input_shape), place)
    _check_classes(functional, place)
    logits, taken = _logits(functional)
    if not taken and logits.shape[1:] != (1,) and _gives_probabilities(functional, input_shape):
        # Computed where nothing can be taken off: its logarithm has the same softmax.
        logits, taken = keras.ops.log(keras.ops.maximum(logits, 1e-7)), "softmax"
    if logits.shape[1:] == (1,) and num_classes == 2:
        # Ordinary layers, so that plain Keras loads what is saved.
        zero = keras.layers.Rescaling(0.0, name="logit_of_the_first_class")(logits)
        logits = keras.layers.Concatenate(name="two_logits")([zero, logits])
    elif taken == "sigmoid":
        raise ValueError(
            f"{place}: {num_classes} classes that exclude each other need a softmax or logits at "
            "the end. Received: sigmoids"
        )
    if logits.shape[1:] != (num_classes,):
        raise ValueError(
            f"{place} must give {num_classes} scores an image, one for each class. "
            f"Received: outputs of the shape {tuple(logits.shape)}; take the number from the "
            "argument num_classes"
        )
    if logits is not functional.outputs[0]:
        functional = keras.Model(functional.inputs[0], logits, name=model.name)
    return Adopted(functional, optimizer, smoothing, taken)


def rescales(model: keras.Model) -> bool:
    """Whether a model begins with a layer that expects pixels 0..255."""
    kinds = keras.layers.Rescaling | keras.layers.Normalization | keras.layers.BatchNormalization
    first = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)][:4]
    # A model inside is mostly a base from keras.applications; some have their scaling inside.
    return any(isinstance(layer, kinds | keras.Model) or not layer.built for layer in first)


def _functional(model: keras.Model, input_shape: tuple[int, ...], place: str) -> keras.Model:
    """Returns the model as one with known inputs and outputs, sharing its layers."""
    known = bool(getattr(model, "inputs", None))
    if known and (len(model.inputs) != 1 or len(model.outputs) != 1):
        raise ValueError(
            f"{place} must have one input and one output. Received: {len(model.inputs)} and "
            f"{len(model.outputs)}"
        )
    if known:
        expected = tuple(model.inputs[0].shape[1:])
        fits = len(expected) == 3 and all(
            size in (None, wanted) for size, wanted in zip(expected, input_shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{place} must take images of the shape {input_shape}. Received: a model for "
                f"{expected}; use the argument input_shape, and Flatten or Resizing inside"
            )
        if None not in expected:
            return model
    inputs = keras.Input(input_shape, name="images")
    try:
        outputs = model(inputs)
    except Exception as error:  # whatever a person's call raises
        raise ValueError(
            f"{place} cannot be computed for images of the shape {input_shape}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return keras.Model(inputs, outputs, name=model.name)


def _logits(model: keras.Model) -> tuple[Any, str]:
    """Returns the logits of a functional model, and what came after them."""
    output = model.outputs[0]
    layer = output._keras_history.operation
    if isinstance(layer, keras.layers.Softmax):
        return layer.input, "softmax"
    activation = getattr(layer, "activation", None)
    for name in ("softmax", "sigmoid"):
        if activation is getattr(keras.activations, name):
            layer.activation = keras.activations.linear
            return output, name
    if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
        # The whole of it in one layer, as of a Sequential without an Input.
        inner, taken = _logits(layer)
        if taken and inner is not layer.outputs[0]:
            whole = keras.Model(layer.inputs[0], inner, name=layer.name)
            return whole(model.inputs[0]), taken
        return output, taken
    return output, ""


def _gives_probabilities(model: keras.Model, input_shape: Sequence[int]) -> bool:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4, *input_shape)).astype(np.float32)
    outputs = keras.ops.convert_to_numpy(model(images, training=False))
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-3))


def _check_classes(model: keras.Model, place: str) -> None:
    """Raises ValueError for classes that Keras could save, but not load again."""
    for layer in model._flatten_layers():
        kind = type(layer)
        known = kind.__module__.partition(".")[0] in ("keras", "kerasdl")
        if not known and keras.saving.get_registered_name(kind) == kind.__name__:
            raise ValueError(
                f"{place} has a class of its own, {kind.__name__}, that a saved model could not "
                "be loaded with; put @keras.saving.register_keras_serializable() before it"
            )


def _compiled(model: keras.Model, place: str) -> tuple[Any, float]:
    """Returns the optimizer and the label smoothing that a model was compiled with."""
    loss = getattr(model, "loss", None) if model.compiled else None
    if loss is None:
        return None, 0.0
    kind = _CROSSENTROPIES.get(loss) if isinstance(loss, str) else None
    for known in _CROSSENTROPIES.values():
        if isinstance(loss, known):
            kind = known
    if kind is None and loss not in (
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.categorical_crossentropy,
        keras.losses.binary_crossentropy,
    ):
        raise ValueError(
            f"{place} must be compiled with a cross-entropy ({', '.join(_CROSSENTROPIES)}) or "
            f"not at all. Received: {loss if isinstance(loss, str) else type(loss).__name__}"
        )
    return model.optimizer, float(getattr(loss, "label_smoothing", 0.0) or 0.0)
