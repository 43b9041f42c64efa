"""KerasTuner's oracles, made to hand out groups of trials and to survive a kill.

An oracle here starts anew with every process. What it decided is decided again, from its
seed, and the results of finished groups come from files (`store.Store`): so a search that was
killed anywhere makes the same trials as one that was not. KerasTuner instead reads back files
that it writes in place, one after the other, and its grid search forgets where it was
(keras-tuner issues 835, 987, 1055).
"""

import contextlib
import functools
import itertools
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import keras_tuner

from kerasdl import files
from kerasdl.tuning.halving import Hyperband
from kerasdl.tuning.objectives import make_objective

Algorithm = Literal["grid", "random", "bayesian", "hyperband"]


class Grid(keras_tuner.oracles.GridSearchOracle):  # type: ignore[misc]
    """KerasTuner's grid search, without its wait after each trial.

    KerasTuner looks for a trial's next combination when the trial has ended, since a
    build might ask for new hyper-parameters; the tuner has seen them all at its start.

    Attributes:
        looks_ahead: Whether it does without the wait. A `fit` that asks for hyper-parameters
            needs it.
    """

    looks_ahead = True

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial, from which that after it may follow at once."""
        try:
            response: dict[str, Any] = super().populate_space(trial_id)
        except KeyError as error:
            # KerasTuner's grid cannot take up what only some of the trials so far have.
            raise ValueError(
                f"a grid must know all hyper-parameters at its start, and {error} came up in a "
                "trial. Ask for it under hp.conditional_scope, or first of all"
            ) from None
        if response["status"] == "RUNNING" and self.looks_ahead:
            self._populate_next.append(trial_id)
        return response


class Bayesian(keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """KerasTuner's Bayesian optimisation, without the warnings of its Gaussian process.

    They say that a few trials leave its length scale open, which no user can change.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="sklearn.gaussian_process")
            response: dict[str, Any] = super().populate_space(trial_id)
        return response


_DECIDED = "decided"
"""The name before the "#" of trials that no tuner has come for."""

_ORACLES = {
    "grid": Grid,
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": Bayesian,
    "hyperband": Hyperband,
}


class Grouping:
    """What is changed of a KerasTuner oracle; stands before it among the base classes.

    A tuner asks for the trials of its next group with the ids "NAME#0", "NAME#1", ... The
    first of them reserves `group_size` trials at once: with several processes, too, trials
    0..k-1 are one group, k..2k-1 the next. An oracle that learns from results decides in
    waves: the next trials when all before have ended, so that they do not depend on which
    process was the faster.

    Attributes:
        group_size: The most trials of a group; the tuner sets it.
        wave_size: How many trials an oracle that learns from each decides at once.
    """

    group_size = 1
    wave_size = 1

    @keras_tuner.synchronized  # type: ignore[untyped-decorator]
    def create_trial(self, tuner_id: str) -> Any:
        """Returns a trial of the tuner's group, an IDLE one after the last, or a STOPPED one."""
        worker, _, number = tuner_id.partition("#")
        oracle: Any = self
        if tuner_id in oracle.ongoing_trials:
            return oracle.ongoing_trials[tuner_id]
        if number not in ("", "0"):
            return _no_trial(oracle, "IDLE")
        # What is left of a group whose tuner died while it told the results, else a new one.
        own = _ongoing(oracle, worker) or _ongoing(oracle, _DECIDED)[: self.group_size]
        status = "RUNNING"
        if not own:
            status = self._decide()
            own = _ongoing(oracle, _DECIDED)[: self.group_size]
        if not own:
            if status == "STOPPED":
                # The chief waits until no tuner is left; this one had an id for each trial.
                stale = {name for name in oracle.tuner_ids if name.startswith(f"{worker}#")}
                oracle.tuner_ids -= stale
            else:
                oracle.tuner_ids.add(f"{worker}#0")
            return _no_trial(oracle, status)
        trials = [oracle.ongoing_trials.pop(name) for name in own]
        for place, trial in enumerate(trials):
            oracle.ongoing_trials[f"{worker}#{place}"] = trial
            oracle.tuner_ids.add(f"{worker}#{place}")
        return trials[0]

    def _decide(self) -> str:
        """Creates the trials of the next group, or of all groups that can be decided now.

        They are ongoing under names of their own until a tuner comes for them.

        Returns:
            RUNNING, or the status with which KerasTuner's oracle said that there is none.
        """
        oracle: Any = self
        # Of successive halving all trials of a round can be decided at once.
        halving = isinstance(oracle, keras_tuner.oracles.HyperbandOracle)
        learning = isinstance(oracle, Bayesian)
        if (halving or learning) and oracle.ongoing_trials:
            return "IDLE"
        count = self.wave_size if learning else self.group_size
        for place in itertools.count() if halving else range(count):
            name = f"{_DECIDED}#{place}"
            trial = super().create_trial(name)  # type: ignore[misc]
            oracle.tuner_ids.discard(name)
            if trial.status != "RUNNING":
                return str(trial.status)
        return "RUNNING"

    def _check_consecutive_failures(self) -> None:
        """Lets the search go on: a failed trial is a result like others."""

    def save(self) -> None:
        """Writes oracle.json atomically."""
        oracle: Any = self
        write_json(Path(oracle._get_oracle_fname()), oracle.get_state())

    def _save_trial(self, trial: Any) -> None:
        oracle: Any = self
        write_json(Path(oracle._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Does nothing: see the top of this file."""


def make_oracle(
    algorithm: Algorithm,
    *,
    objective: Any = "val_accuracy",
    seed: int = 1,
    max_trials: int | None = None,
    max_epochs: int = 10,
    factor: int = 3,
) -> Any:
    """Returns an oracle for `PackedTuner`.

    Args:
        algorithm: "grid" (all combinations, in order), "random", "bayesian" (a Gaussian process
            over the finished trials) or "hyperband" (Li et al. 2018, JMLR 18(185), "Hyperband":
            many short trainings, of which the best go on), see `halving`.
        objective: What a trial is judged by: a metric's name ("val_accuracy", "val_loss",
            "val_auc", ...), a `keras_tuner.Objective`, or a list of these.
        seed: Decides the trials, > 0 (KerasTuner takes 0 for "any").
        max_trials: The most trials; None for all of a grid, and 10 of "random" and "bayesian".
        max_epochs: "hyperband": epochs of the longest training.
        factor: "hyperband": one of so many trainings goes on.

    Raises:
        ValueError: If KerasTuner has no such algorithm, or nobody knows the objective's direction.
    """
    if algorithm not in _ORACLES:
        raise ValueError(f"algorithm is one of {', '.join(_ORACLES)}. Received: {algorithm!r}")
    options: dict[str, Any] = {"objective": make_objective(objective), "seed": seed}
    if algorithm == "hyperband":
        options |= {"max_epochs": max_epochs, "factor": factor}
    elif max_trials is not None:
        options["max_trials"] = max_trials
    return _grouping(_ORACLES[algorithm])(**options)


def _ongoing(oracle: Any, worker: str) -> list[str]:
    """Returns the ids under which a worker's trials are ongoing, in the order of its group."""
    names = [name for name in oracle.ongoing_trials if name.startswith(f"{worker}#")]
    return sorted(names, key=lambda name: int(name.rpartition("#")[2]))


def _no_trial(oracle: Any, status: str) -> Any:
    return keras_tuner.engine.trial.Trial(oracle.get_space(), status=status)


@functools.cache
def _grouping(oracle: type) -> type:
    return type(f"Grouping{oracle.__name__}", (Grouping, oracle), {})


def explore(oracle: Any, build: Callable[[Any], Any]) -> None:
    """Finds hyper-parameters that a build asks for only with some choice of another.

    KerasTuner finds those under a `conditional_scope` by itself.

    Args:
        oracle: Gets to know of them.
        build: From HyperParameters to a model.
    """
    kinds = (keras_tuner.engine.hyperparameters.Choice, keras_tuner.engine.hyperparameters.Boolean)
    tried: set[tuple[str, Any]] = set()
    shown: dict[str, dict[str, Any]] = {}  # the values with which a hyper-parameter showed
    while True:
        choices = [one for one in oracle.get_space().space if isinstance(one, kinds)]
        new = [(one, value) for one in choices for value in one.values]
        new = [(one, value) for one, value in new if (one.name, value) not in tried]
        if not new:
            return
        for one, value in new:
            tried.add((one.name, value))
            hp = oracle.get_space()
            hp.values |= {condition.name: condition.values[0] for condition in one.conditions}
            hp.values |= shown.get(one.name, {}) | {one.name: value}
            hp.ensure_active_values()
            before = {known.name for known in hp.space}
            with contextlib.suppress(Exception):  # a trial's, if it comes to that
                build(hp)
            for known in hp.space:
                if known.name not in before:
                    shown[known.name] = dict(hp.values)
            oracle.update_space(hp)


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file atomically."""
    files.write_text(path, json.dumps(content))
