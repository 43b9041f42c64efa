"""Why a perceptron did not learn: short trainings that change one cause at a time."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasdl.experiments.scratch.programs import multilayer, partial_fit, unit
from kerasdl.studies.experiment import Context

STARTS = (
    ("zero", 1.0),
    ("normal", 0.01),
    ("normal", 0.1),
    ("normal", 1.0),
    ("random", 1.0),
    ("glorot", 1.0),
    ("he", 1.0),
)
"""Rules for the first weights, and what they are multiplied by."""


def starts(context: Context) -> list[dict[str, Any]]:
    """Trains the network by hand from different first weights; sigmoid at ten times the rate too.

    Returns:
        A row per activation, start and rate: `activation`, `initializer`, `scale`, `rate`;
        `first_gradient` and `last_gradient`, the norms of the gradients of the first and the
        last layer's weights in the first step; `loss` and `accuracy` on the validation images
        afterwards (None where it diverged).
    """
    from kerasdl.scratch.network import Network
    from kerasdl.scratch.optimizers import SGD
    from kerasdl.scratch.training import fit

    plan = context.plan
    dataset, parts = context.images
    images, labels = parts.train.images[: plan.short_size], parts.train.labels[: plan.short_size]
    held_out = parts.validation
    rows = []
    arms = [(name, plan.learning_rate) for name in plan.activations]
    if "sigmoid" in plan.activations:
        arms.append(("sigmoid", 10 * plan.learning_rate))
    for (activation, rate), (initializer, scale) in itertools.product(arms, STARTS):
        network = Network(
            math.prod(dataset.image_shape),
            plan.units,
            dataset.num_classes,
            activation=activation,
            initializer=initializer,
            scale=scale,
            seed=plan.seed,
        )
        batch = network.prepare(images[: plan.batch_size]).astype(np.float32) / np.float32(255)
        with np.errstate(all="ignore"):  # numbers of a start without a scale may overflow
            network.loss_and_gradients(batch, labels[: plan.batch_size])
        first, last = (layer.weight_gradients for layer in (network.layers[0], network.layers[-1]))
        norms = {
            "first_gradient": float(np.linalg.norm(first)),
            "last_gradient": float(np.linalg.norm(last)),
        }
        history = fit(
            network,
            images,
            labels,
            epochs=plan.short_epochs,
            optimizer=SGD(rate),
            batch_size=plan.batch_size,
            seed=plan.seed,
        )
        loss, accuracy = network.evaluate(held_out.images, held_out.labels)
        ended = not history.diverged and math.isfinite(loss)
        rows.append(
            {
                "activation": activation,
                "initializer": initializer,
                "scale": scale,
                "rate": rate,
                **norms,
                "loss": loss if ended else None,
                "accuracy": accuracy if ended else None,
            }
        )
    return rows


def reports_sigmoid(context: Context) -> list[dict[str, Any]]:
    """Trains the sigmoid network from 0.01 * randn for as long as the report.

    Returns:
        A row per chosen epoch: `epochs`, and `accuracy` on the test images.
    """
    from kerasdl.scratch.network import Network
    from kerasdl.scratch.optimizers import SGD
    from kerasdl.scratch.training import fit

    plan = context.plan
    dataset, parts = context.images
    network = Network(
        math.prod(dataset.image_shape),
        plan.units,
        dataset.num_classes,
        activation="sigmoid",
        initializer="normal",
        scale=0.01,
        seed=plan.seed,
    )
    rows: list[dict[str, Any]] = []
    optimizer, done = SGD(plan.learning_rate), 0
    for epochs in plan.epochs:
        fit(
            network,
            parts.train.images,
            parts.train.labels,
            epochs=epochs,
            first_epoch=done,
            optimizer=optimizer,
            batch_size=plan.batch_size,
            seed=plan.seed,
        )
        done = epochs
        accuracy = network.evaluate(parts.test.images, parts.test.labels)[1]
        rows.append({"epochs": epochs, "accuracy": accuracy})
    return rows


def scikit_learn(context: Context) -> list[dict[str, Any]]:
    """Trains scikit-learn's network on scaled and raw pixels, with and without momentum.

    Returns:
        A row per activation, pixels, momentum and rate: `activation`, `pixels` ("0..1" or
        "0..255"), `momentum`, `rate`, `accuracy` on the validation images (None where
        scikit-learn stopped with non-finite numbers).
    """
    plan = context.plan
    _, parts = context.images
    size = plan.short_size
    labels = parts.train.labels[:size]
    held_out = parts.validation
    scaled, asked = unit(parts.train)[:size], unit(held_out)
    rows = []
    for activation, factor, momentum, rate in itertools.product(
        ("relu", "linear", "tanh"), (1, 255), (0.0, 0.9), (0.1, 0.001)
    ):
        classifier = multilayer(plan, activation, plan.seed, learning_rate=rate, momentum=momentum)
        learnt = all(
            partial_fit(classifier, scaled * factor, labels) for _ in range(plan.short_epochs)
        )
        with np.errstate(all="ignore"):  # finite weights may still overflow in the outputs
            score = classifier.score(asked * factor, held_out.labels) if learnt else None
        rows.append(
            {
                "activation": activation,
                "pixels": f"0..{factor}",
                "momentum": momentum,
                "rate": rate,
                "accuracy": score,
            }
        )
    return rows


CAUSES: dict[str, Callable[[Context], list[dict[str, Any]]]] = {
    "starts": starts,
    "report's sigmoid": reports_sigmoid,
    "scikit-learn": scikit_learn,
}
"""By the name of the part."""
