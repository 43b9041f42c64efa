"""A trained model as one of Keras's own layers: what is saved loads without this package.

Our layers are for training: a base that stays in inference mode, a convolution that adapts to the
images. Once that is done, each is one of Keras's layers with the same weights.
"""

from typing import Any

import keras
import numpy as np

from kerasdl.models.base_model import PretrainedBase
from kerasdl.models.flat import BRIGHTNESS, Grayscale
from kerasdl.models.smallnet import Dirac
from kerasdl.models.whitening import PatchWhitening


def ordinary(model: keras.Model) -> keras.Model:
    """Returns a model of Keras's layers alone that computes the same.

    Args:
        model: A built model; a person's own may have layers of theirs, which stay. One that is
            neither Sequential nor functional is returned as it is: nothing of ours is in it.

    Returns:
        A model, not compiled, that shares the layers which stay; the given one is still whole.
    """
    for layer in model._flatten_layers():
        # How the weights began does not matter any more.
        if isinstance(getattr(layer, "kernel_initializer", None), Dirac):
            layer.kernel_initializer = keras.initializers.GlorotUniform()
    if not any(type(layer) in _REPLACED for layer in model.layers):
        return model
    return keras.models.clone_model(model, clone_function=_replace)


def _replace(layer: Any) -> Any:
    replace = _REPLACED.get(type(layer))
    return layer if replace is None else replace(layer)


def _convolution(layer: Any, kernel: Any) -> keras.layers.Layer:
    """Returns a fixed convolution in the place of a layer, with its name and number format."""
    kernel = np.asarray(kernel)
    made = keras.layers.Conv2D(
        kernel.shape[-1],
        kernel.shape[:2],
        use_bias=False,
        trainable=False,
        dtype=layer.dtype_policy,
        name=layer.name,
    )
    made.build(layer.input.shape)
    made.set_weights([kernel])
    return made


def _grayscale(layer: Grayscale) -> keras.layers.Layer:
    return _convolution(layer, np.reshape(BRIGHTNESS, (1, 1, 3, 1)))


def _whitening(layer: PatchWhitening) -> keras.layers.Layer:
    return _convolution(layer, layer.kernel)


def _base(layer: PretrainedBase) -> keras.Model:
    # Which of its weights trained is a property of its layers.
    return keras.Model(layer.inputs, layer.outputs, name=layer.name)


_REPLACED = {Grayscale: _grayscale, PatchWhitening: _whitening, PretrainedBase: _base}
