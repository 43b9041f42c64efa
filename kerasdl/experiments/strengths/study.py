"""Each regulariser over a grid of strengths: where is it at its best, and how sure is that?

The set is small, so the division of its images is noise like the first weights: every
repetition divides anew, and trains all networks on its division from the same first
weights, together (kerasdl/training/packed). A strength is chosen by its validation
accuracy and scored on the test images. Row 11 of the reports.
"""

from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from kerasdl import recipe
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context, Experiment
from kerasdl.studies.mlp_settings import Initializer
from kerasdl.studies.plan import MAX_SEED, Data
from kerasdl.training.settings import Precision, Training

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


EXPERIMENT = Experiment(
    name="strengths",
    title="Regularisers at their best",
    description="Train a perceptron with each regulariser over a grid of strengths, on many "
    "divisions of the images; find each one's best strength and compare them there.",
    recipe=Recipe,
    presets={
        "default": {
            "l1": [1e-5, 1e-4, 1e-3],
            "l2": [1e-4, 1e-3, 1e-2],
            "decay": [1.0, 10.0, 30.0],
            "dropout": [0.1, 0.2, 0.3],
            "repeats": 5,
        },
        "full": {},
    },
    function="kerasdl.experiments.strengths.study:run",
)


def run(context: Context) -> list[Section]:
    """Trains what is missing and draws the conclusions.

    Args:
        context: With a `Recipe` and the images.
    """
    from kerasdl.experiments.strengths import report as strengths_report

    plan: Recipe = context.plan
    results = []
    for number in range(plan.repeats):
        title = f"repetition {number + 1} of {plan.repeats}"
        found = context.memo(f"repetition {number}", partial(train, context, number, title))
        context.say(f"{title}: {len(found['nets'])} networks in {found['seconds']:.0f} s")
        results.append(found)
    return strengths_report.sections(context, results)


def train(context: Context, number: int, title: str) -> dict[str, Any]:
    """Divides the images, trains all networks on them, and scores them.

    Args:
        context: The experiment's.
        number: The repetition; moves the seeds of division, weights and dropout.
        title: What to call it on the console.

    Returns:
        `seconds` of training, and for each of `nets` its family, strength, `history` (lists
        by name), `train`, `validation`, `test` accuracy and `right`: the test images that it
        answers rightly, a 0 or 1 each.

    Raises:
        FloatingPointError: If a network's numbers became NaN or infinite.
    """
    import keras

    from kerasdl.models.mlp import mlp
    from kerasdl.studies.data import divide
    from kerasdl.training.packed import Packed
    from kerasdl.training.precision import policy, resolve
    from kerasdl.training.progress import RichProgress

    plan: Recipe = context.plan
    dataset, _ = context.images
    split_seed = plan.data.split_seed + number
    parts = divide(dataset, msgspec.structs.replace(plan.data, split_seed=split_seed))
    nets, seed = plan.nets(len(parts.train)), plan.seed + number
    keras.backend.clear_session()
    models, trainings = [], []
    with policy(resolve(plan.precision)):
        for net in nets:
            # The same first weights for all: what differs is the regulariser.
            keras.utils.set_random_seed(seed)
            settings: dict[str, Any] = {"units": plan.units, "initializer": plan.initializer}
            if net.family not in ("none", "decay"):
                settings[net.family] = net.strength
            shape = dataset.image_shape, dataset.num_classes
            models.append(mlp(*shape, **settings))
            trainings.append(
                Training(
                    epochs=plan.epochs,
                    batch_size=plan.batch_size,
                    optimizer="adam",
                    learning_rate=plan.learning_rate,
                    weight_decay=net.strength if net.family == "decay" else 0.0,
                    schedule="constant",
                )
            )
    packed = Packed(models, trainings)
    progress = RichProgress(context.console, title, len(parts.train), plan.batch_size)
    try:
        histories = packed.fit(
            parts.train, seed=seed, validation=parts.validation, callbacks=[progress]
        )
    finally:
        progress.close()
    for place, reason in packed.failed.items():
        name = f"{nets[place].family} {nets[place].strength:g}"
        raise FloatingPointError(f"{title}, {name}: {reason}")
    scores = [packed.evaluate(part)["accuracy"] for part in (parts.train, parts.validation)]
    right = packed.predict(parts.test.images).argmax(axis=2) == parts.test.labels
    return {
        "seconds": packed.train_seconds,
        "nets": [
            {
                "family": net.family,
                "strength": net.strength,
                "history": histories[place],
                "train": scores[0][place],
                "validation": scores[1][place],
                "test": right[place].mean(),
                "right": right[place].astype(int),
            }
            for place, net in enumerate(nets)
        ],
    }
