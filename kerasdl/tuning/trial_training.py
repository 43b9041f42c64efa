"""What becomes of the trials of a search: taken from its folder, or trained."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

from kerasdl import files
from kerasdl.training.settings import Training
from kerasdl.tuning import building, trainings
from kerasdl.tuning.objectives import parts
from kerasdl.tuning.oracles import write_json
from kerasdl.tuning.outcomes import Execution, Outcome
from kerasdl.tuning.results import outcome_of
from kerasdl.tuning.search_arguments import SearchArguments
from kerasdl.tuning.states import get_state, set_state
from kerasdl.tuning.store import Store
from kerasdl.tuning.training_jobs import Job, MakeCallbacks, Say

if TYPE_CHECKING:
    from kerasdl.tuning.packed_tuner import PackedTuner


class TrialTraining:
    """Trains the trials of one search that its folder has not.

    Args:
        tuner: The tuner.
        arguments: Of the search.
        training: Of trials whose HyperModel has none of its own.
        store: The folder.
        callbacks: Makes callbacks of a group's training.
        say: Takes a sentence for the user.
    """

    def __init__(
        self,
        tuner: "PackedTuner",
        arguments: SearchArguments,
        training: Training,
        store: Store,
        *,
        callbacks: MakeCallbacks,
        say: Say,
    ) -> None:
        self._tuner, self._training, self._store = tuner, training, store
        self._told: set[str] = set()
        self._setting = trainings.Setting(
            arguments,
            tuner.hypermodel,
            tuner.oracle.objective,
            tuner.keep_by,
            tuner.seeds[0],
            tuner.halving,
            say,
            callbacks,
            self._users_callbacks,
        )

    def outcomes_of(self, trials: Sequence[Any]) -> list[Outcome]:
        """Returns what became of trials: from the store, or trained now."""
        # The oracle's are left alone until then: a build may ask for values that it does not know.
        asked = [(trial.trial_id, dict(trial.hyperparameters.values)) for trial in trials]
        spaces = [trial.hyperparameters.copy() for trial in trials]
        found = self._store.get(asked)
        for place, (hp, outcome) in enumerate(zip(spaces, found, strict=True)):
            if outcome is None or outcome.values == hp.values:
                continue
            # The oracle learns of them as it did then.
            kept = self._store.space(*asked[place])
            if kept is not None:
                spaces[place] = keras_tuner.HyperParameters.from_config(kept)
                continue
            with contextlib.suppress(Exception):
                self._tuner._build_hypermodel(hp)
        missing = [place for place, outcome in enumerate(found) if outcome is None]
        if missing:
            names = [trials[place].trial_id for place in missing]
            own = [spaces[place] for place in missing]
            new = self._train(names, own)
            configs = [hp.get_config() for hp in own] if self._tuner.own_fit else None
            self._store.put([asked[place] for place in missing], new, configs)
            for place, outcome in zip(missing, new, strict=True):
                found[place] = outcome
        for trial, hp in zip(trials, spaces, strict=True):
            trial.hyperparameters = hp
        return [outcome for outcome in found if outcome is not None]

    def _train(self, names: Sequence[str], spaces: Sequence[Any]) -> list[Outcome]:
        """Builds and trains the models of trials, each with every seed."""
        trainings.forget()
        tuner = self._tuner
        make: Callable[[Any], Any] = tuner._build_hypermodel
        options = {"make": make, "training": self.training_of, "check": tuner.check_model}
        jobs, owners, errors = building.build(names, spaces, tuner.seeds, **options)
        for job, place in zip(jobs, owners, strict=True):
            if job.initial_epoch:
                before = spaces[place].values["tuner/trial_id"]
                set_state(job.model, self._store.get_state(before, job.seed))
        results = trainings.train(jobs, self._setting, self._told)
        outcomes = []
        for place, (name, hp) in enumerate(zip(names, spaces, strict=True)):
            own = [number for number, owner in enumerate(owners) if owner == place]
            models = [jobs[number].model for number in own]
            done = [results[number] for number in own]
            built = bool(models) and models[0].built
            parameters = int(models[0].count_params()) if built else 0
            given: dict[str, Any] = {"parameters": parameters, "error": errors.get(place)}
            outcome = outcome_of(name, hp.values, tuner.seeds, done, **given)
            if outcome.status == "COMPLETED":
                self._check_scores(outcome)
                self._save_weights(name, hp, models, outcome.executions)
            outcomes.append(outcome)
        return outcomes

    def training_of(self, hp: Any) -> Training:
        """Returns how a trial is trained."""
        own = getattr(self._tuner.hypermodel, "training", None)
        training: Training = self._training if own is None else own(hp)
        return training

    def _check_scores(self, outcome: Outcome) -> None:
        """Raises if a trial has not been scored by the objective: no trial will be."""
        scores = outcome.executions[0].scores
        for part in parts(self._setting.objective):
            if part.name not in scores:
                metric = part.name.removeprefix("val_")
                raise keras_tuner.errors.FatalValueError(
                    f"expected the objective {part.name} among the scores of trial "
                    f"{outcome.trial_id}: compile the model with a metric named {metric} that "
                    f"gives one number, e.g. keras.metrics.AUC(name={metric!r}) or an F1Score with "
                    f'average="macro". Received: {", ".join(sorted(scores))}'
                )

    def _users_callbacks(self, job: Job) -> list[keras.callbacks.Callback]:
        """Returns copies of the search's callbacks for one training, as KerasTuner makes them."""
        callbacks: list[keras.callbacks.Callback] = self._tuner._deepcopy_callbacks(
            self._setting.arguments.callbacks
        )
        trial = keras_tuner.engine.trial.Trial(job.hp, job.trial_id)
        self._tuner._configure_tensorboard_dir(callbacks, trial, job.seed - self._tuner.seeds[0])
        return callbacks

    def _save_weights(
        self, name: str, hp: Any, models: Sequence[Any], executions: Sequence[Execution]
    ) -> None:
        """Saves the best seed's weights where `load_model` looks, and states to go on from."""
        tuner = self._tuner
        if tuner.halving and hp.values["tuner/epochs"] < tuner.plain_oracle.max_epochs:
            for model, execution in zip(models, executions, strict=True):
                self._store.put_state(name, execution.seed, get_state(model))
        objective = self._setting.objective
        scores = [execution.scores[objective.name] for execution in executions]
        best = scores.index((min if objective.direction == "min" else max)(scores))
        # A model without its optimizer's state, which `load_model` could not put anywhere.
        clean = tuner._build_hypermodel(hp)
        if not clean.built:
            clean.build_from_config(models[best].get_build_config())
        clean.set_weights(models[best].get_weights())
        path = Path(tuner._get_checkpoint_fname(name))
        with files.atomic_path(path, suffix=".weights.h5") as temporary:
            clean.save_weights(temporary)
        write_json(Path(tuner._get_build_config_fname(name)), clean.get_build_config())
