"""What takes time in a search: trials, a group at a time, and the winner's new trainings.

`--minutes` shortens the epochs of each trial and, where that is not enough, takes fewer images; all
trials and seeds are run: a search with fewer of them would be another question.
"""

import functools
import math
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import msgspec

from kerasdl.studies.experiment import Context
from kerasdl.studies.timing import Sizes
from kerasdl.training.engine import Engine
from kerasdl.training.forecast import Rate, Work
from kerasdl.training.packed import packable
from kerasdl.training.stopwatch import Rehearsal
from kerasdl.tuning.announcement import combinations
from kerasdl.tuning.material import Material, prepare
from kerasdl.tuning.packed_tuner import PackedTuner
from kerasdl.tuning.plan import Search
from kerasdl.tuning.study import TRIALS, finished_groups, make_tuner, run_trials
from kerasdl.tuning.subjects import SUBJECTS, Subject


class SearchTiming:
    """The `Timing` of a search.

    Args:
        context: What it is given; what is measured goes there.
        subject: What is searched.
    """

    def __init__(self, context: Context, subject: Subject) -> None:
        self._context, self._subject = context, subject

    def works(self, plan: Search, sizes: Sizes) -> list[Work]:
        """Returns the groups of trials, and the winner's trainings.

        A trial is thought to cost what the others cost; Hyperband's rounds have fewer and longer
        ones each.
        """
        epochs = plan.fitted(sizes.train).epochs
        found: list[Work] = []
        if self._subject.frozen:
            every = sizes.train + sizes.validation + sizes.test
            found.append(Work("features", "features", "features", 0.0, scored=every))
        alone, size = self._tuner.group_size == 1 and self._alone, self._tuner.group_size
        for trials, of in self._rounds(plan, epochs):
            # One by one: each seed of each trial is a training of its own.
            groups = [1] * trials * plan.seeds if alone else _groups(trials, size)
            for trials_of_group in groups:
                share = 1.0 if alone else trials_of_group / min(self._trials, size)
                found.append(
                    Work(
                        f"{TRIALS} {len(found)}",
                        "trials",
                        "trials",
                        of * sizes.train * share,
                        of * sizes.validation * share,
                        sizes.validation,
                        self._operations * (1 if alone else trials_of_group * plan.seeds),
                    )
                )
        images = epochs * (sizes.train + sizes.validation)
        winner = Work("winner", "the winner", "winner", images, operations=self._operations)
        return found + [winner._replace(scored=sizes.test)] * plan.seeds

    def done(self, folder: Path) -> list[str]:
        """Returns the keys of the groups that a run folder has."""
        first = int(self._subject.frozen)
        return [f"{TRIALS} {first + number}" for number in range(finished_groups(folder))]

    def rest(self, plan: Search) -> float:
        """Returns the seconds of figures and report."""
        return 6.0

    def measure(self, work: Work) -> Rate:
        """Measures a few steps of the first group, or of one model alone."""
        rehearsal = Rehearsal()
        plan, material = self._plan, self._material
        if work.kind == "features":
            return self._features()
        if work.kind == TRIALS:
            folder = self._context.folder / "trials"

            def search() -> None:
                tuner = make_tuner(
                    plan,
                    material,
                    folder,
                    self._context.console,
                    callbacks=lambda _, size: [rehearsal.watch(len(material.train), size)],
                )
                run_trials(tuner, plan, material)

            return rehearsal.run(search)

        def alone() -> None:
            training = plan.fitted(len(material.train))
            hypermodel = material.hypermodel(material.train, training)
            model = hypermodel.build(keras_tuner.HyperParameters())
            watch = rehearsal.watch(len(material.train), training.batch_size)
            # As the winner: patience has no validation images to stop by.
            plain = msgspec.structs.replace(training, patience=0)
            rows: Any = material.train
            Engine(model).fit(rows, plain, seed=plan.seed, callbacks=[watch])

        return rehearsal.run(alone)

    @property
    def _plan(self) -> Search:
        plan: Search = self._context.plan
        return plan

    @functools.cached_property
    def _material(self) -> Material:
        """What the search trains on; of features that are not computed yet, noise."""
        dataset, parts = self._context.images
        make = prepare
        if self._subject.frozen:
            from kerasdl.tuning.frozen_material import of_noise as make
        return make(
            self._plan,
            self._subject,
            dataset,
            parts,
            data_dir=self._context.data_dir,
            console=self._context.console,
        )

    @functools.cached_property
    def _tuner(self) -> PackedTuner:
        """A tuner that trains nothing: it knows the space, and how many trials fit a group."""
        return make_tuner(
            self._plan,
            self._material,
            self._context.folder / "space",
            self._context.console,
            callbacks=lambda title, batch_size: [],
            processes=self._context.jobs,
        )

    @functools.cached_property
    def _trials(self) -> int:
        """How many trials there are at most, Hyperband's rounds left out."""
        oracle = self._tuner.plain_oracle
        most = oracle.max_trials or math.inf
        return int(min(most, combinations(self._tuner.space.space, {})))

    def _rounds(self, plan: Search, epochs: int) -> list[tuple[int, int]]:
        """Returns trials that are trained alike: how many, and for how many epochs."""
        oracle = self._tuner.plain_oracle
        if not isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
            return [(self._trials, epochs)]
        brackets = 1 + int(math.log(epochs, oracle.factor) + 1e-9) if epochs > 1 else 1
        found = []
        for bracket in reversed(range(brackets)):
            # KerasTuner's HyperbandOracle, `_get_size` and `_get_epochs`.
            last = math.ceil(1 + math.log(epochs, oracle.factor)) / (bracket + 1)
            before = 0
            for number in range(bracket + 1):
                size = math.ceil(last * oracle.factor ** (bracket - number))
                to = math.ceil(epochs / oracle.factor ** (bracket - number))
                found.append((min(size, self._trials), to - before))
                before = to
        return found

    @functools.cached_property
    def _model(self) -> keras.Model:
        training = self._plan.fitted(len(self._material.train))
        hypermodel = self._material.hypermodel(self._material.train, training)
        model: keras.Model = hypermodel.build(keras_tuner.HyperParameters())
        return model

    @functools.cached_property
    def _alone(self) -> bool:
        return packable(self._model) is not None

    @functools.cached_property
    def _operations(self) -> int:
        """Multiply-accumulates of the default model; of a kind that is not counted, its weights."""
        from kerasdl.models.costs import multiply_accumulates

        try:
            return multiply_accumulates(self._model)
        except ValueError:
            return int(self._model.count_params())

    def _features(self) -> Rate:
        """Measures the forward pass that makes features."""
        from kerasdl.models import transfer
        from kerasdl.studies.transfer.frozen import Frozen
        from kerasdl.training.features.forward import Forward

        context, began = self._context, time.perf_counter()
        dataset, parts = context.images
        frozen = Frozen(
            self._subject.settings,
            self._plan.precision,
            dataset,
            data_dir=context.data_dir,
            console=context.console,
        )
        forward = Forward(transfer.features_model(frozen.model()))
        images = parts.train.images[: forward.batch_size]
        forward(images)
        started = time.perf_counter()
        forward(images)
        took = time.perf_counter() - started
        return Rate(max(0.0, started - began - took), 0.0, took / len(images))


def _groups(trials: int, size: int) -> list[int]:
    """Returns how many trials each group has."""
    return [min(size, trials - first) for first in range(0, trials, size)]


def mnist_width(context: Context) -> SearchTiming:
    """Returns the timing of `tuning.mnist_width`."""
    return SearchTiming(context, SUBJECTS["mnist_width"](context.plan))


def regularization(context: Context) -> SearchTiming:
    """Returns the timing of `tuning.regularization`."""
    return SearchTiming(context, SUBJECTS["regularization"](context.plan))


def fields(context: Context) -> SearchTiming:
    """Returns the timing of `tuning.search`."""
    return SearchTiming(context, SUBJECTS["search"](context.plan))


def transfer_head(context: Context) -> SearchTiming:
    """Returns the timing of `tuning.transfer_head`."""
    return SearchTiming(context, SUBJECTS["transfer_head"](context.plan))


def own_model(context: Context) -> SearchTiming:
    """Returns the timing of `tuning.own_model`."""
    return SearchTiming(context, SUBJECTS["own_model"](context.plan))
