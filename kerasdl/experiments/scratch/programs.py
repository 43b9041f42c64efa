"""The same perceptron in three programs, trained and scored alike."""

import contextlib
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.experiments.scratch.settings import Recipe
from kerasdl.studies.experiment import Context


def train(context: Context, program: str, activation: str, seed: int) -> dict[str, Any]:
    """Trains one network and scores it after the chosen epochs.

    Returns:
        Program, activation, seed; `loss`, `val_loss` and `val_accuracy` per epoch; `train`,
        `test` accuracies per chosen epoch (None once diverged); `seconds` of training.
    """
    trainers: dict[str, Callable[..., dict[str, Any]]] = {
        "numpy": _numpy,
        "keras": _keras,
        "sklearn": _sklearn,
    }
    found = trainers[program](context, activation, seed)
    return {"program": program, "activation": activation, "seed": seed, **found}


def unit(examples: Examples) -> npt.NDArray[np.float32]:
    """Returns images as rows of numbers 0..1, float32 (n, pixels)."""
    return examples.images.reshape(len(examples), -1).astype(np.float32) / np.float32(255)


def rule(activation: str) -> str:
    """Returns the rule for the first weights that suits an activation, the same everywhere."""
    return "he" if activation in ("relu", "leaky_relu") else "glorot"


def _numpy(context: Context, activation: str, seed: int) -> dict[str, Any]:
    from kerasdl.scratch.network import Network
    from kerasdl.scratch.optimizers import SGD
    from kerasdl.scratch.storage import load, save
    from kerasdl.scratch.training import fit

    plan: Recipe = context.plan
    dataset, parts = context.images
    pixels = math.prod(dataset.image_shape)
    network = Network(
        pixels,
        plan.units,
        dataset.num_classes,
        activation=activation,
        initializer=rule(activation),
        seed=seed,
    )
    history = fit(
        network,
        parts.train.images,
        parts.train.labels,
        epochs=plan.epochs[-1],
        optimizer=SGD(plan.learning_rate),
        batch_size=plan.batch_size,
        validation=(parts.validation.images, parts.validation.labels),
        seed=seed,
        keep=plan.epochs,
    )
    train: list[float | None] = []
    test: list[float | None] = []
    for epoch in plan.epochs:
        kept = history.kept.get(epoch)
        if kept is None or not np.isfinite(kept).all():
            train.append(None)
            test.append(None)
            continue
        path = context.folder / "weights" / f"{activation}-seed{seed}-epoch{epoch}.npz"
        save(path, network, parameters=kept, epochs=epoch)
        # Scored from the file, as the report scored its networks.
        stored = load(path)
        train.append(stored.evaluate(parts.train.images, parts.train.labels)[1])
        test.append(stored.evaluate(parts.test.images, parts.test.labels)[1])
    return {
        "loss": history.loss,
        "val_loss": history.val_loss,
        "val_accuracy": history.val_accuracy,
        "train": train,
        "test": test,
        "seconds": sum(history.seconds),
    }


def _keras(context: Context, activation: str, seed: int) -> dict[str, Any]:
    import keras

    from kerasdl.evaluation import metrics
    from kerasdl.models.mlp import mlp
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.fit_engine import make_engine
    from kerasdl.training.settings import Training
    from kerasdl.training.strategy import make_strategy

    plan: Recipe = context.plan
    dataset, parts = context.images
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = mlp(
        dataset.image_shape,
        dataset.num_classes,
        units=plan.units,
        activation=activation,
        initializer=rule(activation),
    )
    training = Training(
        epochs=plan.epochs[-1],
        batch_size=plan.batch_size,
        optimizer="sgd",
        momentum=0.0,
        learning_rate=plan.learning_rate,
        schedule="constant",
    )
    compile_model(model, training, len(parts.train))
    engine = make_engine(model, make_strategy("none"))
    train: list[float | None] = [None] * len(plan.epochs)
    test: list[float | None] = [None] * len(plan.epochs)

    class Score(keras.callbacks.Callback):  # type: ignore[misc]
        """Scores the network after the chosen epochs."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch + 1 in plan.epochs:
                place = plan.epochs.index(epoch + 1)
                for found, part in ((train, parts.train), (test, parts.test)):
                    scores = engine.predict(part.images)
                    found[place] = metrics.score(part.labels, scores).accuracy

    # What was scored before a loss overflows stands; the rest stays None.
    progress = context.progress(f"{activation}, seed {seed}", len(parts.train), plan.batch_size)
    with contextlib.suppress(FloatingPointError), contextlib.closing(progress):
        engine.fit(
            parts.train,
            training,
            seed=seed,
            validation=parts.validation,
            callbacks=[Score(), progress],
        )
    history = model.history.history
    return {
        "loss": history.get("loss", []),
        "val_loss": history.get("val_loss", []),
        "val_accuracy": history.get("val_accuracy", []),
        "train": train,
        "test": test,
        "seconds": engine.train_seconds,
    }


def _sklearn(context: Context, activation: str, seed: int) -> dict[str, Any]:
    plan: Recipe = context.plan
    _, parts = context.images
    classifier = multilayer(plan, activation, seed, learning_rate=plan.learning_rate, momentum=0.0)
    images = [unit(part) for part in (parts.train, parts.validation, parts.test)]
    labels = [part.labels for part in (parts.train, parts.validation, parts.test)]
    loss, accuracies = [], []
    train: list[float | None] = []
    test: list[float | None] = []
    seconds, diverged = 0.0, False

    def score(part: int) -> float:
        with np.errstate(all="ignore"):
            return float(classifier.score(images[part], labels[part]))

    for epoch in range(1, plan.epochs[-1] + 1):
        started = time.perf_counter()
        diverged = diverged or not partial_fit(classifier, images[0], labels[0])
        seconds += time.perf_counter() - started
        if not diverged:
            loss.append(float(classifier.loss_))
            accuracies.append(score(1))
        if epoch in plan.epochs:
            train.append(None if diverged else score(0))
            test.append(None if diverged else score(2))
    return {
        "loss": loss,
        "val_loss": [],
        "val_accuracy": accuracies,
        "train": train,
        "test": test,
        "seconds": seconds,
    }


def multilayer(plan: Recipe, activation: str, seed: int, **settings: Any) -> Any:
    """Returns scikit-learn's `MLPClassifier` with the recipe's layers and batch size.

    Args:
        plan: The recipe.
        activation: One that scikit-learn has.
        seed: The seed.
        **settings: `learning_rate` and `momentum`.
    """
    from sklearn.neural_network import MLPClassifier

    names = {"sigmoid": "logistic", "linear": "identity"}
    return MLPClassifier(
        plan.units,
        activation=names.get(activation, activation),
        solver="sgd",
        alpha=0.0,
        batch_size=plan.batch_size,
        learning_rate_init=settings["learning_rate"],
        momentum=settings["momentum"],
        nesterovs_momentum=settings["momentum"] > 0,
        random_state=seed,
    )


def partial_fit(
    classifier: Any, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]
) -> bool:
    """Trains scikit-learn's network for one epoch; returns False when its numbers overflow."""
    from threadpoolctl import threadpool_limits

    # One thread, as the NumPy network: at this size more of them wait for each other, and on a
    # busy machine for long.
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        threadpool_limits(1, user_api="blas"),
    ):
        warnings.simplefilter("ignore")
        try:
            classifier.partial_fit(images, labels, classes=np.unique(labels))
        except ValueError as error:
            if "non-finite" in str(error):
                return False
            raise
    return bool(np.isfinite(classifier.loss_))
