"""Heads on the features of a frozen base as a KerasTuner hypermodel."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from kerasdl.models.head import standardized
from kerasdl.training.compiling import compile_model
from kerasdl.training.precision import policy, resolve
from kerasdl.tuning.hypermodels import Searched


def make_head(
    inputs: int, num_classes: int, *, head: Sequence[int], dropout: float, l2: float
) -> keras.Model:
    """Returns the head of a model of `kerasdl.models.transfer`, by itself.

    Args:
        inputs: Features of an image.
        num_classes: Outputs.
        head: Neurons of the hidden layers.
        dropout: Share of the inputs of each layer that is dropped in training, 0 <= p < 1.
        l2: Strength s of s * sum w^2 of each kernel, added to the loss; 0 for none.

    Returns:
        A model from (n, inputs) features to (n, num_classes) float32 logits, whose weights are
        those of `transfer.head_model`, in their order.
    """
    regularizer = keras.regularizers.L2(l2) if l2 else None
    features = keras.Input((inputs,), name="features")
    x = standardized(features)
    x = layers.Dropout(dropout)(x) if dropout else x
    for number, units in enumerate(head, start=1):
        x = layers.Dense(
            units,
            activation="relu",
            kernel_initializer="he_normal",
            kernel_regularizer=regularizer,
            name=f"hidden{number}",
        )(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    # As in `models.head.scores`, a linear head begins at zero.
    logits = layers.Dense(
        num_classes,
        kernel_initializer="glorot_uniform" if head else "zeros",
        kernel_regularizer=regularizer,
        dtype="float32",
        name="logits",
    )
    return keras.Model(features, logits(x), name="head")


class HeadModel(Searched):
    """A head whose settings and training are searched; `Searched` has the other arguments.

    Args:
        inputs: Features of an image.
        num_classes: Outputs.
        num_examples: What it is trained on, for schedules.
    """

    def __init__(self, inputs: int, num_classes: int, num_examples: int, **options: Any) -> None:
        super().__init__("head", **options)
        self._shape, self._examples = (inputs, num_classes), num_examples

    def settings(self, hp: Any) -> Mapping[str, Any]:
        """Returns the arguments of `make_head` of a trial."""
        return self._space(hp)["settings"]

    def build(self, hp: Any) -> keras.Model:
        """Returns the compiled model of a trial."""
        with policy(resolve(self._precision)):
            model = make_head(*self._shape, **self.settings(hp))
            compile_model(model, self.training(hp), self._examples)
        return model
