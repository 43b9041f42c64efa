"""A KerasTuner tuner that trains many trials, and many seeds of each, as one computation.

    class Perceptron(keras_tuner.HyperModel):
        def build(self, hp):
            width = hp.Int("width", 60, 600, step=60)
            model = keras.Sequential([keras.Input((784,)), Dense(width, "relu"), Dense(10)])
            model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
            return model

    tuner = PackedTuner(make_oracle("grid", seed=1), Perceptron(), seeds=5, project_name="width")
    tuner.search(x, y, epochs=10, batch_size=32, validation_data=(x_val, y_val))
    tuner.results_summary()

It is a `keras_tuner.Tuner`: `get_best_hyperparameters`, `get_best_models`, `results_summary`
and the project folder are KerasTuner's. `tuner.outcomes` has every seed's history.
"""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
from keras_tuner.src.distribute import utils as distribution

from kerasdl import files
from kerasdl.training.packed.histories import Keep
from kerasdl.training.settings import Training
from kerasdl.tuning import building, trainings
from kerasdl.tuning.announcement import announcement
from kerasdl.tuning.identity import check_options, check_rows, describe, suggest_group_size
from kerasdl.tuning.oracles import Grouping, explore, write_json
from kerasdl.tuning.outcomes import Execution, Outcome
from kerasdl.tuning.results import outcome_of
from kerasdl.tuning.states import get_state, set_state
from kerasdl.tuning.store import Store
from kerasdl.tuning.training_jobs import MakeCallbacks, Rows

IDLE_SECONDS = 0.2
"""How long to wait where the oracle waits for other processes' results."""


class PackedTuner(keras_tuner.Tuner):  # type: ignore[misc]
    """Runs the trials of an oracle in groups.

    A model is a classifier with integer labels, compiled with
    SparseCategoricalCrossentropy. Perceptrons that share their input and what precedes
    their first Dense layer are packed (`kerasdl.training.packed.packable`); others are
    trained one by one, with a message. A trial's score is the mean over its seeds.

    The same arguments in the same folder go on with a search that was killed, and end with
    the same trials and numbers; another search there is refused. A trial whose `build`
    raises or whose loss is not finite is FAILED, with its error, and the search goes on.

    Args:
        oracle: As from `make_oracle`; any oracle of KerasTuner's works, in one process.
        hypermodel: A `keras_tuner.HyperModel` or a function from HyperParameters to a
            compiled model. It may have a method `training(hp)` that returns the
            `kerasdl.training.settings.Training` of a trial (augmentation, epochs, patience).
        seeds: Trainings of each trial, with the seeds `seed`, `seed + 1`, ... of first
            weights and dropout. Packed ones share the order of the images, that of `seed`;
            each of the others has that of its own seed.
        seed: The first seed, >= 0.
        keep: "last" scores a training by its last epoch and keeps its weights; "best" by its
            best epoch on the validation images, by the objective, as KerasTuner does.
        group_size: The most trials of a group; None for as many as memory suggests.
        processes: How many processes share the search: each gets the smaller groups.
        say: Takes a sentence for the user; prints by default.
        callbacks: Makes Keras callbacks of a group's training, see `training_jobs.MakeCallbacks`.
        directory, project_name, overwrite: As of `keras_tuner.Tuner`.

    Raises:
        ValueError: If an argument is not what it should be.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any,
        *,
        seeds: int = 1,
        seed: int = 0,
        keep: str = "last",
        group_size: int | None = None,
        processes: int = 1,
        say: Callable[[str], None] = print,
        callbacks: MakeCallbacks | None = None,
        directory: str | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
    ) -> None:
        check_options(
            oracle, seeds=seeds, seed=seed, keep=keep, group_size=group_size, processes=processes
        )
        self.seeds = range(seed, seed + seeds)
        self.keep, self._say, self._make_callbacks = keep, say, callbacks or _no_callbacks
        self.objective: Keep = oracle.objective.name
        oracle.verbose = 0
        self._told: set[str] = set()
        self._finished: dict[str, Outcome] = {}
        options = {"directory": directory, "project_name": project_name, "overwrite": overwrite}
        super().__init__(oracle, hypermodel, **options)
        # As known at first: trials may ask for more.
        self.space = self.plain_oracle.get_space()
        most = group_size or suggest_group_size(self)
        self.group_size = math.ceil(most / processes)
        # Of an oracle that learns from every trial this decides which ones follow.
        learning = isinstance(oracle, keras_tuner.oracles.BayesianOptimizationOracle)
        self.wave_size = most if learning else None
        if isinstance(oracle, Grouping):
            oracle.group_size, oracle.wave_size = self.group_size, most

    def search(
        self,
        x: npt.NDArray[Any],
        y: npt.NDArray[Any],
        *,
        epochs: int = 1,
        batch_size: int = 32,
        patience: int = 0,
        validation_data: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    ) -> None:
        """Runs trials until the oracle has no more.

        In a process that KerasTuner's environment variables make the chief, it serves the
        others instead, until they are done.

        Args:
            x: Array (n, ...), as the models take it; images as uint8 need a quarter of the memory.
            y: Integer labels (n,).
            epochs: Passes over the examples; "hyperband" has its own.
            batch_size: Examples in a step.
            patience: Epochs without a better validation loss after which a training ends and
                keeps its best epoch; 0 for never.
            validation_data: Another x and y, by which trials are scored.

        Raises:
            ValueError: If the arrays do not fit each other, or the folder has another search.
        """
        examples, validation = (
            check_rows(x, y, "x and y"),
            check_rows(*validation_data, "validation_data"),
        )
        self._training = Training(
            epochs=epochs, batch_size=batch_size, patience=patience, schedule="constant"
        )
        identity = describe(self, self._training, examples, validation)
        self._store = Store(self._folder, identity)
        if distribution.is_chief_oracle():
            from kerasdl.tuning.jobs import serve

            serve(self.oracle)
            return
        if (announced := announcement(self)) and not self._is_worker():
            self._say(announced)
        self.on_search_begin()
        while True:
            trials, status = self._next_group()
            if trials:
                self._finish(trials, self._outcomes_of(trials, examples, validation))
            elif status == "STOPPED":
                break
            else:
                time.sleep(IDLE_SECONDS)
        self._store.drop_states()
        if not self._is_worker():
            self._store.tidy()
        self.on_search_end()

    @property
    def outcomes(self) -> list[Outcome]:
        """The finished trials in the order of their ids, after or during `search`.

        Of several processes each knows its own; started in one process after them, it knows all.
        """
        return sorted(self._finished.values(), key=lambda one: (len(one.trial_id), one.trial_id))

    def save(self) -> None:
        """Writes KerasTuner's files atomically."""
        if not self._is_worker():
            self.oracle.save()
        write_json(Path(self._get_tuner_fname()), self.get_state())

    def reload(self) -> None:
        """Looks at the space as a new tuner does: what was finished is in the store."""
        self._populate_initial_space()

    def _populate_initial_space(self) -> None:
        super()._populate_initial_space()
        if isinstance(self.oracle, keras_tuner.oracles.GridSearchOracle):
            explore(self.oracle, self.hypermodel.build)

    def _next_group(self) -> tuple[list[Any], str]:
        """Returns the next trials, and the status with which the oracle ended them."""
        trials: list[Any] = []
        while len(trials) < self.group_size:
            trial = self.oracle.create_trial(f"{self.tuner_id}#{len(trials)}")
            if trial.status != "RUNNING":
                return trials, str(trial.status)
            trials.append(trial)
        return trials, "RUNNING"

    def _outcomes_of(
        self, trials: Sequence[Any], examples: Rows, validation: Rows
    ) -> list[Outcome]:
        """Returns what became of trials: from the store, or trained now."""
        # The oracle's are left alone until then: a build may ask for values that it does not know.
        asked = [(trial.trial_id, dict(trial.hyperparameters.values)) for trial in trials]
        spaces = [trial.hyperparameters.copy() for trial in trials]
        found = self._store.get(asked)
        for hp, outcome in zip(spaces, found, strict=True):
            if outcome is not None and outcome.values != hp.values:
                # The oracle learns of them as it did then.
                with contextlib.suppress(Exception):
                    self._build_hypermodel(hp)
        missing = [place for place, outcome in enumerate(found) if outcome is None]
        if missing:
            names = [trials[place].trial_id for place in missing]
            own = [spaces[place] for place in missing]
            new = self._train(names, own, examples, validation)
            self._store.put([asked[place] for place in missing], new)
            for place, outcome in zip(missing, new, strict=True):
                found[place] = outcome
        for trial, hp in zip(trials, spaces, strict=True):
            trial.hyperparameters = hp
        return [outcome for outcome in found if outcome is not None]

    def _finish(self, trials: Sequence[Any], outcomes: Sequence[Outcome]) -> None:
        """Tells the oracle."""
        for trial, outcome in zip(trials, outcomes, strict=True):
            if outcome.status == "COMPLETED":
                names = outcome.executions[0].scores
                means = {name: float(np.mean(outcome.scores(name))) for name in names}
                step = round(np.mean([one.epoch for one in outcome.executions]))
                self.oracle.update_trial(trial.trial_id, means, step=step)
            trial.status, trial.message = outcome.status, outcome.message
            self.on_trial_end(trial)
            self._finished[trial.trial_id] = outcome
            if before := trial.hyperparameters.values.get("tuner/trial_id"):
                self._store.drop_states(before)

    def _train(
        self, names: Sequence[str], spaces: Sequence[Any], examples: Rows, validation: Rows
    ) -> list[Outcome]:
        """Builds and trains the models of trials, each with every seed."""
        trainings.forget()
        options = {"make": self._build_hypermodel, "training": self._training_of}
        jobs, owners, errors = building.build(names, spaces, self.seeds, **options)
        for job, place in zip(jobs, owners, strict=True):
            if job.initial_epoch:
                before = spaces[place].values["tuner/trial_id"]
                set_state(job.model, self._store.get_state(before, job.seed))
        results = trainings.train(
            jobs,
            examples,
            validation,
            seed=self.seeds[0],
            keep=self.objective if self.keep == "best" else None,
            states=self.halving,
            say=self._say,
            told=self._told,
            callbacks=self._make_callbacks,
        )
        outcomes = []
        for place, (name, hp) in enumerate(zip(names, spaces, strict=True)):
            own = [number for number, owner in enumerate(owners) if owner == place]
            models = [jobs[number].model for number in own]
            done = [results[number] for number in own]
            parameters = int(models[0].count_params()) if models else 0
            given: dict[str, Any] = {"parameters": parameters, "error": errors.get(place)}
            outcome = outcome_of(name, hp.values, self.seeds, done, **given)
            if outcome.status == "COMPLETED":
                self._save_weights(name, hp, models, outcome.executions)
            outcomes.append(outcome)
        return outcomes

    def _training_of(self, hp: Any) -> Training:
        own = getattr(self.hypermodel, "training", None)
        training: Training = self._training if own is None else own(hp)
        return training

    def _save_weights(
        self, name: str, hp: Any, models: Sequence[Any], executions: Sequence[Execution]
    ) -> None:
        """Saves the best seed's weights where `load_model` looks, and states to go on from."""
        if self.halving and hp.values["tuner/epochs"] < self.plain_oracle.max_epochs:
            for model, execution in zip(models, executions, strict=True):
                self._store.put_state(name, execution.seed, get_state(model))
        sign = 1 if self.objective == "val_loss" else -1
        best = min(range(len(models)), key=lambda n: sign * executions[n].scores[self.objective])
        # A model without its optimizer's state, which `load_model` could not put anywhere.
        clean = self._build_hypermodel(hp)
        clean.set_weights(models[best].get_weights())
        path = Path(self._get_checkpoint_fname(name))
        with files.atomic_path(path, suffix=".weights.h5") as temporary:
            clean.save_weights(temporary)
        write_json(Path(self._get_build_config_fname(name)), clean.get_build_config())

    @property
    def _folder(self) -> Path:
        return Path(self.project_dir)

    @property
    def plain_oracle(self) -> Any:
        """The oracle itself, where `oracle` speaks with the chief's."""
        return getattr(self.oracle, "_oracle", self.oracle)

    @property
    def halving(self) -> bool:
        """Whether trials go on where others ended."""
        return isinstance(self.plain_oracle, keras_tuner.oracles.HyperbandOracle)


def _no_callbacks(title: str, batch_size: int) -> list[keras.callbacks.Callback]:
    return []
