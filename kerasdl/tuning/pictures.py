"""The figures of a search: what of its trials goes into them, and what they show in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import parallel, scales, trial_curves, value_curve
from kerasdl.sections import Figure
from kerasdl.tuning import wording
from kerasdl.tuning.outcomes import Outcome, own
from kerasdl.tuning.ranking import Ranking, Trial, size_of
from kerasdl.tuning.wording import Words

LINES = 3
"""At most so many trials without any number of the axes are drawn as lines, the best ones."""


def objective(ranking: Ranking) -> scales.Objective:
    """Returns what a search optimises, for figures and titles."""
    name = "validation loss" if ranking.minimised else "validation accuracy"
    return scales.Objective(name, ranking.minimised)


class Pictures:
    """Draws the figures of one search.

    Args:
        folder: The run folder.
        info: The data.
        ranking: All trials.
        words: What trials and hyper-parameters are called.
    """

    def __init__(self, folder: Path, info: DatasetInfo, ranking: Ranking, words: Words) -> None:
        self._folder, self._info = folder, info
        self._ranking, self._words = ranking, words
        self._objective = objective(ranking)
        self._simplest = _simplest(ranking, words)
        kind = "smallest" if words.key is not None else "fewest parameters"
        self._mark = f"{kind} among best and tied"

    def against_values(self, axis: str | Sequence[str] | None) -> list[Figure]:
        """Draws the objective against one or several hyper-parameters; see `report.sections`."""
        axes = [axis] if isinstance(axis, str) else list(axis or ())
        panels = [self._panel(one) for one in axes]
        if not any(len(panel.values) for panel in panels):
            return []
        file = "figures/value-curve.png"
        label = self._words.label(axes[0])
        against = f"{label[:1].lower()}{label[1:]}" if len(axes) == 1 else "each hyper-parameter"
        title = f"{self._objective.name.capitalize()} against {against}"
        without = [
            (self._words.name(trial.outcome.values), trial.spread.mean)
            for trial in self._ranking.trials
            if all(size_of(trial.outcome, one) is None for one in axes)
        ]
        value_curve.draw(
            self._folder / file,
            panels,
            self._objective,
            (title, self._mark),
            self._info,
            without[:LINES],
        )
        best = self._ranking.best
        return [
            Figure(
                file=file,
                alt=f"{title}. Best: {self._words.name(best.outcome.values)}, "
                f"{wording.score(best.spread, self._ranking.minimised)}.",
                caption="Blue: the mean over the seeds, with one standard deviation; grey dots: "
                "single seeds. Star: the best. Green: the simplest that is tied with it. An "
                "arrow with a number: a mean below the picture. Dashed: without any of them.",
            )
        ]

    def _panel(self, axis: str) -> value_curve.Panel:
        ranking = self._ranking
        trials = [one for one in ranking.trials if size_of(one.outcome, axis) is not None]
        trials.sort(key=lambda trial: size_of(trial.outcome, axis) or 0.0)
        values = [size_of(trial.outcome, axis) or 0.0 for trial in trials]
        others = {
            tuple((k, v) for k, v in own(one.outcome.values).items() if k != axis) for one in trials
        }
        failed = [size_of(outcome, axis) for outcome in ranking.failed]
        return value_curve.Panel(
            label=self._words.label(axis),
            values=np.array(values, np.float64),
            scores=[np.array(list(trial.scores.values())) for trial in trials],
            joined=len(others) == 1 and len(set(values)) == len(values),
            best=_place(trials, ranking.trials[0] if ranking.trials else None),
            simplest=_place(trials, self._simplest),
            failed=[size for size in failed if size is not None],
        )

    def learning_curves(self) -> list[Figure]:
        """Draws the learning curves of the completed trials."""
        key, trials = self._words.key, self._ranking.trials
        values = [size_of(trial.outcome, key) if key is not None else None for trial in trials]
        by_value = all(value is not None for value in values)
        curves = [
            trial_curves.Curve(
                name=self._words.name(trial.outcome.values),
                values=trial_curves.mean_curve(
                    [self._history(trial.outcome, seed) for seed in trial.scores]
                ),
                shade=float(value) if by_value and value is not None else float(trial.place),
                marked=self._marked(trial),
            )
            for trial, value in zip(trials, values, strict=True)
        ]
        shade = self._words.label(key) if by_value and key is not None else "Rank (1 is best)"
        file = "figures/trial-curves.png"
        if not trial_curves.draw(self._folder / file, curves, self._objective, shade, self._info):
            return []
        return [
            Figure(
                file=file,
                alt=f"{self._objective.name.capitalize()} over the epochs, one line for each of "
                f"{len(curves)} trials.",
                caption="Means over the seeds. A trial is scored at the epoch whose weights are "
                "kept, which need not be the last.",
            )
        ]

    def _history(self, outcome: Outcome, seed: int) -> list[float | None]:
        """Returns the objective over the epochs, those of the trials it went on from included."""
        run = next(one for one in outcome.executions if one.seed == seed)
        own_epochs = run.history.get(self._ranking.objective, [])
        name = outcome.values.get("tuner/trial_id")
        before = [one for one in self._ranking.went_on if one.trial_id == name]
        if not before:
            return [None] * outcome.initial_epoch + own_epochs
        return self._history(before[0], seed) + own_epochs

    def _marked(self, trial: Trial) -> str:
        if trial.place == 1:
            return "best"
        return "simplest" if trial is self._simplest else ""

    def parallel_coordinates(self) -> list[Figure]:
        """Draws the parallel coordinates, where trials differ in two hyper-parameters or more."""
        outcomes, trials = self._ranking.settled, self._ranking.trials
        if not trials:
            return []
        means = {id(trial.outcome): trial.spread.mean for trial in trials}
        keys = list(dict.fromkeys(key for one in outcomes for key in own(one.values)))
        axes = [
            parallel.Axis(self._words.label(key), [_plain(one.values.get(key)) for one in outcomes])
            for key in keys
        ]
        best = next(i for i, one in enumerate(outcomes) if one is trials[0].outcome)
        scores = [means.get(id(one)) for one in outcomes]
        file = "figures/parallel.png"
        path = self._folder / file
        if not parallel.draw(path, axes, scores, best, self._objective, self._info):
            return []
        return [
            Figure(
                file=file,
                alt=f"One line for each of {len(outcomes)} trials through its hyper-parameters "
                f"to its {self._objective.name}; best is "
                f"{self._words.name(trials[0].outcome.values)}.",
                caption="Lines that end high and cross an axis close together: that value "
                "matters. Lines that end high and cross an axis anywhere: it does not.",
            )
        ]


def _simplest(ranking: Ranking, words: Words) -> Trial | None:
    """Returns the simplest of best and tied; None where they are all equally simple."""
    if not ranking.trials:
        return None
    among = [ranking.trials[0], *ranking.tied]
    if len({size_of(trial.outcome, words.key) for trial in among} - {None}) < 2:
        return None
    return ranking.simplest(words.key)


def _place(trials: Sequence[Trial], wanted: Trial | None) -> int | None:
    return next((i for i, trial in enumerate(trials) if trial is wanted), None)


def _plain(value: Any) -> parallel.Value:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
