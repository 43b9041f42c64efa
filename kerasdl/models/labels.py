"""Class names that travel inside a saved model."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasdl")
class ClassNames(keras.layers.Layer):  # type: ignore[misc]
    """Passes its input through and keeps the names of the classes in its config.

    Args:
        names: One name per output of the model, in the order of the labels.
    """

    def __init__(self, names: list[str], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.names = list(names)

    def call(self, inputs: Any) -> Any:
        """Returns `inputs` (n, num_classes) unchanged."""
        return inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the model."""
        return {**super().get_config(), "names": self.names}


def with_class_names(model: keras.Model, names: tuple[str, ...]) -> keras.Model:
    """Returns `model` with the class names inside, sharing its layers and weights.

    Args:
        model: A model with one output (n, len(names)).
        names: One name per output.

    Raises:
        ValueError: If the number of names is not the model's number of outputs.
    """
    if model.output_shape[-1] != len(names):
        raise ValueError(
            f"expected {model.output_shape[-1]} class names, one for each output. "
            f"Received: {len(names)}"
        )
    layer = ClassNames(list(names), name="class_names")
    if isinstance(model, keras.Sequential):
        (source,) = model.inputs
        # A Sequential's `layers` lack the input; without one it would not be built.
        inputs = keras.Input(batch_shape=source.shape, dtype=source.dtype, name=source.name)
        return keras.Sequential([inputs, *model.layers, layer], name=model.name)
    return keras.Model(model.inputs[0], layer(model.outputs[0]), name=model.name)


def class_names(model: keras.Model) -> tuple[str, ...] | None:
    """Returns the names kept in `model`, or None when it has none."""
    for layer in model.layers:
        if isinstance(layer, ClassNames):
            return tuple(layer.names)
    return None
