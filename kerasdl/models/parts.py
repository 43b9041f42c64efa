"""The parts of a model of `transfer`: the base, what makes features, and the head on them."""

import keras


def is_transfer(model: keras.Model) -> bool:
    """Return whether a model is one of `transfer`, built or loaded."""
    found = {layer.name for layer in model.layers}
    return {"pixels", "pool", "logits"} <= found and len(_models_inside(model)) == 1


def base_of(model: keras.Model) -> keras.Model:
    """Return the base inside a model of `transfer`, up to its cut.

    Raises:
        ValueError: the model is another.
    """
    if not is_transfer(model):
        raise ValueError(
            f"Expected a model of kerasdl.models.transfer. Received: {model.name!r}, which has no "
            "base and head."
        )
    (base,) = _models_inside(model)
    return base


def features_model(model: keras.Model) -> keras.Model:
    """Return the part before the head, sharing its layers and weights.

    Args:
        model: a model of `transfer`, built or loaded.

    Returns:
        A model from (n, height, width, channels) pixels 0..255 to (n, d) features.

    Raises:
        ValueError: the model is another.
    """
    base_of(model)
    return keras.Model(model.input, model.get_layer("pool").output, name="features")


def head_model(model: keras.Model) -> keras.Model:
    """Return the part behind the features, sharing its layers and weights: training it trains both.

    Args:
        model: a model of `transfer`, built or loaded.

    Returns:
        A model from (n, d) features to (n, num_classes) float32 logits.

    Raises:
        ValueError: the model is another.
    """
    base_of(model)
    pool = model.get_layer("pool")
    inputs = keras.Input(pool.output.shape[1:], dtype=pool.output.dtype, name="features")
    x = inputs
    # The head is a chain, so that the order of the layers is the order of their calls.
    for layer in model.layers[model.layers.index(pool) + 1 :]:
        x = layer(x)
    return keras.Model(inputs, x, name="head")


def _models_inside(model: keras.Model) -> list[keras.Model]:
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]
