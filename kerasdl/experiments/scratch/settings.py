"""What decides the experiment."""

from typing import Annotated, Literal

from msgspec import Meta

from kerasdl import recipe
from kerasdl.studies.plan import MAX_SEED, Data

Activation = Literal["relu", "leaky_relu", "sigmoid", "tanh", "linear"]
Program = Literal["numpy", "keras", "sklearn"]


class Recipe(recipe.Struct, frozen=True, kw_only=True):
    """What decides the experiment."""

    data: Data = Data(dataset="fashion_mnist", validation_fraction=0.1)
    programs: Annotated[
        tuple[Program, ...], Meta(min_length=1, description="numpy, keras, sklearn")
    ] = ("numpy", "keras", "sklearn")
    activations: Annotated[
        tuple[Activation, ...],
        Meta(min_length=1, description="relu, leaky_relu, sigmoid, tanh, linear"),
    ] = ("relu", "tanh", "sigmoid", "linear")
    units: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...], Meta(description="neurons of each hidden layer")
    ] = (256, 128, 64)
    epochs: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(min_length=1, description="epochs after which to score, e.g. 50,100"),
    ] = (50, 100)
    learning_rate: Annotated[float, Meta(gt=0, le=1e6, description="of plain SGD")] = 0.1
    batch_size: Annotated[int, Meta(ge=1, description="images in one step")] = 32
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each N times")] = 3
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    short_epochs: Annotated[
        int, Meta(ge=1, description="epochs of the short trainings that look for causes")
    ] = 3
    short_size: Annotated[int, Meta(ge=100, description="images of the short trainings")] = 10_000

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
            ValueError: If epochs do not rise, or something is named twice.
        """
        if list(self.epochs) != sorted(set(self.epochs)):
            raise ValueError(f"epochs must rise, e.g. 50,100. Received: {self.epochs}")
        if not self.data.validation_fraction:
            raise ValueError(
                "the study watches validation images. Received: validation_fraction 0; use e.g. "
                "--validation-fraction 0.1"
            )
        for name, values in (("programs", self.programs), ("activations", self.activations)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must differ from each other. Received: {values}")
