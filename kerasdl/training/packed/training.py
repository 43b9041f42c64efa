"""Training many small models at a time: the loop around the compiled steps."""

import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.training.checkpoint import CheckpointStore
from kerasdl.training.compiling import compile_model
from kerasdl.training.engine import SECONDS_PER_CALL
from kerasdl.training.layer_statistics import LayerStatistics
from kerasdl.training.order import epoch_order
from kerasdl.training.packed import resume
from kerasdl.training.packed.chains import Chain, read_chain
from kerasdl.training.packed.company import check_company
from kerasdl.training.packed.compiled import Compiled
from kerasdl.training.packed.histories import Histories, Keep
from kerasdl.training.packed.pack import Pack
from kerasdl.training.packed.plan import Member, divide
from kerasdl.training.packed.reader import front_key
from kerasdl.training.packed.updates import read_rule, smoothing_of
from kerasdl.training.settings import Training

MoreScores = Callable[[Mapping[str, Any], Callable[[], Any]], Mapping[str, Any]]
"""From an epoch's columns, float64 (models,) by name, and a function that gives the logits of
the validation examples, to all columns."""

SCORED = 1000
"""Images scored at a time."""


class Packed:
    """Many Keras models with the same input, trained as one computation.

    Each model is trained as `Engine` would train it alone on the same order of the images:
    the same weights within rounding. What one model does does not reach another: a model
    whose numbers become NaN fails alone.

    Args:
        models: Built Keras models (Sequential or functional) of layers that have a packed form;
            `packable` says which have not, and why. Compiled models keep their optimizer and
            loss; the others are compiled as their training says.
        trainings: One for each model; equal but for `company.OWN` and `patience`.
        layer_statistics: Whether to measure every Dense layer in every epoch: `statistics`.
        histogram_epochs: 0-based epochs in which the gradients' entries are counted, too.

    Raises:
        ValueError: If a model cannot be packed, or models or trainings do not fit together.
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        trainings: Sequence[Training],
        *,
        layer_statistics: bool = False,
        histogram_epochs: Collection[int] = (),
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"packed training needs Keras on TensorFlow. Received: {keras.backend.backend()}"
            )
        if not models or len(models) != len(trainings):
            raise ValueError(
                "expected models and one training for each. "
                f"Received: {len(models)} models, {len(trainings)} trainings"
            )
        self.models, self.trainings = tuple(models), tuple(trainings)
        self._chains = [read_chain(model) for model in models]
        check_company(self._chains, self.trainings)
        self._form: Hashable = None
        self.stop_training = False
        self.train_seconds = 0.0
        self.statistics: list[LayerStatistics] = []
        self._histogram_epochs = frozenset(histogram_epochs)
        self._observed = layer_statistics or bool(histogram_epochs)
        self._packs: list[Pack] = []

    @property
    def failed(self) -> Mapping[int, str]:
        """What went wrong, by the places of the models whose numbers became NaN or infinite."""
        return self._histories.failed

    def replace(self, models: Sequence[keras.Model]) -> None:
        """Takes other models, e.g. of another seed, in the place of these, with their trainings.

        `fit` then trains them; what is compiled serves them too, where each is of the same form
        as its predecessor.

        Args:
            models: As many.

        Raises:
            ValueError: If a model cannot be packed, or does not fit the others.
        """
        if len(models) != len(self.models):
            raise ValueError(f"expected {len(self.models)} models. Received: {len(models)}")
        chains = [read_chain(model) for model in models]
        check_company(chains, self.trainings)
        self.models, self._chains = tuple(models), chains

    def fit(
        self,
        train: Examples,
        *,
        seed: int,
        seeds: Sequence[int] | None = None,
        initial_epoch: int = 0,
        keep: Keep | None = None,
        validation: Examples | None = None,
        more_scores: MoreScores | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoints: CheckpointStore | None = None,
        seconds_per_call: float = SECONDS_PER_CALL,
    ) -> list[dict[str, list[float]]]:
        """Trains all models.

        Callbacks get the same calls as from `Engine.fit`, with the means over the models that
        have not failed as logs; their `model` is this object, whose `stop_training` ends the
        training and whose `histories` they may read.

        With `checkpoints`, a training that was killed goes on where its last checkpoint is and
        ends with the very bits of an uninterrupted one (on one CPU), as `Engine.fit` does.

        Args:
            train: The examples to fit on.
            seed: Decides the order of the images and their augmentation, >= 0.
            seeds: Each model's seed of dropout; None for `seed` for all.
            initial_epoch: The 0-based epoch to begin with, for models that have come so far
                with their optimizers (see `unpack`); up to the trainings' epochs.
            keep: Keep each model's weights of its best epoch by this score, without ending it
                early; None for the last ones, but for models with `patience`.
            validation: Scored after every epoch as `val_...`; None or empty for none.
            more_scores: Adds scores of the validation examples.
            callbacks: Keras callbacks that need no Keras model.
            checkpoints: Where the training is saved on its way; None for nowhere.
            seconds_per_call: How long one compiled call should take.

        Returns:
            A history for each model: lists of `loss` (penalties included, as Keras reports it),
            `accuracy` and, with validation, `val_loss` and `val_accuracy` (see
            `Engine.evaluate`), one number an epoch; NaN from the epoch on in which it failed.
            A model with `patience` ends when that is used up, and keeps its best epoch's weights.

        Raises:
            ValueError: If `train` is empty, `initial_epoch` is not below the epochs, `patience`
                lacks validation images, or layers are measured in a training with checkpoints.
            OSError: If a checkpoint cannot be written; the earlier one is intact.
        """
        shared = self.trainings[0]
        epochs = shared.num_epochs(len(train))
        if not 0 <= initial_epoch < epochs:
            raise ValueError(f"expected 0 <= initial_epoch < {epochs}. Received: {initial_epoch}")
        scored = validation if validation is not None and len(validation) else None
        if scored is None and (keep or any(training.patience for training in self.trainings)):
            raise ValueError("patience and keep need validation images. Received: none")
        self._build(len(train), seeds if seeds is not None else [seed] * len(self.models))
        if checkpoints is not None and self._observed:
            raise ValueError("checkpoints hold no layer statistics; leave one of the two out")
        run, steps = self._compiled.train(train, shared)
        names = [model.name for model in self.models]
        patience = [training.patience for training in self.trainings]
        self._histories = Histories(names, patience, keep)
        container = keras.callbacks.CallbackList(list(callbacks), epochs=epochs, steps=steps)
        container.set_model(self)
        self.stop_training, self.train_seconds, self._first = False, 0.0, initial_epoch
        container.on_train_begin()

        whole = self._packs, self._histories, container.callbacks

        def save(place: tuple[int, int]) -> None:
            if checkpoints is not None and checkpoints.is_due():
                checkpoints.save(resume.take(*whole, place, sums, self.train_seconds))

        logs: dict[str, float] = {}
        sums, first, stretch, traced = np.zeros((2, len(self.models))), 0, 1, False
        found = None if checkpoints is None else checkpoints.latest()
        if found is not None:
            if first := found.step:
                container.on_epoch_begin(found.epoch)
            initial_epoch = found.epoch
            sums, self.train_seconds = resume.put(found, *whole)
        for epoch in range(initial_epoch, epochs):
            if self.stop_training or self._histories.ended.all():
                break
            order, counted = epoch_order(len(train), seed, epoch), epoch in self._histogram_epochs
            if not first:
                container.on_epoch_begin(epoch)
            columns = {}
            while first < steps and not self.stop_training:
                last = min(first + stretch, steps)
                container.on_train_batch_begin(first)
                started = time.perf_counter()
                sums = run(seed, order, epoch, first, last, counted, sums)
                took = time.perf_counter() - started
                self.train_seconds += took
                # The first call traces and tells nothing of a step's time.
                wanted = round((last - first) * seconds_per_call / took) if traced else 1
                traced, first, stretch = True, last, max(1, wanted)
                seen = min(first * shared.batch_size, len(train))
                columns = dict(zip(("loss", "accuracy"), sums / seen, strict=True))
                container.on_train_batch_end(last - 1, self._histories.means(columns))
                if first < steps and not self.stop_training:
                    save((epoch, first))
            for pack in self._packs:
                pack.take_statistics(self.statistics, epoch, counted)
            if scored is not None:
                scores = self.evaluate(scored)
                columns |= {f"val_{name}": values for name, values in scores.items()}
                if more_scores is not None:
                    columns = dict(more_scores(columns, partial(self.predict, scored.images)))
            better = self._histories.add(epoch, columns, self._compiled.finite().numpy())
            if better.any():
                for pack in self._packs:
                    pack.keep(better[pack.indices])
            logs = self._histories.means(columns)
            container.on_epoch_end(epoch, logs)
            sums, first = np.zeros_like(sums), 0
            save((epoch + 1, 0))
        for pack in self._packs:
            pack.restore(self._histories.patient[pack.indices])
        container.on_train_end(logs)
        return self.histories

    @property
    def epochs(self) -> npt.NDArray[np.int64]:
        """The 0-based epochs whose weights the models have in the end, int64 (models,)."""
        best = self._histories.best_epochs
        last = [len(one["loss"]) + self._first - 1 for one in self.histories]
        return np.where(self._histories.patient & (best >= 0), best, last).astype(np.int64)

    @property
    def histories(self) -> list[dict[str, list[float]]]:
        """The history of each model so far."""
        return self._histories.values

    def evaluate(self, examples: Examples) -> dict[str, npt.NDArray[np.float64]]:
        """Returns the models' `loss` (cross-entropy in nats, unsmoothed) and `accuracy` (0..1).

        Args:
            examples: At least one.

        Returns:
            Two float64 arrays (models,).
        """
        self._check_built()
        sums = self._compiled.score(examples.images, examples.labels).numpy()
        return dict(zip(("loss", "accuracy"), sums / len(examples), strict=True))

    def predict(self, images: npt.NDArray[np.uint8], batch_size: int = SCORED) -> Any:
        """Returns the models' logits; of a model that ends with a softmax what enters it.

        Args:
            images: uint8 array (n, h, w, c).
            batch_size: Images at a time; does not change the result.

        Returns:
            float32 array (models, n, num_classes).
        """
        self._check_built()
        parts = [
            self._compiled.predict(images[first : first + batch_size]).numpy()
            for first in range(0, len(images), batch_size)
        ]
        if parts:
            return np.concatenate(parts, axis=1)
        return np.zeros((len(self.models), 0, self.models[0].output_shape[-1]), np.float32)

    def unpack(self, *, optimizers: bool = False) -> list[keras.Model]:
        """Writes the weights and moving statistics into the Keras models and returns these.

        Args:
            optimizers: Whether to write the optimizers' state, too. Each model can then go on
                as if it had never stopped: alone, or packed with whichever others are left.
        """
        self._check_built()
        for pack in self._packs:
            pack.unpack(optimizers=optimizers)
        return list(self.models)

    def _build(self, num_examples: int, seeds: Sequence[int]) -> None:
        """Makes the packs, with the models' present weights."""
        if len(seeds) != len(self.models):
            raise ValueError(
                f"expected {len(self.models)} seeds, one a model. Received: {len(seeds)}"
            )
        members = []
        for index, (chain, training) in enumerate(zip(self._chains, self.trainings, strict=True)):
            if not chain.model.compiled:
                compile_model(chain.model, training, num_examples)
            rule, smoothing = read_rule(chain.model.optimizer), smoothing_of(chain)
            members.append(Member(index, chain, rule, smoothing))
        batch_size = min(self.trainings[0].batch_size, num_examples)
        options = {"layer_statistics": self._observed, "histograms": bool(self._histogram_epochs)}
        packs = [Pack(bundles, seeds, **options) for bundles in divide(members, batch_size)]
        form = tuple(member.form for member in members), front_key(self._chains[0].front)
        if form == self._form and not self._observed:
            for own, new in zip(self._packs, packs, strict=True):
                own.begin_with(new)
            return
        self._packs, self._form = packs, form
        if self._observed:
            self.statistics = [LayerStatistics(_dense_names(chain)) for chain in self._chains]
        first = self._chains[0]
        dtype = first.model.inputs[0].dtype
        self._compiled = Compiled(first.front, dtype, self._packs, SCORED)

    def _check_built(self) -> None:
        if not self._packs:
            raise ValueError("expected a call of `fit` first")


def _dense_names(chain: Chain) -> tuple[str, ...]:
    return tuple(node.layer.name for node in chain.nodes if node.kind == "dense")
