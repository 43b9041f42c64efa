"""Training one arm that begins with somebody else's weights: the head, then perhaps the base."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import msgspec
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.models import bases
from kerasdl.models import transfer as network
from kerasdl.studies.building import build, precision_of
from kerasdl.studies.transfer.cached import CachedBase
from kerasdl.studies.transfer.settings import SECOND, Transfer, without_augmentation
from kerasdl.studies.transfer.whole import CHECKED, check
from kerasdl.training.compiling import compile_model
from kerasdl.training.discriminative import scales_by_depth
from kerasdl.training.ending import StopAfter
from kerasdl.training.fit_engine import make_engine
from kerasdl.training.progress import RichProgress
from kerasdl.training.settings import Training

if TYPE_CHECKING:
    from kerasdl.studies.networks import Study


@dataclasses.dataclass
class Fitted:
    """What a study asks of a training, as of an engine.

    Args:
        model: The whole network, from pixels to logits; `model.history` has all phases.
        train_seconds: Wall time of all phases, features and validation excluded.
        engine: What predicts.
        base: The features, where there were some.
        on_features: Whether the engine takes features.
    """

    model: keras.Model
    train_seconds: float
    engine: Any
    base: CachedBase | None
    on_features: bool

    @property
    def feature_seconds(self) -> float | None:
        """Time spent on computing features so far; None where there were none."""
        return None if self.base is None else self.base.seconds

    def predict(self, images: npt.NDArray[np.uint8]) -> Any:
        """Returns the logits of images, float32 (n, num_classes)."""
        if self.base is not None and self.on_features:
            return self.engine.predict(self.base.of(images))
        return self.engine.predict(images)


@dataclasses.dataclass
class Start:
    """An arm with its first weights, and what its head is trained on.

    Args:
        model: The whole network.
        trained: What is trained first, compiled: the head alone on features, else `model`.
        base: The features, where there are some.
        training: Its settings: without augmentation on features, which have their views.
        train: What it is trained on.
        validation: What it is scored on after each epoch; may be empty.
    """

    model: keras.Model
    trained: keras.Model
    base: CachedBase | None
    training: Training
    train: Examples
    validation: Examples


def start(study: "Study", name: str, seed: int) -> Start:
    """Builds an arm and computes its features, or reads them where they were computed before.

    Args:
        study: The study.
        name: One of its models, with a table `transfer`.
        seed: The seed.
    """
    plan, parts = study.plan, study.splits
    model = build(
        plan,
        name,
        seed,
        dataset=study.dataset,
        train=parts.train,
        strategy=study.strategy,
        weights=study.weights.get(name),
    )
    how, training = plan.transfer[name], plan.training[name]
    if not how.cached:
        return Start(model, model, None, training, parts.train, parts.validation)
    settings, precision = plan.settings[name], precision_of(plan, name)
    base = CachedBase(model, settings, precision, study.cache, study.console)
    # The same views for all seeds, which share them.
    train = base.examples(parts.train, training, how.views, plan.seed)
    training = without_augmentation(training)
    with study.strategy.scope():
        head = network.head_model(model)
        compile_model(head, training, len(train))
    return Start(model, head, base, training, train, base.examples(parts.validation))


def fit(
    study: "Study",
    name: str,
    seed: int,
    title: str,
    callbacks: Sequence[Any] = (),
    checkpoints: Any = None,
) -> Fitted:
    """Trains an arm as the recipe says; the arguments are those of `Study.fit`.

    A training that was killed in its second phase does the end of the first again, from its
    last checkpoint, and then goes on in the second from that one's.

    Raises:
        FloatingPointError: If the loss became NaN or infinite.
        ValueError: If the head on features is not the whole network.
    """
    how = study.plan.transfer[name]
    begun = start(study, name, seed)
    tuned = how.arm == "finetuned"
    engine = make_engine(begun.trained, study.strategy)
    one = _Phase(study, seed, f"{title}: head" if tuned else title, callbacks, checkpoints)
    one.run(engine, begun.train, begun.validation, begun.training)
    history = begun.trained.history
    if begun.base is not None:
        _check_whole(study, name, begun.model, begun.base, engine)
    # A first look ends where it was asked to.
    looks = [callback.epochs for callback in callbacks if isinstance(callback, StopAfter)]
    if not tuned or any(epochs <= len(history.epoch) for epochs in looks):
        begun.model.history = history
        cached = begun.base is not None
        return Fitted(begun.model, engine.train_seconds, engine, begun.base, cached)
    return _finetune(study, name, begun, dataclasses.replace(one, title=title), engine)


def _finetune(study: "Study", name: str, begun: Start, phase: "_Phase", before: Any) -> Fitted:
    """Goes on with the base; returns the whole training."""
    plan, parts, model = study.plan, study.splits, begun.model
    first = begun.trained.history
    how, done = plan.transfer[name], len(first.epoch)
    training = second_phase(plan.training[name], how)
    if how.unfreeze is None:
        network.set_trainable(model, "none")
    else:
        network.unfreeze(model, how.unfreeze)
    inside = network.base_of(model)
    cuts = bases.get(plan.settings[name]["base"]).cuts
    # The schedule is the phase's own; what counts epochs goes on counting.
    counted = msgspec.structs.replace(training, epochs=done + training.epochs)
    with study.strategy.scope():
        scales = scales_by_depth(model, inside, cuts, how.layer_decay or 1.0)
        compile_model(model, training, len(parts.train), scales)
    engine = make_engine(model, study.strategy)
    store = phase.checkpoints
    later = dataclasses.replace(
        phase,
        title=f"{phase.title}: fine-tuning",
        checkpoints=None if store is None else store.beside(SECOND),
    )
    found = None if later.checkpoints is None else later.checkpoints.latest()
    if found is not None:
        place = f"epoch {found.epoch}, step {found.step} of the next"
        study.say(f"{later.title}: goes on after {place}")
    later.run(engine, parts.train, parts.validation, counted, initial_epoch=done)
    model.history = _joined(first, model.history)
    seconds = before.train_seconds + engine.train_seconds
    return Fitted(model, seconds, engine, begun.base, on_features=False)


def second_phase(training: Training, how: Transfer) -> Training:
    """Returns the settings of the second phase: those of the head, at its own rate and length."""
    return msgspec.structs.replace(
        training,
        epochs=how.finetune_epochs or 1,
        minimum_images=0,
        learning_rate=how.finetune_rate or training.learning_rate,
    )


@dataclasses.dataclass(frozen=True)
class _Phase:
    """What the phases of a training have in common, and what each has of its own."""

    study: "Study"
    seed: int
    title: str
    callbacks: Sequence[Any]
    checkpoints: Any

    def run(
        self,
        engine: Any,
        train: Examples,
        validation: Examples,
        training: Training,
        **options: Any,
    ) -> None:
        """Trains with an engine."""
        study = self.study
        progress = RichProgress(
            study.console, self.title, len(train), training.batch_size, study.forecast
        )
        if self.checkpoints is not None:
            options["checkpoints"] = self.checkpoints
        try:
            engine.fit(
                train,
                training,
                seed=self.seed,
                validation=validation,
                callbacks=[progress, *self.callbacks],
                **options,
            )
        finally:
            progress.close()


def _check_whole(
    study: "Study", name: str, model: keras.Model, base: CachedBase, engine: Any
) -> None:
    """Raises ValueError if the head on features answers otherwise than the whole network."""
    # Of the training images: their features are there.
    images = study.splits.train.images
    logits = engine.predict(base.of(images)[:CHECKED])
    check(name, model, images[:CHECKED], logits, precision_of(study.plan, name))


def _joined(first: keras.callbacks.History, second: keras.callbacks.History) -> Any:
    """Returns one History of two phases."""
    history = keras.callbacks.History()
    history.epoch = [*first.epoch, *second.epoch]
    history.history = {
        key: [*values, *second.history[key]]
        for key, values in first.history.items()
        if key in second.history
    }
    return history
