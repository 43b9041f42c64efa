"""What decides a search: the part that all searches share. Light: no Keras here."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.studies.plan import MAX_SEED, Data
from kerasdl.training.settings import Precision, Training


class Search(recipe.Struct, frozen=True, kw_only=True):
    """How a space is searched, and how its winner is trained."""

    data: Data = Data(dataset="mnist", validation_fraction=1 / 6)
    algorithm: Annotated[
        Literal["grid", "random", "bayesian", "hyperband"],
        Meta(description="which trials: grid (all combinations), random, bayesian or hyperband"),
    ] = "grid"
    trials: Annotated[
        int, Meta(ge=0, description="the most trials; 0: all of a grid, 10 of random and bayesian")
    ] = 0
    seeds: Annotated[int, Meta(ge=1, le=1000, description="train each trial N times")] = 5
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the first seed")] = 0
    objective: Annotated[
        Literal["val_accuracy", "val_loss"], Meta(description="what a trial is judged by")
    ] = "val_accuracy"
    keep: Annotated[
        Literal["last", "best"],
        Meta(description="a training's score: of its last epoch, or of its best one"),
    ] = "last"
    winner: Annotated[
        Literal["best", "simplest"],
        Meta(description="what is retrained: the best, or the simplest of those tied with it"),
    ] = "best"
    precision: Annotated[Precision, Meta(description="number format")] = "float32"
    training: Training

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
            ValueError: If there are no images to judge by, or a value has no meaning here.
        """
        if not self.data.validation_fraction:
            raise ValueError(
                "a search judges by validation images. Received: validation_fraction 0; use "
                "e.g. --validation-fraction 0.1"
            )
        if self.training.ema:
            raise ValueError("a search has no moving average of weights. Received: ema")
        if self.algorithm == "hyperband" and self.trials:
            raise ValueError(
                "hyperband's trials follow from --epochs, its longest training. Received: trials"
            )
        if self.algorithm == "hyperband" and (self.keep == "best" or self.training.patience):
            raise ValueError(
                "hyperband goes on from a training's last epoch. Received: "
                + ("keep = best" if self.keep == "best" else "training.patience")
            )

    def fitted(self, num_examples: int) -> Training:
        """Returns the training with the very epochs that so many training images get."""
        epochs = self.training.num_epochs(num_examples)
        return msgspec.structs.replace(self.training, epochs=epochs, minimum_images=0)

    def changes(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns a trial's `settings` of the network and its `training`, as far as searched.

        Args:
            hp: KerasTuner's HyperParameters, which are asked for the values.
        """
        raise NotImplementedError
