"""Each regulariser over a grid of strengths: where is it at its best, and how sure is that?

The set is small, so the division of its images is noise like the first weights: every
repetition divides anew, and trains all networks on its division from the same first
weights, together (kerasdl/training/packed). A strength is chosen by its validation
accuracy and scored on the test images. Row 11 of the reports.
"""

from functools import partial
from typing import Any

import msgspec

from kerasdl.experiments.strengths.settings import Recipe
from kerasdl.sections import Section
from kerasdl.studies.experiment import Context, Experiment
from kerasdl.training.settings import Training

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
    timing="kerasdl.experiments.strengths.forecast:StrengthsTiming",
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
    progress = context.progress(title, len(parts.train), plan.batch_size)
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
