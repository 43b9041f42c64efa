"""The entry of one trained model in the record: its scores, its costs, its time."""

from typing import TYPE_CHECKING, Any

from kerasdl import record
from kerasdl.evaluation import metrics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.models import costs, transfer
from kerasdl.studies.building import precision_of
from kerasdl.studies.plan import Recipe

if TYPE_CHECKING:
    import keras

    from kerasdl.datasets.dataset import Splits


def score(
    plan: Recipe, name: str, seed: int, engine: Any, parts: "Splits", predictions: Predictions
) -> record.Run:
    """Scores a trained model on every part of the images.

    Args:
        plan: The recipe.
        name: One of its models.
        seed: The seed.
        engine: What trained it, as from `Study.fit`.
        parts: The images.
        predictions: Gets what the model says of the test images.
    """
    history, settings = engine.model.history, dict(plan.settings.get(name, {}))
    # Scored as it is stored: the record and predictions.npz agree to the last digit.
    scores = predictions.add(name, seed, engine.predict(parts.test.images), settings=settings)
    validation = None
    if len(parts.validation):
        answers = engine.predict(parts.validation.images)
        validation = metrics.score(parts.validation.labels, answers)
    train = metrics.score(parts.train.labels, engine.predict(parts.train.images))
    epochs, trained = len(history.epoch), costs.count_parameters(engine.model).trainable
    from_elsewhere = name in plan.transfer
    return record.Run(
        model=name,
        seed=seed,
        settings=settings,
        parameters=_count_all(engine.model) if from_elsewhere else trained,
        multiply_accumulates=costs.known_multiply_accumulates(engine.model)
        if plan.network(name).own
        else costs.multiply_accumulates(engine.model),
        epochs=epochs,
        train_seconds=engine.train_seconds,
        images_per_second=epochs * len(parts.train) / engine.train_seconds,
        precision=precision_of(plan, name),
        history={key: list(map(float, values)) for key, values in history.history.items()},
        metrics=metrics.combine(train, validation, metrics.score(parts.test.labels, scores)),
        feature_seconds=getattr(engine, "feature_seconds", None),
        trained_parameters=trained if from_elsewhere else None,
        stacked=getattr(engine, "together", None),
    )


def _count_all(model: "keras.Model") -> int:
    """Returns the parameters that the model would have to train, were nothing of it frozen."""
    base = transfer.base_of(model)
    whole, each = base.trainable, [layer.trainable for layer in base.layers]
    base.trainable = True
    for layer in base.layers:
        layer.trainable = True
    try:
        return costs.count_parameters(model).trainable
    finally:
        base.trainable = whole
        for layer, trainable in zip(base.layers, each, strict=True):
            layer.trainable = trainable
