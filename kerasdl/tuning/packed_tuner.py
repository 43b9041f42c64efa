"""A KerasTuner tuner that trains many trials, and many seeds of each, as one computation.

>>> import keras
>>> import numpy as np
>>> from kerasdl.tuning import PackedTuner, make_oracle
>>> def build(hp):
...     model = keras.Sequential([keras.layers.Flatten()])
...     model.add(keras.layers.Dense(hp.Int("width", 4, 12, step=4), activation="relu"))
...     model.add(keras.layers.Dense(3, activation="softmax"))
...     model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
...     return model
>>> y = np.arange(90) % 3
>>> x = np.eye(3, dtype="float32")[y] + np.random.default_rng(0).normal(0, 0.1, (90, 3))
>>> tuner = PackedTuner(make_oracle("grid"), build, seeds=2, project_name="width")
>>> tuner.search(x, y, epochs=3, batch_size=16, validation_split=0.2)
3 trials with 2 seeds: 6 trainings
>>> len(tuner.outcomes), len(tuner.outcomes[0].executions)
(3, 2)
>>> tuner.get_best_hyperparameters()[0].get("width") in (4, 8, 12)
True
>>> tuner.get_best_models()[0].predict(x[:2], verbose=0).shape
(2, 3)

It is a `keras_tuner.Tuner`: `get_best_hyperparameters`, `get_best_models`, `results_summary`
and the project folder are KerasTuner's. `tuner.outcomes` has every seed's history.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.src.distribute import utils as distribution

from kerasdl.training.packed.histories import Keep
from kerasdl.training.settings import Training
from kerasdl.tuning.announcement import announcement
from kerasdl.tuning.building import check_model
from kerasdl.tuning.identity import check_options, check_tuner, describe, suggest_group_size
from kerasdl.tuning.objectives import check_objective, keep_of, needs_validation
from kerasdl.tuning.oracles import Grouping, explore, write_json
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.search_arguments import SearchArguments, read_arguments
from kerasdl.tuning.store import Store
from kerasdl.tuning.training_by_fit import has_own_fit
from kerasdl.tuning.training_jobs import MakeCallbacks
from kerasdl.tuning.trial_training import TrialTraining

IDLE_SECONDS = 0.2
"""How long to wait where the oracle waits for other processes' results."""


class PackedTuner(keras_tuner.Tuner):  # type: ignore[misc]
    """Runs the trials of an oracle in groups.

    Perceptrons that share their input and what precedes their first Dense layer, and are
    compiled with a cross-entropy of classes, are packed (`kerasdl.training.packed.packable`).
    Other classifiers are trained one by one by the engine; what that does not know either (a
    `HyperModel.fit` of one's own, other losses, callbacks, a tf.data.Dataset, ...) by
    `HyperModel.fit`, as KerasTuner does, with a message that says why. A trial's score is the
    mean over its seeds.

    The same arguments in the same folder go on with a search that was killed, and end with
    the same trials and numbers; another search there is refused. A trial whose `build`
    raises or whose loss is not finite is FAILED, with its error, and the search goes on.

    Args:
        oracle: As from `make_oracle`; any oracle of KerasTuner's works, in one process.
        hypermodel: A `keras_tuner.HyperModel` or a function from HyperParameters to a
            compiled model. It may have a method `training(hp)` that returns the
            `kerasdl.training.settings.Training` of a trial (augmentation, epochs, patience):
            how to search, say, a batch size without a `fit` of its own.
        seeds: Trainings of each trial, with the seeds `seed`, `seed + 1`, ... of first
            weights and dropout. Packed ones share the order of the images, that of `seed`;
            each of the others has that of its own seed.
        seed: The first seed, >= 0.
        keep: "last" scores a training by its last epoch and keeps its weights; "best" by its
            best epoch on the validation images, by the objective, as KerasTuner does and as
            flatters where validation is noisy.
        group_size: The most trials of a group; None for as many as memory suggests.
        processes: How many processes share the search: each gets the smaller groups.
        say: Takes a sentence for the user; prints by default.
        callbacks: Makes Keras callbacks of a group's training, see `training_jobs.MakeCallbacks`.
        directory, project_name, overwrite: As of `keras_tuner.Tuner`.
        **options: Those of `keras_tuner.Tuner`: optimizer, loss, metrics, max_model_size.

    Raises:
        TypeError: If there is no such argument.
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
        **options: Any,
    ) -> None:
        check_options(
            oracle, seeds=seeds, seed=seed, keep=keep, group_size=group_size, processes=processes
        )
        check_tuner(type(self), options)
        self.own_fit = has_own_fit(hypermodel)
        check_objective(oracle.objective, own_fit=self.own_fit)
        self.seeds = range(seed, seed + seeds)
        self.keep, self._say, self._make_callbacks = keep, say, callbacks or _no_callbacks
        self.objective: str = oracle.objective.name
        self.keep_by: Keep | None = keep_of(oracle.objective) if keep == "best" else None
        oracle.verbose = 0
        if self.own_fit and hasattr(oracle, "looks_ahead"):
            oracle.looks_ahead = False
        self._finished: dict[str, Outcome] = {}
        self._arguments: SearchArguments | None = None
        options |= {"directory": directory, "project_name": project_name, "overwrite": overwrite}
        super().__init__(oracle, hypermodel, **options)
        # As known at first: trials may ask for more.
        self.space = self.plain_oracle.get_space()
        self._wanted_size, self._processes = group_size, processes
        self._size_groups()

    def search(self, *args: Any, **options: Any) -> None:
        """Runs trials until the oracle has no more.

        Takes what `keras.Model.fit` takes. Models are packed where x and y are arrays (or
        DataFrames, tensors) of examples and their classes, class numbers or one-hot rows, and
        there are others to score on; `callbacks`, `class_weight`, `sample_weight`, a
        tf.data.Dataset and the like have models trained one by one. In a process that
        KerasTuner's environment variables make the chief, it serves the others instead, until
        they are done.

        Args:
            *args: x (n, ...), y, batch_size, ..., as of `keras.Model.fit`. Images as uint8 need
                a quarter of the memory.
            **options: Others, by name, e.g. epochs, batch_size (32), validation_data or
                validation_split, verbose (0 for silence), and patience: epochs without a better
                validation loss after which a training ends and keeps its best epoch.

        Raises:
            TypeError: If `fit` has no such argument, or the default model is no such model.
            ValueError: If the arguments do not fit each other or the default model, or the
                folder has another search.
        """
        arguments = self._read(args, options)
        training = Training(
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            patience=arguments.patience,
            schedule="constant",
        )
        self._drop_earlier()
        self._size_groups(arguments)
        store = Store(Path(self.project_dir), describe(self, training, arguments))
        if distribution.is_chief_oracle():
            from kerasdl.tuning.jobs import serve

            serve(self.oracle)
            return
        say = _nothing if options.get("verbose") == 0 else self._say
        if (announced := announcement(self)) and not self._is_worker():
            say(announced)
        trials_of = TrialTraining(
            self, arguments, training, store, callbacks=self._make_callbacks, say=say
        )
        self.on_search_begin()
        while True:
            trials, status = self._next_group()
            if trials:
                for trial in trials:
                    self.on_trial_begin(trial)
                self._finish(trials, trials_of.outcomes_of(trials), store)
            elif status == "STOPPED":
                break
            else:
                time.sleep(IDLE_SECONDS)
        store.drop_states()
        if not self._is_worker():
            store.tidy()
        self.on_search_end()

    def check_model(self, model: Any) -> None:
        """Checks a model of the present search, see `building.check_model`."""
        assert self._arguments is not None
        check_model(
            model, self._arguments, own_fit=self.own_fit, max_model_size=self.max_model_size
        )

    def _read(self, args: tuple[Any, ...], options: dict[str, Any]) -> SearchArguments:
        """Returns the arguments of a search.

        Raises:
            ValueError: If they do not go with the objective or the HyperModel.
        """
        arguments = read_arguments(args, options, own_fit=self.own_fit)
        objective = self.plain_oracle.objective
        if not (self.own_fit or arguments.validated) and needs_validation(objective):
            raise ValueError(
                f"the objective {self.objective} needs validation_data or validation_split. "
                "Received: neither"
            )
        if arguments.why is not None and hasattr(self.hypermodel, "training"):
            raise ValueError(
                "a HyperModel's training(hp) goes with arrays of examples and their classes, "
                f"without what Keras's fit alone can take. Received: {arguments.why}"
            )
        self._arguments = arguments
        return arguments

    def _size_groups(self, arguments: SearchArguments | None = None) -> None:
        """Decides how many trials a group has; the arguments of the search may change it."""
        oracle = self.plain_oracle
        most = self._wanted_size or suggest_group_size(self, arguments)
        self.group_size = math.ceil(most / self._processes)
        # Of an oracle that learns from every trial this decides which ones follow.
        learning = isinstance(oracle, keras_tuner.oracles.BayesianOptimizationOracle)
        self.wave_size = most if learning else None
        if isinstance(oracle, Grouping):
            oracle.group_size, oracle.wave_size = self.group_size, most

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
        """Lets the results of an earlier search be read; `search` itself begins anew.

        It finds what was finished in its store, and decides the same trials again.
        """
        self._populate_initial_space()
        oracle = self.plain_oracle
        if distribution.has_chief_oracle() or oracle.start_order:
            return
        for path in sorted(Path(self.project_dir).glob("trial_*/trial.json")):
            trial = keras_tuner.engine.trial.Trial.load(str(path))
            if trial.status != "RUNNING":
                oracle.trials[trial.trial_id] = trial

    def _drop_earlier(self) -> None:
        """Forgets the trials that `reload` has read: an oracle would count them."""
        if not distribution.has_chief_oracle() and not self.plain_oracle.start_order:
            self.plain_oracle.trials.clear()

    def _override_compile_args(self, model: Any) -> None:
        # KerasTuner's reads what a model that is not compiled has not.
        if not getattr(model, "compiled", True) and self.optimizer and self.loss:
            copy = keras.optimizers.serialize(keras.optimizers.get(self.optimizer))
            optimizer = keras.optimizers.deserialize(copy)
            model.compile(optimizer, self.loss, metrics=self.metrics)
        elif getattr(model, "compiled", False):
            super()._override_compile_args(model)

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

    def _finish(self, trials: Sequence[Any], outcomes: Sequence[Outcome], store: Store) -> None:
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
                store.drop_states(before)

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


def _nothing(text: str) -> None:
    """Says nothing."""
