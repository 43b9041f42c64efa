"""Building a base, without weights of anyone's, and the base that keeps what others' taught it."""

from typing import Any

import keras

from kerasdl.models.bases import Base


@keras.saving.register_keras_serializable("kerasdl")
class PretrainedBase(keras.Model):  # type: ignore[misc]
    """A functional model that computes in inference mode also while the model around it trains.

    Its BatchNorm keeps the statistics of the pre-training and its dropout drops nothing, whether
    its weights train or not. Calling a plain model with `training=False` is not enough: in Keras
    3.15 a functional model hands its own `training` on to every layer inside, over the one that
    the layer was called with when the model was built.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the output for `inputs` in inference mode, whatever `training` says."""
        return super().call(inputs, training=False, mask=mask)


def base_model(base: Base, shape: tuple[int, int, int]) -> keras.Model:
    """Build an architecture of `keras.applications` without its top and its preprocessing.

    Args:
        base: which.
        shape: (height, width, 3) of the preprocessed images, at least the base's minimum.

    Returns:
        A model with random weights from (n, height, width, 3) to a map of features
        (n, height', width', channels); named `base.layer_name`.
    """
    function = getattr(keras.applications, base.function)
    whole = function(weights=None, include_top=False, input_shape=shape, **base.options)
    inputs, outputs = whole.input, whole.output
    if base.preprocessing == "efficientnet":
        # Its first two layers are the preprocessing, with weights for constants that only the file
        # of ImageNet's weights sets: a base from anywhere else would go without.
        rest = keras.Model(whole.get_layer("stem_conv_pad").input, outputs)
        # Its layers still know the old graph as well, and `layer.output` would be in that one.
        rest = keras.models.clone_model(rest)
        inputs, outputs = rest.input, rest.output
    if base.preprocessing == "convnext":
        # Keras leaves the last layer without a name: it would be numbered by what was built before.
        last = whole.layers[-1]
        name = f"{base.name}_layernorm"
        outputs = keras.layers.LayerNormalization(epsilon=last.epsilon, name=name)(last.input)
    return keras.Model(inputs, outputs, name=base.layer_name)
