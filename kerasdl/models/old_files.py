"""A layer of files that earlier versions saved; see `saved`."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasdl")
class ClassNames(keras.layers.Layer):  # type: ignore[misc]
    """Passed its input through and kept the names of the classes in its config.

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
