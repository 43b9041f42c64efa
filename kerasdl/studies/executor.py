"""What trains the models of a comparison: those that can be stacked together, the others alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kerasdl import files, recipe, record
from kerasdl.models import saved
from kerasdl.studies.scoring import score
from kerasdl.studies.transfer.settings import SECOND

if TYPE_CHECKING:
    from kerasdl.studies.networks import Study
    from kerasdl.studies.stacking import Group, Stack


class Executor:
    """Trains, scores and saves, group by group.

    Args:
        study: The comparison, with its recipe, images and folder.
    """

    def __init__(self, study: "Study") -> None:
        self._study = study
        self._divided: list[tuple[str, ...]] | None = None
        self._stacks: dict[tuple[str, ...], Stack] = {}

    def divided(self) -> list[tuple[str, ...]]:
        """Returns the models of the recipe as they are trained together."""
        from kerasdl.studies.stacking import divide

        if self._divided is None:
            study = self._study
            self._divided = divide(study.plan, study.dataset, study.splits, study.strategy)
        return self._divided

    def groups(self) -> list["Group"]:
        """Returns all trainings of the recipe, in their order: seed by seed."""
        from kerasdl.studies.stacking import Group

        plan = self._study.plan
        seeds = range(plan.seed, plan.seed + plan.most_seeds)
        return [Group(models, seed) for seed in seeds for models in self.divided()]

    def fit(
        self,
        group: "Group",
        title: str,
        callbacks: Sequence[Sequence[Any]] = (),
        checkpoints: Any = None,
    ) -> tuple[list[Any], FloatingPointError | None]:
        """Trains a group; writes nothing but checkpoints.

        Args:
            group: One of `groups`.
            title: What to call the training on the console.
            callbacks: For each model further Keras callbacks.
            checkpoints: The training's `CheckpointStore`; None for no checkpoints.

        Returns:
            What has each trained model, as from `Study.fit`; None where one diverged in a group,
            and the error of the first of those.

        Raises:
            FloatingPointError: If the loss of a model that is alone became NaN or infinite.
        """
        from kerasdl.studies.stacking import Stack
        from kerasdl.training.progress import RichProgress

        study, plan = self._study, self._study.plan
        if len(group.models) == 1:
            (name,), own = group.models, callbacks[0] if callbacks else ()
            return [study.fit(name, group.seed, title, own, checkpoints)], None
        if group.models not in self._stacks:
            made = Stack(plan, study.dataset, study.splits, study.strategy)
            self._stacks[group.models] = made
        size, batch = len(study.splits.train), plan.training[group.models[0]].batch_size
        progress = RichProgress(study.console, title, size, batch, study.forecast)
        return self._stacks[group.models].fit(group, progress, callbacks, checkpoints)

    def train(
        self, group: "Group", place: str
    ) -> tuple[list[record.Run], FloatingPointError | None]:
        """Trains, scores and saves the models of a group, and adds their predictions.

        Args:
            group: One of `groups`.
            place: Which of all it is, for people.

        Returns:
            The runs of the models that did not diverge, and the error of the first that did.

        Raises:
            FloatingPointError: If the loss of a model that is alone became NaN or infinite.
            OSError: If the folder cannot be written, or is no longer there.
        """
        study = self._study
        title = f"{', '.join(group.models)}, seed {group.seed} ({place})"
        stores = self.checkpoints(group)
        found = [store.latest() for store in stores]
        if found and found[0] is not None:
            begun = f"epoch {found[0].epoch}, step {found[0].step} of the next"
            study.say(f"{title}: goes on after {begun}")
        callbacks = [
            study.logs.callbacks(name, group.seed, continued=any(found)) for name in group.models
        ]
        fitted, error = self.fit(group, title, callbacks, stores[0] if stores else None)
        if not study.folder.is_dir():  # writing would make it anew, without what was in it
            raise FileNotFoundError(
                f"the run folder {study.folder} was removed or renamed while {title} was trained"
            )
        # Trained again because another of the group diverged, these are the same as before.
        before = {(run.model, run.seed) for run in study.record.runs}
        return [
            self._finish(name, group.seed, engine, place)
            for name, engine in zip(group.models, fitted, strict=True)
            if engine is not None and (name, group.seed) not in before
        ], error

    def _finish(self, name: str, seed: int, engine: Any, place: str) -> record.Run:
        """Scores and saves a trained model."""
        study = self._study
        run = score(study.plan, name, seed, engine, study.splits, study.predictions)
        models = study.folder / "models"
        for left in models.glob(f".{name}-seed{seed}.*"):  # a write that was killed
            left.unlink(missing_ok=True)
        with files.atomic_path(models / f"{name}-seed{seed}.keras") as path:
            saved.save(engine.model, path, study.dataset.class_names)
        self.tell(run, place)
        return run

    def tell(self, run: record.Run, place: str) -> None:
        """Prints a line about a finished training.

        Args:
            run: What was measured.
            place: Which of all it is, for people.
        """
        others = f", stacked with {run.stacked - 1} more" if run.stacked else ""
        self._study.console.print(
            f"{run.model}, seed {run.seed} ({place}): "
            f"test accuracy [bold]{100 * run.metrics.test_accuracy:.2f} %[/bold], "
            f"{run.epochs} epochs in {run.train_seconds:.0f} s "
            f"({run.images_per_second:,.0f} images/s, {run.precision}{others})",
            highlight=False,
            soft_wrap=True,
        )

    def checkpoints(self, group: "Group") -> list[Any]:
        """Returns where the phases of a training are saved on their way, if anywhere."""
        import keras

        from kerasdl.training.checkpoint import CheckpointStore

        study, plan = self._study, self._study.plan
        if keras.backend.backend() != "tensorflow":
            return []  # Model.fit goes on with whole runs only
        # The number of workers is left out: another number may go on with the training.
        machine = msgspec.structs.replace(study.record.environment, strategy="")
        identity = {
            "seed": group.seed,
            "data": recipe.to_dict(plan.data),
            "images": study.record.dataset.sha256,
            "environment": msgspec.to_builtins(machine),
        }
        own = [
            {
                "model": name,
                "settings": plan.settings.get(name, {}),
                "training": recipe.to_dict(plan.training[name]),
            }
            for name in group.models
        ]
        how = plan.transfer.get(group.models[0])
        if how is not None:
            own[0]["transfer"] = recipe.to_dict(how)
        first = CheckpointStore(
            study.folder / "checkpoints" / group.name,
            {**identity, **(own[0] if len(own) == 1 else {"models": own})},
            seconds=study.checkpoint_seconds,
            notify=study.say,
        )
        tuned = how is not None and how.arm == "finetuned"
        return [first, first.beside(SECOND)] if tuned else [first]
