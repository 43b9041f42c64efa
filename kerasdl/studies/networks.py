"""The comparison of networks: models × seeds on one data set, from recipe to report."""

import contextlib
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from kerasdl import recipe, record
from kerasdl.datasets.dataset import Dataset, Splits
from kerasdl.evaluation import metrics, statistics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.models import registry
from kerasdl.studies.building import build
from kerasdl.studies.plan import Data, Recipe
from kerasdl.training.logs import Logs


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
    ) -> None:
        from kerasdl.training import environment, strategy

        self.plan, self.splits, self.folder = plan, splits, folder
        self.dataset, self.console = dataset, console
        self.strategy = strategy.make_strategy(plan.strategy)
        self.record = record.Record(
            app=plan.app,
            command=command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            status="running",
            environment=environment.describe(strategy.describe(self.strategy), plan.precision),
            dataset=_describe(dataset, splits, plan.data),
            recipe=recipe.to_dict(plan),
            runs=[],
            summary=[],
            comparisons=[],
            reported=[] if dataset.synthetic else list(reported),
        )
        self.logs = logs or Logs((), folder, self.record.recipe)
        self.predictions = Predictions(splits.test.labels, dataset.num_classes)
        self._continue()
        for name, settings in plan.settings.items():
            # A wrong value shows now, not at that network's turn.
            registry.build(name, dataset.image_shape, dataset.num_classes, **settings)

    def run(self) -> record.Record:
        """Trains and scores every model with every seed; writes the record after each.

        Seeds are the outer loop: interrupted, every model has had its turn.

        Returns:
            The record; `status` is "interrupted" after Ctrl-C.

        Raises:
            FloatingPointError: If a loss became NaN or infinite.
            OSError: If the folder cannot be written. What was finished before
                is kept either way.
        """
        done = {(run.model, run.seed) for run in self.record.runs}
        seeds = range(self.plan.seed, self.plan.seed + self.plan.seeds)
        todo = [(model, seed) for seed in seeds for model in self.plan.models]
        status = "complete"
        for run in self.record.runs:
            self.logs.add_run(run)
        if len(done) == len(todo):
            self._update(status=status)
            return self.record
        # From now on the folder is this run's, also if it is killed in the first model.
        self._update(status="running")
        try:
            for number, (model, seed) in enumerate(todo, start=1):
                if (model, seed) not in done:
                    self._add(self._train(model, seed, f"{number} of {len(todo)}"))
        except KeyboardInterrupt:
            status = "interrupted"
        except (FloatingPointError, OSError):
            with contextlib.suppress(OSError):  # the disk may be what failed
                self._update(status="interrupted")
            raise
        self._update(status=status)
        return self.record

    def fit(self, name: str, seed: int, title: str, callbacks: Sequence[Any] = ()) -> Any:
        """Trains one model as the recipe says; writes nothing.

        Args:
            name: One of the recipe's models.
            seed: The seed.
            title: What to call the training on the console.
            callbacks: Further Keras callbacks, e.g. one that stops early.

        Returns:
            The engine with the trained model; `engine.model.history` is its History.

        Raises:
            FloatingPointError: If the loss became NaN or infinite.
        """
        from kerasdl.training.fit_engine import make_engine
        from kerasdl.training.progress import RichProgress

        training = self.plan.training[name]
        train, held_out = self.splits.train, self.splits.validation
        model = build(
            self.plan, name, seed, dataset=self.dataset, train=train, strategy=self.strategy
        )
        progress = RichProgress(self.console, title, len(train), training.batch_size)
        called = [progress, *callbacks]
        engine = make_engine(model, self.strategy)
        try:
            engine.fit(train, training, seed=seed, validation=held_out, callbacks=called)
        finally:
            progress.close()
        return engine

    def _train(self, name: str, seed: int, place: str) -> record.Run:
        """Trains and scores one model and adds its predictions."""
        from kerasdl import files
        from kerasdl.models import costs
        from kerasdl.training.precision import resolve

        title = f"{name}, seed {seed} ({place})"
        engine = self.fit(name, seed, title, self.logs.callbacks(name, seed))
        model, history, parts = engine.model, engine.model.history, self.splits
        settings = dict(self.plan.settings.get(name, {}))
        precision = resolve(self.plan.precision, depthwise=registry.get(name).depthwise)
        # Scored as it is stored: the record and predictions.npz agree to the last digit.
        scores = self.predictions.add(
            name, seed, engine.predict(parts.test.images), settings=settings
        )
        validation = None
        if len(parts.validation):
            validation = metrics.score(
                parts.validation.labels, engine.predict(parts.validation.images)
            )
        epochs = len(history.epoch)
        run = record.Run(
            model=name,
            seed=seed,
            settings=settings,
            parameters=costs.count_parameters(model).trainable,
            multiply_accumulates=costs.multiply_accumulates(model),
            epochs=epochs,
            train_seconds=engine.train_seconds,
            images_per_second=epochs * len(parts.train) / engine.train_seconds,
            precision=precision,
            history={key: list(map(float, values)) for key, values in history.history.items()},
            metrics=metrics.combine(
                metrics.score(parts.train.labels, engine.predict(parts.train.images)),
                validation,
                metrics.score(parts.test.labels, scores),
            ),
        )
        with files.atomic_path(self.folder / "models" / f"{name}-seed{seed}.keras") as path:
            model.save(path, include_optimizer=False)
        self.console.print(
            f"{title}: test accuracy [bold]{100 * run.metrics.test_accuracy:.2f} %[/bold], "
            f"{epochs} epochs in {engine.train_seconds:.0f} s "
            f"({run.images_per_second:,.0f} images/s, {precision})",
            highlight=False,
            soft_wrap=True,
        )
        return run

    def _add(self, run: record.Run) -> None:
        self.predictions.save(self.folder / "predictions.npz")
        self._update(runs=[*self.record.runs, run], status="running")
        self.logs.add_run(run)

    def _update(self, **changes: Any) -> None:
        """Replaces fields of the record, computes what follows from the runs, and writes it."""
        # In the order of an uninterrupted run, whatever was finished when.
        runs = sorted(
            changes.pop("runs", self.record.runs),
            key=lambda run: (run.seed, self.plan.models.index(run.model)),
        )
        titles = {name: registry.get(name).title for name in self.plan.models}
        self.record = msgspec.structs.replace(
            self.record,
            runs=runs,
            summary=statistics.summarise(runs, titles),
            comparisons=statistics.compare_all(runs, self.predictions),
            **changes,
        )
        record.write(self.record, self.folder / "results.json")

    def _continue(self) -> None:
        """Takes over the finished runs of an earlier start with the same recipe and data."""
        path = self.folder / "results.json"
        if not path.exists():
            return
        old = record.read(path)
        differences = recipe.differences(old.recipe, self.record.recipe)
        if old.dataset.sha256 != self.record.dataset.sha256:
            differences.append("the images (dataset.sha256)")
        if differences:
            raise ValueError(
                f"{self.folder} holds the run of another recipe; choose another --out. "
                f"Differences: {'; '.join(differences)}"
            )
        if not old.runs:
            return
        stored = Predictions.load(self.folder / "predictions.npz")
        for run in old.runs:
            # Only these: killed between two writes, the file may hold one run more.
            scores = stored.get(run.model, run.seed, run.settings)
            if scores is None:
                raise ValueError(
                    f"{self.folder}: predictions.npz lacks the run {run.model}, seed {run.seed}, "
                    "of results.json; remove the folder or choose another --out"
                )
            self.predictions.add(run.model, run.seed, scores, settings=run.settings)
        count = len(old.runs)
        self.console.print(
            f"{self.folder}: kept {count} finished {'run' if count == 1 else 'runs'}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        finished = len(old.runs) == len(self.plan.models) * self.plan.seeds
        if not finished:
            self._check_machine(old.environment)
        # What trained the runs is what the record tells of, not who looks at it later.
        self.record = msgspec.structs.replace(
            self.record,
            runs=old.runs,
            created=old.created,
            command=old.command,
            environment=old.environment,
            status=old.status,
        )

    def _check_machine(self, old: record.Environment) -> None:
        """Raises ValueError if the missing runs would come from another machine or version."""
        before, now = (msgspec.structs.asdict(e) for e in (old, self.record.environment))
        changed = [f"{key}: {before[key]} -> {now[key]}" for key in now if before[key] != now[key]]
        if changed:
            raise ValueError(
                f"{self.folder} was begun elsewhere; one record is of one machine and its "
                f"versions. Differences: {'; '.join(changed)}. Choose another --out"
            )


def _describe(dataset: Dataset, splits: Splits, data: Data) -> record.DatasetInfo:
    portion = None
    if data.train_size is not None or data.train_fraction is not None:
        portion = f"trained on {len(splits.train)} of {len(dataset.train)}"
    return record.DatasetInfo(
        name=dataset.name,
        title=dataset.title,
        source=dataset.source,
        verified=dataset.verified,
        partial=dataset.partial,
        train=len(splits.train),
        validation=len(splits.validation),
        test=len(splits.test),
        sha256=dataset.sha256,
        image_shape=dataset.image_shape,
        class_names=list(dataset.class_names),
        partial_test=dataset.partial_test,
        portion=portion,
        notes=list(dataset.notes),
    )
