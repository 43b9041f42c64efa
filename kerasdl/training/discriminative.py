"""Discriminative learning rates: the nearer a weight is to the image, the lower its rate.

Howard and Ruder 2018 (ACL, "Universal Language Model Fine-tuning for Text Classification",
section 3.2): what the lower layers have learned is general, and should change less.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import keras


class _Scaled:
    """Beside an optimizer of Keras's: its rate times a factor of each variable's own.

    Decoupled weight decay pulls by the rate, and so by the scaled one.

    Args:
        scales: One factor for each variable, in the order that the optimizer is built with.
        **options: The optimizer's own arguments.
    """

    kind: type[keras.optimizers.Optimizer]
    """The optimizer that this is but for the rates."""
    weight_decay: float | None

    def __init__(self, *arguments: Any, scales: Sequence[float], **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A tuple: Keras's optimizers replace lists by ones that they track.
        self.scales = tuple(scales)

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the optimizer's variables.

        Raises:
            ValueError: If there are not as many variables as factors.
        """
        if len(variables) != len(self.scales):
            raise ValueError(
                f"expected {len(self.scales)} variables, one for each rate. "
                f"Received: {len(variables)}"
            )
        super().build(variables)  # type: ignore[misc]

    def rate_of(self, variable: Any, learning_rate: Any) -> Any:
        """Returns the rate of one variable."""
        return learning_rate * self._scale(variable)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates a variable as the optimizer does, at the variable's rate."""
        rate = self.rate_of(variable, learning_rate)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _scale(self, variable: Any) -> float:
        return self.scales[self._get_variable_index(variable)]  # type: ignore[attr-defined]

    def _apply_weight_decay(self, variables: Iterable[Any]) -> None:
        # Muon has a second one, for what it leaves to Adam.
        decays = {
            name: getattr(self, name)
            for name in ("weight_decay", "adam_weight_decay")
            if getattr(self, name, None) is not None
        }
        if not decays:
            return
        groups: dict[float, list[Any]] = {}
        for variable in variables:
            groups.setdefault(self._scale(variable), []).append(variable)
        try:
            for scale, members in groups.items():
                for name, decay in decays.items():
                    setattr(self, name, decay * scale)
                super()._apply_weight_decay(members)  # type: ignore[misc]
        finally:
            for name, decay in decays.items():
                setattr(self, name, decay)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for saving with the model."""
        return {**super().get_config(), "scales": list(self.scales)}  # type: ignore[misc]


@functools.cache
def scaled(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """Returns an optimizer of Keras's with a rate for each variable, as `ScaledSGD` of SGD.

    Args:
        kind: A class of `keras.optimizers`.
    """
    made = type(f"Scaled{kind.__name__}", (_Scaled, kind), {"kind": kind, "__module__": __name__})
    keras.saving.register_keras_serializable("kerasdl")(made)
    return made


def scales_by_depth(
    model: keras.Model, base: keras.Model, cuts: Sequence[str], decay: float
) -> list[float]:
    """Returns the factor of each trainable variable of a model with a base inside.

    What is no part of the base, the head, has the factor 1; the base's last block has
    `decay`, the block below it decay², and so on down to the image. A base that is cut inside
    a block ends with what is left of that one.

    Args:
        model: The model.
        base: A model that is one of its layers.
        cuts: Names of the layers that end the base's blocks, from the image to the end.
        decay: In (0, 1].

    Returns:
        Factors in the order of `model.trainable_variables`.
    """
    names = [layer.name for layer in base.layers]
    ends = sorted(names.index(cut) for cut in cuts if cut in names)
    blocks = [sum(end < index for end in ends) for index in range(len(names))]
    if cuts[-1] in names:
        # What a base has behind the end of its last block is part of that.
        blocks = [min(block, len(ends) - 1) for block in blocks]
    factors = {}
    for layer, block in zip(base.layers, blocks, strict=True):
        for variable in layer.trainable_variables:
            factors[id(variable)] = decay ** (1 + blocks[-1] - block)
    return [factors.get(id(variable), 1.0) for variable in model.trainable_variables]
