"""The comparison of networks: models × seeds on one data set, from recipe to report."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console

from kerasdl import recipe, record
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.evaluation import statistics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.evaluation.racing import Race
from kerasdl.models import registry
from kerasdl.sections import Section
from kerasdl.studies.building import build
from kerasdl.studies.data import describe
from kerasdl.studies.earlier import take_over
from kerasdl.studies.executor import Executor
from kerasdl.studies.minutes import Limit
from kerasdl.studies.networks_timing import announce_time, key_of
from kerasdl.studies.places.task import Outcome, Place
from kerasdl.studies.plan import Recipe
from kerasdl.studies.race import groups_of, is_late, race_of, section, skip
from kerasdl.studies.together import announce
from kerasdl.training.checkpoint import CheckpointStore
from kerasdl.training.forecast import Forecast, Rate
from kerasdl.training.logs import Logs

if TYPE_CHECKING:
    from kerasdl.studies.stacking import Group


class Study:
    """One comparison on its way: trains what is missing and keeps the folder's record true.

    Args:
        plan: The recipe.
        dataset: The loaded data set.
        splits: Its parts, as the recipe divides them.
        folder: The run folder. Finished runs in it are kept and not run again.
        command: The command line, for the report.
        reported: Figures of other reports, shown on the real data set only.
        console: Where to say what is going on.
        logs: Where the trainings are logged besides; None for nowhere.
        checkpoint_seconds: A killed run loses about so many seconds of work, >= 0.
        distribution: The strategy, where it had to be made already; None to make it here.
        titles: Names for people of models that have names of their own.
        weights: Paths of the weights that bases begin with, by model (`transfer.weights.pin`).
        cache: The `FeatureCache` of frozen bases; None to compute them at every call.
        limit: When a race for seeds ends at the latest; None for no such time.

    Attributes:
        place: Where models are trained; None for this process.

    Raises:
        ValueError: If `folder` has a record of another recipe or other data.
    """

    def __init__(
        self,
        plan: Recipe,
        dataset: Dataset,
        splits: Splits,
        folder: Path,
        *,
        command: str,
        reported: Sequence[record.Reported],
        console: Console,
        logs: Logs | None = None,
        checkpoint_seconds: float = 10.0,
        distribution: Any = None,
        titles: Mapping[str, str] | None = None,
        weights: Mapping[str, str] | None = None,
        cache: Any = None,
        limit: Limit | None = None,
    ) -> None:
        from kerasdl.training import environment, strategy

        self.plan, self.splits, self.folder = plan, splits, folder
        self.console, self._titles = console, dict(titles or {})
        self.weights, self.cache = dict(weights or {}), cache
        # The parts have images of their own: the undivided ones would be a second copy.
        self.dataset = dataclasses.replace(dataset, train=splits.train)
        self.strategy = distribution or strategy.make_strategy(plan.strategy)
        self.record = record.Record(
            app=plan.app,
            command=command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            status="running",
            environment=environment.describe(strategy.describe(self.strategy), plan.precision),
            dataset=describe(dataset, splits, plan.data),
            recipe=recipe.to_dict(plan),
            runs=[],
            summary=[],
            comparisons=[],
            reported=[] if dataset.synthetic else list(reported),
        )
        self.checkpoint_seconds, self.limit = checkpoint_seconds, limit
        self.logs = logs or Logs((), folder, self.record.recipe)
        self.predictions = Predictions(splits.test.labels, dataset.num_classes)
        self.record = take_over(folder, self.record, self.predictions, self.say)
        self.forecast: Forecast | None = None
        self.place: Place | None = None
        self.executor = Executor(self)
        self._earlier_seconds = self.record.seconds or 0.0
        self._started: float | None = None
        shape = dataset.image_shape, dataset.num_classes
        for name, settings in plan.settings.items():
            if name not in plan.transfer:  # built when its weights were found
                # A wrong value shows now, not at that network's turn.
                registry.build(plan.network(name).name, *shape, **settings)

    def title(self, name: str) -> str:
        """Returns a model's name for people."""
        own = name in self.plan.networks
        return self._titles.get(name, name if own else self.plan.network(name).title)

    def run(self) -> record.Record:
        """Trains and scores every model with every seed; writes the record after each.

        Seeds are the outer loop: interrupted, every model has had its turn.

        Returns:
            The record; `status` is "interrupted" after Ctrl-C.

        Raises:
            FloatingPointError: If a loss became NaN or infinite.
            OSError: If the folder cannot be written.
            ValueError: If features have no room, or are others than the network's. What was
                finished before is kept in any case.
        """
        status, ended = "complete", self.plan.races and self.record.status == "complete"
        if ended or len(self._done()) == self.plan.trainings:
            # A kill may have come between.
            for path in (self.folder / "checkpoints").glob("*"):
                CheckpointStore(path, {}).clear()
            for run in self.record.runs:
                self.logs.add_run(run)
            self._update(status=status)
            return self.record
        self._started = time.perf_counter()
        # From now on the folder is this run's, also if it is killed in the first model.
        self._update(status="running")
        if self.record.environment.backend != "tensorflow":
            self.say("A training killed on this backend starts anew; finished ones are kept.")
        try:
            for batch in self._batches():
                missing = [group for group in batch if not group.keys <= self._done()]
                for group in batch:
                    if group not in missing:
                        self._conclude(group)
                for group, outcome in self._train(missing):
                    self._add(outcome)
                    if outcome.error is not None:
                        raise outcome.error
                    self._conclude(group)
        except KeyboardInterrupt:
            status = "interrupted"
        except (FloatingPointError, OSError, ValueError):
            # The disk may be what failed; a folder that is gone is not made anew.
            with contextlib.suppress(OSError):
                if self.folder.is_dir():
                    self._update(status="interrupted")
            raise
        finally:
            if self.place is not None:
                self.place.close()
        self._update(status=status)
        return self.record

    def _race(self, runs: Sequence[record.Run]) -> Race:
        return race_of(self.plan, runs, len(self.splits.validation))

    def _batches(self) -> Iterator[list["Group"]]:
        """Returns the groups that need not wait for each other; a race decides in between."""
        if not self.plan.races:
            yield self.executor.groups()
            return
        divided = self.executor.divided()
        while (race := self._race(self.record.runs)).missing:
            if self.limit is not None and is_late(race, self.record.runs, self.limit.room):
                return
            skip(race, self.plan, self.forecast)
            yield list(groups_of(race, divided))

    def _train(self, groups: Sequence["Group"]) -> Iterator[tuple["Group", Outcome]]:
        """Trains groups, in this process or where else they are to be trained."""
        of = f"of {'at most ' if self.plan.races else ''}{self.plan.trainings}"
        if self.place is not None:
            for group, outcome in self.place.train(groups):
                for run, scores in zip(outcome.runs, outcome.scores, strict=True):
                    self.predictions.add(run.model, run.seed, scores, settings=run.settings)
                done = len(self._done())
                for number, run in enumerate(outcome.runs, start=done + 1):
                    self.executor.tell(run, f"{number} {of}")
                yield group, outcome
            return
        for group in groups:
            if self.forecast is not None:
                self.forecast.begin(*(key_of(*key) for key in group.keys))
            first, last = len(self._done()) + 1, len(self._done()) + len(group.models)
            place = f"{first}-{last}" if last > first else first
            yield group, Outcome(*self.executor.train(group, f"{place} {of}"))

    def announce_time(self, rates: Mapping[str, Rate] | None = None) -> None:
        """Says how long the missing trainings will take, by `rates`; None to measure now."""
        parts = self.dataset, self.splits, self.strategy, self.weights
        self.forecast, told = announce_time(self.plan, parts, self.console, self._done(), rates)
        if self.record.predicted_seconds is None and not self.record.runs:
            self.record = msgspec.structs.replace(self.record, predicted_seconds=told)

    def _done(self) -> set[tuple[str, int]]:
        return {(run.model, run.seed) for run in self.record.runs}

    def add_sections(self, sections: Sequence[Section]) -> record.Record:
        """Adds what the app concludes to the record, and of a race how it went; returns it."""
        found = list(sections)
        if self.plan.races:
            titles = {name: self.title(name) for name in self.plan.models}
            found.insert(0, section(self._race(self.record.runs), self.plan, titles))
        self._update(sections=found)
        return self.record

    def fit(
        self,
        name: str,
        seed: int,
        title: str,
        callbacks: Sequence[Any] = (),
        checkpoints: Any = None,
    ) -> Any:
        """Trains one model as the recipe says; writes nothing but checkpoints.

        Args:
            name: One of the recipe's models.
            seed: The seed.
            title: What to call the training on the console.
            callbacks: Further Keras callbacks, e.g. one that stops early.
            checkpoints: The training's `CheckpointStore`; None for no checkpoints.

        Returns:
            The engine with the trained model; `engine.model.history` is its History. An arm of
            a transfer has a `Fitted` instead, which is one for who scores it.

        Raises:
            FloatingPointError: If the loss became NaN or infinite.
        """
        from kerasdl.training.fit_engine import make_engine
        from kerasdl.training.progress import RichProgress

        if name in self.plan.transfer and self.plan.transfer[name].arm != "scratch":
            from kerasdl.studies.transfer import phases

            return phases.fit(self, name, seed, title, callbacks, checkpoints)
        training = self.plan.training[name]
        train, held_out = self.splits.train, self.splits.validation
        announce(self.strategy, self.plan, name, seed, checkpoints)
        model = build(
            self.plan, name, seed, dataset=self.dataset, train=train, strategy=self.strategy
        )
        progress = RichProgress(self.console, title, len(train), training.batch_size, self.forecast)
        called = [progress, *callbacks]
        engine = make_engine(model, self.strategy)
        try:
            engine.fit(
                train,
                training,
                seed=seed,
                validation=held_out,
                callbacks=called,
                **({} if checkpoints is None else {"checkpoints": checkpoints}),
            )
        finally:
            progress.close()
        return engine

    def say(self, text: str) -> None:
        """Prints a line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _add(self, outcome: Outcome) -> None:
        self.predictions.save(self.folder / "predictions.npz")
        self._update(runs=[*self.record.runs, *outcome.runs], status="running")

    def _conclude(self, group: "Group") -> None:
        """Does what is left when a group's runs are in the record; once more, it does nothing."""
        for store in self.executor.checkpoints(group):
            store.clear()
        for run in self.record.runs:
            if run.model in group.models and run.seed == group.seed:
                self.logs.add_run(run)

    def _update(self, **changes: Any) -> None:
        """Replaces fields of the record, computes what follows from the runs, and writes it."""
        # In the order of an uninterrupted run, whatever was finished when.
        runs = sorted(
            changes.pop("runs", self.record.runs),
            key=lambda run: (run.seed, self.plan.models.index(run.model)),
        )
        seconds = self.record.seconds
        if self._started is not None:  # a start that trains nothing adds nothing
            seconds = self._earlier_seconds + time.perf_counter() - self._started
        titles = {name: self.title(name) for name in self.plan.models}
        steady = self._race(runs).put_out if self.plan.races else None
        self.record = msgspec.structs.replace(
            self.record,
            runs=runs,
            summary=statistics.summarise(runs, titles),
            comparisons=statistics.compare_all(runs, self.predictions, steady),
            seconds=seconds,
            **changes,
        )
        record.write(self.record, self.folder / "results.json")
