"""Which models of a comparison are trained as one computation, and that training.

Small perceptrons of one seed see the images in one order, so that they share the first product,
the compiled step and the passes over memory; each ends with the weights that it would have alone,
within rounding. The seeds stay apart: what is compiled for the first serves the next.
"""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.studies.building import build, precision_of
from kerasdl.studies.plan import Recipe
from kerasdl.training.checkpoint import CheckpointStore
from kerasdl.training.packed import Packed, packable
from kerasdl.training.packed.chains import read_chain
from kerasdl.training.packed.company import company
from kerasdl.training.progress import RichProgress
from kerasdl.training.strategy import workers_of


class Group(NamedTuple):
    """Trainings of a comparison that are done together.

    Args:
        models: Names of the recipe's models; one that is trained alone is a group of its own.
        seed: Their seed.
    """

    models: tuple[str, ...]
    seed: int

    @property
    def keys(self) -> set[tuple[str, int]]:
        """Model and seed of each training."""
        return {(model, self.seed) for model in self.models}

    @property
    def name(self) -> str:
        """What its checkpoints are called."""
        more = len(self.models) - 1
        return f"{self.models[0]}{f'-and-{more}-more' if more else ''}-seed{self.seed}"


def divide(plan: Recipe, dataset: Dataset, splits: Splits, strategy: Any) -> list[tuple[str, ...]]:
    """Divides the models of a recipe into those that are trained together.

    It depends on the recipe alone, not on what an earlier start has left to do.

    Args:
        plan: The recipe.
        dataset: The data set, for image shape and class names.
        splits: Its parts.
        strategy: As from `make_strategy`; several devices or workers train one model at a time.

    Returns:
        Every model once, in the recipe's order of the first of each.
    """
    together: dict[Hashable, list[str]] = {}
    for name in plan.models:
        key: Hashable = name  # a group of its own
        if _is_candidate(plan, name, strategy):
            model = build(
                plan, name, plan.seed, dataset=dataset, train=splits.train, strategy=strategy
            )
            if packable(model) is None:
                key = company(read_chain(model), plan.training[name]), precision_of(plan, name)
        together.setdefault(key, []).append(name)
    keras.backend.clear_session()
    return [tuple(names) for names in together.values()]


def _is_candidate(plan: Recipe, name: str, strategy: Any) -> bool:
    """Whether a model may turn out to be one that can be stacked: the others are not built."""
    if keras.backend.backend() != "tensorflow" or len(plan.models) == 1:
        return False
    if workers_of(strategy).size > 1 or strategy.num_replicas_in_sync > 1:
        return False
    network = plan.network(name)
    convolutions = network.convolutions and not network.own
    return name not in plan.transfer and not convolutions and not plan.training[name].ema


@dataclasses.dataclass
class Stacked:
    """One model of a group, for who asks what a training made of it, as of an engine.

    Args:
        model: With its final weights and its `history`.
        train_seconds: Its share of the group's wall time, validation excluded.
        together: How many models the group has.
        stack: What trained it.
        place: Its place there.
    """

    model: keras.Model
    train_seconds: float
    together: int
    stack: "Stack"
    place: int

    def predict(self, images: npt.NDArray[np.uint8]) -> Any:
        """Returns the logits of images, float32 (n, num_classes)."""
        return self.stack.predict(images)[self.place]


class Stack:
    """Trains the groups of the same models, seed after seed.

    Args:
        plan: The recipe.
        dataset: The data set, for image shape and class names.
        splits: Its parts.
        strategy: As from `make_strategy`.
    """

    def __init__(self, plan: Recipe, dataset: Dataset, splits: Splits, strategy: Any) -> None:
        self.plan, self._dataset, self._splits = plan, dataset, splits
        self._strategy = strategy
        self._packed: Packed | None = None
        self._predicted: tuple[Any, Any] = None, None

    def prepare(self, group: Group) -> Packed:
        """Returns the untrained models of a group.

        Raises:
            ValueError: If they cannot be trained together.
        """
        parts: dict[str, Any] = {"dataset": self._dataset, "train": self._splits.train}
        models = [
            build(self.plan, name, group.seed, strategy=self._strategy, **parts)
            for name in group.models
        ]
        if self._packed is None:
            self._packed = Packed(models, [self.plan.training[name] for name in group.models])
        else:
            self._packed.replace(models)
        self._predicted = None, None
        return self._packed

    def fit(
        self,
        group: Group,
        progress: RichProgress,
        callbacks: Sequence[Sequence[keras.callbacks.Callback]] = (),
        checkpoints: CheckpointStore | None = None,
    ) -> tuple[list[Stacked | None], FloatingPointError | None]:
        """Trains a group.

        Args:
            group: Of the models of the last one, if there was one.
            progress: Shows it.
            callbacks: For each model its own callbacks, which need no more than the logs of its
                epochs and its layers; () for none.
            checkpoints: Where the training is saved on its way; None for nowhere.

        Returns:
            The trained models, None for one that diverged, and the error of the first of those.
        """
        packed = self.prepare(group)
        own = [Dispatch(packed, callbacks)] if any(callbacks) else []
        try:
            histories = packed.fit(
                self._splits.train,
                seed=group.seed,
                validation=self._splits.validation,
                callbacks=[progress, *own],
                checkpoints=checkpoints,
            )
        finally:
            progress.close()
        share = packed.train_seconds / len(group.models)
        found: list[Stacked | None] = []
        error = None
        for place, (model, history) in enumerate(zip(packed.unpack(), histories, strict=True)):
            if place in packed.failed:
                name = group.models[place]
                error = error or FloatingPointError(f"{name}: {packed.failed[place]}")
                found.append(None)
                continue
            model.history = keras.callbacks.History()
            model.history.history, model.history.epoch = history, list(range(len(history["loss"])))
            found.append(Stacked(model, share, len(group.models), self, place))
        return found, error

    def predict(self, images: npt.NDArray[np.uint8]) -> Any:
        """Returns all models' logits (models, n, num_classes); the last ones asked for are kept."""
        assert self._packed is not None
        if self._predicted[0] is not images:
            self._predicted = images, self._packed.predict(images)
        return self._predicted[1]


class Dispatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls each model's own callbacks with the numbers of that model.

    Args:
        packed: What trains the models.
        callbacks: For each model its callbacks.
    """

    def __init__(
        self, packed: Packed, callbacks: Sequence[Sequence[keras.callbacks.Callback]]
    ) -> None:
        super().__init__()
        self._packed = packed
        self._lists = [
            keras.callbacks.CallbackList(list(own), model=model)
            for own, model in zip(callbacks, packed.models, strict=True)
        ]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begins each."""
        for own, model in zip(self._lists, self._packed.models, strict=True):
            model.stop_training = False
            own.on_train_begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins an epoch of each that has not ended."""
        for own, history in zip(self._lists, self._packed.histories, strict=True):
            if len(history.get("loss", ())) == epoch:
                own.on_epoch_begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends an epoch of each that was trained in it."""
        steps = int(self.params["steps"]) * (epoch + 1)
        pairs = zip(self._lists, self._packed.models, self._packed.histories, strict=True)
        for own, model, history in pairs:
            if len(history["loss"]) == epoch + 1:
                # The weights are elsewhere; the rate of a schedule is told by the count.
                model.optimizer.iterations.assign(steps)
                own.on_epoch_end(epoch, {name: values[-1] for name, values in history.items()})
        # One model's training cannot be ended alone; all of them can.
        if all(model.stop_training for model in self._packed.models):
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Ends each."""
        for own in self._lists:
            own.on_train_end()
