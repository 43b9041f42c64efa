"""What decides the experiment: networks and strengths."""

from typing import Annotated, NamedTuple

from msgspec import Meta

from kerasdl import recipe
from kerasdl.studies.mlp_settings import Initializer
from kerasdl.studies.plan import MAX_SEED, Data
from kerasdl.training.settings import Precision

Strength = Annotated[float, Meta(gt=0, le=1e6)]

FAMILIES = {
    "l1": "L1 penalty",
    "l2": "L2 penalty",
    "decay": "Weight decay",
    "dropout": "Dropout",
}
"""The regularisers: fields of the recipe, and names for people."""


class Net(NamedTuple):
    """One network of the study.

    Args:
        family: A key of FAMILIES, or "none".
        strength: Of the regulariser; 0 for none.
    """

    family: str
    strength: float


BASELINE = Net("none", 0.0)


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What decides the experiment."""

    data: Data = Data(dataset="gurmukhi", validation_fraction=0.1)
    l1: Annotated[
        tuple[Strength, ...], Meta(description="strengths s of s * sum |w|, added to the loss")
    ] = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 1e-2)
    l2: Annotated[
        tuple[Strength, ...], Meta(description="strengths s of s * sum w^2, added to the loss")
    ] = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
    decay: Annotated[
        tuple[Strength, ...],
        Meta(description="strengths s of decoupled weight decay: w -= rate * s * w in every step"),
    ] = (0.1, 1.0, 3.0, 10.0, 30.0)
    dropout: Annotated[
        tuple[Annotated[float, Meta(gt=0, lt=1)], ...],
        Meta(description="shares of the hidden outputs dropped"),
    ] = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
    readings: Annotated[
        bool, Meta(description="also what a report's strengths may have meant, see the report")
    ] = True
    units: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...], Meta(description="neurons of each hidden layer")
    ] = (256,) * 6
    initializer: Annotated[Initializer, Meta(description="rule for the first weights")] = "auto"
    epochs: Annotated[int, Meta(ge=1, description="passes over the training images")] = 150
    batch_size: Annotated[int, Meta(ge=1, description="images in one step")] = 1000
    learning_rate: Annotated[float, Meta(gt=0, le=1e6, description="Adam's, constant")] = 1e-3
    repeats: Annotated[int, Meta(ge=1, le=1000, description="divide and train N times")] = 10
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    precision: Annotated[Precision, Meta(description="number format")] = "float32"

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
            ValueError: If there is nothing to compare or to choose by.
        """
        if not any(getattr(self, family) for family in FAMILIES):
            raise ValueError(
                "expected strengths of at least one regulariser, e.g. --dropout 0.2,0.5"
            )
        for family in FAMILIES:
            values = getattr(self, family)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{family} must rise, e.g. 0.1,0.3. Received: {values}")
        if not self.data.validation_fraction:
            raise ValueError(
                "strengths are chosen by validation images. Received: validation_fraction 0; "
                "use e.g. --validation-fraction 0.1"
            )

    def readings_of(self, trained: int) -> dict[str, Net]:
        """Returns what report D's strengths may have meant.

        Args:
            trained: Training images, >= 1.
        """
        if not self.readings:
            return {}
        return {
            "L1 1e-3: loss + 0.001 Σ|w|": Net("l1", 1e-3),
            "L2 1: loss + Σw²": Net("l2", 1.0),
            "L2 1: PyTorch's Adam(weight_decay=1), gradient + w": Net("l2", 0.5),
            "L2 1: loss + Σw² / 2n, n training images": Net("l2", 1 / (2 * trained)),
            "L2 1: AdamW or Keras's Adam, weight_decay=1": Net("decay", 1.0),
            "Dropout 0.2": Net("dropout", 0.2),
        }

    def nets(self, trained: int) -> list[Net]:
        """Returns the networks of one repetition, each once; the grid's come first."""
        grid = [Net(family, value) for family in FAMILIES for value in getattr(self, family)]
        return list(dict.fromkeys([BASELINE, *grid, *self.readings_of(trained).values()]))
