"""Grad-CAM: which parts of an image speak for a class.

Source: Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations from
Deep Networks via Gradient-based Localization", ICCV 2017, section 3: the feature maps of the last
convolution, each weighted with how much it raises the class's score, added up; what is below zero,
which speaks for other classes, is cut off.

Four things differ from many programs:

- The weight of a map is the gradient at each cell, not its mean over all cells (HiResCAM: Draelos
  and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
  networks", arXiv:2011.08891). Before an average over all cells the two are the same. Before a
  dense layer, which wants one thing here and another there, the mean puts evidence where there
  is none: what it marks is worth no more to LeNet-5 than what the map of another image marks
  (benchmarks/heat_maps.py). `averaged` gives the paper's own.
- So earlier maps can be used where the last have too few cells (`feature_maps.CELLS`).
- The score is the logit, not the softmax's output, which is flat where the network is sure.
- A cell's value is put where the cell looks. The maps of a network without padding cover less
  than the image; stretched to its edges they would show places beside those that mattered (for
  LeNet-5 by up to five pixels of 28).
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.models.feature_maps import FeatureMaps, last_maps

BATCH = 64


def maps_of(model: keras.Model) -> FeatureMaps:
    """Returns the feature maps that a model is explained by.

    Args:
        model: A functional or Sequential model from pixels (n, h, w, c) to logits (n, k), models
            inside it included.

    Raises:
        ValueError: If it is of another kind, has no convolution, or ends with a softmax.
    """
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax) or (
        getattr(last, "activation", None) is keras.activations.softmax
    ):
        raise ValueError(
            "Grad-CAM takes a model that ends with logits. "
            f"Received: {model.name!r}, which ends with a softmax"
        )
    found = last_maps(model)
    if found is None:
        raise ValueError(
            "Grad-CAM takes a network with convolutions and maps of more than one cell. "
            f"Received: {model.name!r}, which has none"
        )
    return found


def heat_maps(
    model: keras.Model,
    images: npt.ArrayLike,
    classes: npt.ArrayLike | None = None,
    *,
    averaged: bool = False,
) -> npt.NDArray[np.float32]:
    """Shows which parts of images speak for a class.

    Args:
        model: As for `maps_of`; nothing is trained and its weights stay.
        images: Array (n, h, w, c) of raw pixels, 0..255, as the model takes them.
        classes: Integer array (n,), 0..k - 1; None for the class that the model answers.
        averaged: Whether a map has one weight, the mean of the gradient over its cells.

    Returns:
        float32 array (n, h, w), 0..1: 1 where an image speaks most for the class, 0 where
        it does not; all 0 where nothing in the image does.

    Raises:
        ValueError: If the model cannot be explained so, `classes` does not fit, or Keras runs on
            neither TensorFlow nor JAX.
    """
    pixels = np.asarray(images, np.float32)
    chosen = None if classes is None else _check(classes, len(pixels), model.output_shape[-1])
    explain = _FUNCTIONS[_backend()](model, averaged=averaged)
    parts = []
    for start in range(0, len(pixels), BATCH):
        part = slice(start, start + BATCH)
        parts.append(np.asarray(explain(pixels[part], None if chosen is None else chosen[part])))
    empty = np.zeros((0, *pixels.shape[1:3]), np.float32)
    return np.concatenate(parts) if parts else empty


def make_graph_function(model: keras.Model, *, averaged: bool = False) -> Callable[..., Any]:
    """Returns Grad-CAM as TensorFlow operations, for a `tf.function` that is exported.

    Args:
        model: As for `maps_of`.
        averaged: As for `heat_maps`.

    Returns:
        A function of images (n, h, w, c), a tensor of any number type, 0..255, and of classes,
        an integer tensor (n,) or None for the class that the model answers. It returns the heat
        maps as a float32 tensor (n, h, w), 0..1, as `heat_maps` does.
    """
    import tensorflow as tf

    maps = maps_of(model)
    vertical, horizontal = maps.spread()

    def explain(images: Any, classes: Any = None) -> Any:
        cells = _through(maps.lower, tf.cast(images, tf.float32))
        with tf.GradientTape() as tape:
            tape.watch(cells)
            logits = _through(maps.upper, cells)
            answer = tf.argmax(logits, axis=-1) if classes is None else classes
            scores = tf.gather(logits, answer, axis=-1, batch_dims=1)
        gradient = tape.gradient(scores, cells)
        weights = tf.cast(gradient, tf.float32)
        if averaged:
            weights = tf.reduce_mean(weights, axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(tf.cast(cells, tf.float32) * weights, axis=-1))
        heat = tf.einsum("yi,nij,xj->nyx", vertical, heat, horizontal)
        return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))

    return explain


def _make_jax_function(model: keras.Model, *, averaged: bool = False) -> Callable[..., Any]:
    """Returns the same in JAX, compiled."""
    import jax
    from jax import numpy as jnp

    maps = maps_of(model)
    vertical, horizontal = maps.spread()

    def scores(cells: Any, classes: Any) -> tuple[Any, Any]:
        logits = _through(maps.upper, cells)
        answer = jnp.argmax(logits, axis=-1) if classes is None else classes
        chosen = jnp.take_along_axis(logits, answer[:, np.newaxis], axis=-1)
        return chosen.sum(), answer

    def explain(images: Any, classes: Any = None) -> Any:
        cells = _through(maps.lower, images)
        gradient, _ = jax.grad(scores, has_aux=True)(cells, classes)
        weights = gradient.astype("float32")
        if averaged:
            weights = weights.mean(axis=(1, 2), keepdims=True)
        heat = jax.nn.relu((cells.astype("float32") * weights).sum(axis=-1))
        heat = jnp.einsum("yi,nij,xj->nyx", vertical, heat, horizontal)
        most = heat.max(axis=(1, 2), keepdims=True)
        return jnp.where(most > 0, heat / jnp.where(most > 0, most, 1.0), 0.0)

    compiled: Callable[..., Any] = jax.jit(explain)
    return compiled


_FUNCTIONS = {"tensorflow": make_graph_function, "jax": _make_jax_function}


def _through(models: tuple[keras.Model, ...], x: Any) -> Any:
    for model in models:
        x = model(x, training=False)
    return x


def _backend() -> str:
    name = str(keras.backend.backend())
    if name not in _FUNCTIONS:
        raise ValueError(
            f"Grad-CAM runs with Keras on TensorFlow or JAX. Received: {name}; "
            "set KERAS_BACKEND=tensorflow"
        )
    return name


def _check(classes: npt.ArrayLike, count: int, num_classes: int) -> npt.NDArray[np.int32]:
    """Returns one class for each image.

    Raises:
        ValueError: If there are more or fewer, or one is no class of the model.
    """
    chosen = np.asarray(classes)
    fits = chosen.shape == (count,)
    if fits and count:
        known = 0 <= chosen.min() <= chosen.max() < num_classes
        fits = known and np.issubdtype(chosen.dtype, np.integer)
    if not fits:
        raise ValueError(
            f"expected {count} classes in 0..{num_classes - 1}, one for each image. "
            f"Received: {chosen.dtype} {chosen.shape}, {chosen.tolist()[:8]!r}"
        )
    return chosen.astype(np.int32)
