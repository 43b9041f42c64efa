"""What takes time in a comparison of networks, measured through what trains them."""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.evaluation import racing
from kerasdl.models import costs, registry
from kerasdl.studies.building import build
from kerasdl.studies.plan import Recipe
from kerasdl.studies.timing import Sizes, forecast
from kerasdl.studies.transfer.cached import DECIDING
from kerasdl.training.forecast import Forecast, Rate, Work, is_short
from kerasdl.training.settings import Training

_SCORED = 500
"""Images scored to measure that; as many as the engine scores at a time."""


class NetworksTiming:
    """The `Timing` of a comparison.

    Args:
        plan: The recipe, with epochs and images that may be changed later.
        dataset: The images, for their shape and classes.
        splits: Their parts.
        strategy: As from `make_strategy`.
        weights: Paths of the weights that bases begin with, by model.
        count: Whether to build each model for its multiply-accumulates, instead of a guess that
            is high for most.
    """

    def __init__(
        self,
        plan: Recipe,
        dataset: Dataset,
        splits: Splits,
        strategy: Any,
        weights: Mapping[str, str],
        *,
        count: bool = False,
    ) -> None:
        self._plan, self._dataset, self._splits = plan, dataset, splits
        self._strategy, self._weights = strategy, weights
        self._count = count
        self._stacked: dict[str, tuple[tuple[str, ...], Rate | None]] = {}
        self._operations: dict[str, int] = {}

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns the trainings, seed by seed, and the features that seeds and arms share."""
        found: list[Work] = []
        known: set[Any] = set()
        every = sizes.train + sizes.validation + sizes.test
        for seed in range(plan.seed, plan.seed + plan.most_seeds):
            for name in plan.models:
                how, training = plan.transfer.get(name), plan.training[name]
                views = 1 if how is None or not how.cached else how.views
                work = Work(
                    key=key_of(name, seed),
                    name=name,
                    kind=name,
                    images=training.num_epochs(sizes.train * views) * sizes.train * views,
                    validated=training.num_epochs(sizes.train * views) * sizes.validation,
                    scored=every,
                    operations=self._of(name),
                )
                if how is None:
                    found.append(work)
                    continue
                if how.cached:
                    settings = plan.settings[name]
                    base = tuple(settings.get(one) for one in DECIDING), views
                    if base not in known:
                        rows = every + (views - 1) * sizes.train
                        found.append(
                            work._replace(
                                kind=f"features {name}", images=0, validated=0, scored=rows
                            )
                        )
                    known.add(base)
                    work = work._replace(operations=0)
                found.append(work)
                if how.arm == "finetuned":
                    epochs = how.finetune_epochs or 1
                    found.append(
                        work._replace(
                            kind=f"fine-tuning {name}",
                            images=epochs * sizes.train,
                            validated=epochs * sizes.validation,
                            operations=self._of(name),
                        )
                    )
        return found

    def rest(self, plan: Recipe) -> float:
        """Returns the seconds of figures, report and Grad-CAM."""
        return 6.0 + 3.0 * len(plan.models)

    def measure(self, work: Work) -> Rate:
        """Measures one model's steps and its scoring; the model is thrown away."""
        import keras

        phase, _, name = work.kind.rpartition(" ")
        if not phase and (rate := self._stack(name)) is not None:
            keras.backend.clear_session()
            return rate
        if phase == "features" or name not in self._plan.transfer:
            began = time.perf_counter()
            model = self._build(name)
            if phase == "features":
                found = self._features(model, began)
            else:
                found = self._steps(model, self._plan.training[name], began)
        else:
            found = self._arm(name, phase)
        keras.backend.clear_session()
        return found

    def _stack(self, name: str) -> Rate | None:
        """Measures what a model is stacked with, once for all; None for one that is alone.

        Returns:
            The model's share.
        """
        from kerasdl.studies.stacking import Group, Stack, divide
        from kerasdl.training.stopwatch import Stopwatch

        parts = self._plan, self._dataset, self._splits, self._strategy
        if not self._stacked:
            self._stacked = {one: (names, None) for names in divide(*parts) for one in names}
        names, rate = self._stacked[name]
        if len(names) == 1 or rate is not None:
            return rate
        began, train = time.perf_counter(), self._splits.train
        # Patience needs validation images, which cost time here.
        plain = {
            one: msgspec.structs.replace(training, patience=0)
            for one, training in self._plan.training.items()
        }
        plan = msgspec.structs.replace(self._plan, training=plain)
        packed = Stack(plan, *parts[1:]).prepare(Group(names, plan.seed))
        watch = Stopwatch(len(train), plan.training[names[0]].batch_size, began)
        packed.fit(train, seed=plan.seed, callbacks=[watch])
        whole = self._scoring(packed.predict, watch.rate())
        rate = Rate(*(part / len(names) for part in whole))
        self._stacked |= dict.fromkeys(names, (names, rate))
        return rate

    def _arm(self, name: str, phase: str) -> Rate:
        """Measures a phase of an arm of a transfer."""
        import numpy as np

        from kerasdl.datasets.dataset import Features
        from kerasdl.models import transfer
        from kerasdl.studies.transfer.settings import without_augmentation
        from kerasdl.training.compiling import compile_model

        how, training = self._plan.transfer[name], self._plan.training[name]
        began = time.perf_counter()
        model = self._build(name)
        if phase == "fine-tuning":
            if how.unfreeze is None:
                transfer.set_trainable(model, "none")
            else:
                transfer.unfreeze(model, how.unfreeze)
        elif how.cached:
            training = without_augmentation(training)
            with self._strategy.scope():
                head = transfer.head_model(model)
                compile_model(head, training, len(self._splits.train))
            rows = np.zeros((len(self._splits.train), head.input_shape[1]), np.float32)
            return self._steps(head, training, began, Features(rows, self._splits.train.labels))
        with self._strategy.scope():
            compile_model(model, training, len(self._splits.train))
        return self._steps(model, training, began)

    def _build(self, name: str) -> Any:
        return build(
            self._plan,
            name,
            self._plan.seed,
            dataset=self._dataset,
            train=self._splits.train,
            strategy=self._strategy,
            weights=self._weights.get(name),
        )

    def _steps(self, model: Any, training: Training, began: float, train: Any = None) -> Rate:
        """Measures some steps, and then how fast the model scores."""
        from kerasdl.training.fit_engine import make_engine
        from kerasdl.training.stopwatch import Stopwatch

        train = self._splits.train if train is None else train
        engine = make_engine(model, self._strategy)
        watch = Stopwatch(len(train), training.batch_size, began)
        # Patience needs validation images, which cost time here. One that diverges in its
        # first steps says so when its turn comes.
        plain = msgspec.structs.replace(training, patience=0)
        with contextlib.suppress(FloatingPointError):
            engine.fit(train, plain, seed=self._plan.seed, callbacks=[watch])
        return self._scoring(engine.predict, watch.rate(), train.images)

    def _scoring(self, predict: Callable[[Any], Any], found: Rate, images: Any = None) -> Rate:
        """Returns a rate with the time of scoring measured."""
        images = (self._splits.train.images if images is None else images)[:_SCORED]
        started = time.perf_counter()
        predict(images)
        traced = time.perf_counter()
        calls = 0
        # Several, also because TensorFlow warns of functions that are traced for few calls each.
        while calls < 3 or (calls < 8 and time.perf_counter() - traced < 0.3):
            predict(images)
            calls += 1
        took = (time.perf_counter() - traced) / calls
        # Traced once more for the last batch, of another size.
        start = found.start + 2 * max(0.0, traced - started - took)
        return Rate(start, found.image, took / len(images))

    def _features(self, model: Any, began: float) -> Rate:
        """Measures the forward pass that makes features."""
        from kerasdl.models import transfer
        from kerasdl.training.features.forward import Forward

        forward = Forward(transfer.features_model(model))
        images = self._splits.train.images[: forward.batch_size]
        forward(images)
        started = time.perf_counter()
        forward(images)
        took = time.perf_counter() - started
        return Rate(max(0.0, started - began - took), 0.0, took / len(images))

    def _of(self, name: str) -> float:
        """Returns a model's multiply-accumulates; of a base, or an own model, a guess."""
        if name in self._plan.transfer:
            size = self._plan.settings[name].get("size") or self._dataset.image_shape[0]
            return 4e9 * (size / 224) ** 2
        if not self._count or self._plan.network(name).own:
            return 3e8
        if name not in self._operations:
            network, settings = self._plan.network(name).name, self._plan.settings.get(name, {})
            model = registry.build(
                network, self._dataset.image_shape, self._dataset.num_classes, **settings
            )
            self._operations[name] = costs.multiply_accumulates(model)
        return self._operations[name]


class FirstLook(NetworksTiming):
    """The `Timing` of a race up to its first look, which every model takes part in."""

    def works(self, plan: Recipe, sizes: Sizes) -> list[Work]:
        """Returns the trainings of the first seeds."""
        first = msgspec.structs.replace(plan, seeds=racing.FIRST, max_seeds=None)
        return super().works(first, sizes)


def announce_time(
    plan: Recipe,
    parts: tuple[Dataset, Splits, Any, Mapping[str, str]],
    console: Any,
    done: Collection[tuple[str, int]],
    rates: Mapping[str, Rate] | None,
) -> tuple[Forecast | None, float | None]:
    """Says how long the missing trainings of a comparison will take.

    Args:
        plan: The recipe.
        parts: What else `NetworksTiming` takes.
        console: Where to say it.
        done: The finished models and seeds.
        rates: What was measured already, by model; None to measure now.

    Returns:
        The forecast and its seconds; None where nothing is missing, measured or long.
    """
    from kerasdl.training.strategy import workers_of

    if len(done) == plan.trainings:
        return None, None
    if rates is None and workers_of(parts[2]).size > 1:
        return None, None  # a step takes all workers, which wait for trainings
    sizes = Sizes.of(parts[1], parts[0].num_classes)
    # A look that builds no model is enough for a tiny run.
    short = is_short(NetworksTiming(plan, *parts).works(plan, sizes))
    return forecast(
        NetworksTiming(plan, *parts, count=not short),
        plan,
        sizes,
        console,
        rates=rates,
        done=[key_of(*one) for one in done],
        each=f"{'at most ' if plan.races else ''}{plan.most_seeds} "
        f"seed{'s' if plan.most_seeds > 1 else ''} each",
    )


def key_of(name: str, seed: int) -> str:
    """Returns the key of the works of one training."""
    return f"{name}, seed {seed}"
