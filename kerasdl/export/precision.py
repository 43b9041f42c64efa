"""A model that computes in float32, whatever it was trained in."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def computes_in_float32(model: "keras.Model") -> bool:
    """Whether all layers, those of models inside included, compute in float32."""
    return all(
        layer.compute_dtype == "float32" for layer in model._flatten_layers(include_self=False)
    )


def as_float32(model: "keras.Model") -> "keras.Model":
    """Returns a model with the same layers and weights that computes in float32.

    Mixed precision keeps its weights in float32, so they lose nothing.

    Args:
        model: A model; it is returned as it is when it computes in float32 already.
    """
    return model if computes_in_float32(model) else copy_as_float32(model)


def copy_as_float32(model: "keras.Model") -> "keras.Model":
    """Returns the same always as a copy, with layers and weights of its own."""
    import keras

    config = _replaced(keras.saving.serialize_keras_object(model))
    copy: keras.Model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    copy.set_weights(model.get_weights())
    return copy


def _replaced(config: Any) -> Any:
    """Returns a model's config with the policy float32 in place of every other."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {**config["config"], "name": "float32"}}
        return {key: _replaced(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_replaced(value) for value in config)
    return config
