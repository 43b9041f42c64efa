"""Features of a frozen base as what a search of heads trains on; its winner as one whole model."""

from functools import partial
from typing import Any

import keras
import numpy as np
from rich.console import Console

from kerasdl.datasets.dataset import Dataset, Examples, Splits
from kerasdl.models import transfer, weights
from kerasdl.reporting import text
from kerasdl.studies.transfer.frozen import Frozen
from kerasdl.studies.transfer.whole import CHECKED
from kerasdl.training.settings import Training
from kerasdl.tuning.head_model import HeadModel
from kerasdl.tuning.material import Finished, Material
from kerasdl.tuning.plan import Search
from kerasdl.tuning.subjects import Subject
from kerasdl.tuning.training_jobs import Rows


def of_noise(
    plan: Search,
    subject: Subject,
    dataset: Dataset,
    parts: Splits,
    *,
    data_dir: str | None,
    console: Console,
) -> Material:
    """Returns the like of `of_features` with numbers at random, to see how long training takes."""
    frozen = Frozen(subject.settings, plan.precision, dataset, data_dir=data_dir, console=console)
    columns = transfer.features_model(frozen.model()).output_shape[1]

    def rows(examples: Examples) -> Rows:
        noise = np.random.default_rng(0).random((len(examples), columns), np.float32)
        return Rows(noise, examples.labels)

    def hypermodel(train: Rows, training: Training) -> HeadModel:
        return _heads(plan, train, training, dataset.num_classes, frozen.precision)

    def finish(head: keras.Model, hp: Any) -> Finished:
        return Finished(head, "")

    train, validation = rows(parts.train), rows(parts.validation)
    return Material(train, validation, partial(rows, parts.test), hypermodel, finish)


def _heads(
    plan: Search, train: Rows, training: Training, num_classes: int, precision: Any
) -> HeadModel:
    return HeadModel(
        train.images.shape[1],
        num_classes,
        len(train),
        training=training,
        precision=precision,
        space=plan.changes,
    )


def of_features(
    plan: Search,
    subject: Subject,
    dataset: Dataset,
    parts: Splits,
    *,
    data_dir: str | None,
    console: Console,
) -> Material:
    """Returns what a search of heads trains on; the arguments are those of `material.prepare`."""
    frozen = Frozen(subject.settings, plan.precision, dataset, data_dir=data_dir, console=console)
    model = frozen.model()
    sha256 = weights.identity(transfer.base_of(model))
    names = ("size", "features", "pooling")
    base = frozen.features_of(model, **{name: subject.settings[name] for name in names})

    def rows(examples: Examples) -> Rows:
        return Rows(base.of(examples.images), examples.labels)

    def hypermodel(train: Rows, training: Training) -> HeadModel:
        return _heads(plan, train, training, dataset.num_classes, frozen.precision)

    def finish(head: keras.Model, hp: Any) -> Finished:
        settings = dict(plan.changes(hp)["settings"])
        # Of a training, and nothing that a finished model has.
        settings.pop("l2")
        images = parts.test.images[:CHECKED]
        logits = head.predict(rows(parts.test).images[:CHECKED], verbose=0)
        whole = frozen.joined(frozen.model(**settings), head.get_weights(), logits, images)
        return Finished(
            whole.model,
            "It is one model from pixels to logits, of "
            f"{text.count(whole.model.count_params())} parameters: the frozen base (weights: "
            f"{subject.settings['weights']}, SHA-256 {sha256}) and the head. On {whole.images} "
            "test images its logits are those of the head on the cached features within "
            f"{whole.difference:.1e} of the largest.",
        )

    train, validation = rows(parts.train), rows(parts.validation)
    return Material(train, validation, partial(rows, parts.test), hypermodel, finish)
