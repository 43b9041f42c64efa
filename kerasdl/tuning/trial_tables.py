"""The tables of all trials of a search, and of those that failed."""

import math
from typing import Any

from kerasdl.evaluation.significance import spread
from kerasdl.sections import Figure, Section, Table
from kerasdl.tuning import wording
from kerasdl.tuning.outcomes import Outcome
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.wording import Words, counted

Rows = list[list[str | float | int | None]]


NOTHING = 1e-12
"""What rounding leaves of a deviation of 0."""


def failed(ranking: Ranking, words: Words) -> Section:
    """Returns the section on failed trials; arguments as for `every`."""
    rows: Rows = [
        [outcome.trial_id, words.name(outcome.values), _message(outcome)]
        for outcome in ranking.failed
    ]
    count = len(rows)
    said = (
        f"{count} of {counted(len(ranking.outcomes), 'trial', 'trials')} "
        f"{'has' if count == 1 else 'have'} no place in "
        "the ranking, because a training failed or left no finite score. A trial with one failed "
        "seed counts as failed: the mean over the other seeds would flatter it."
    )
    table = Table(
        name="failed-trials",
        title="Failed trials",
        columns=["Trial", words.noun.capitalize(), "Message"],
        rows=rows,
    )
    return Section(title="Failed trials", text=[said], tables=[table])


def every(ranking: Ranking, words: Words, figures: list[Figure]) -> Section:
    """Returns the section on all trials.

    Args:
        ranking: The trials.
        words: What trials and hyper-parameters are called.
        figures: The section's figures.
    """
    keys = list(dict.fromkeys(key for one in ranking.outcomes for key in one.values))
    metrics = [
        metric
        for metric in ("val_accuracy", "val_loss", "accuracy", "loss")
        if any(metric in run.scores for one in ranking.outcomes for run in one.executions)
    ]
    order = [*(trial.outcome for trial in ranking.trials), *ranking.failed, *ranking.went_on]
    places = {id(trial.outcome): trial for trial in ranking.trials}
    rows: Rows = []
    for outcome in order:
        trial = places.get(id(outcome))
        rows.append(
            [
                outcome.trial_id,
                trial.place if trial else None,
                *(_cell(outcome.values.get(key)) for key in keys),
                *(number for metric in metrics for number in _mean_and_deviation(outcome, metric)),
                trial.p if trial and trial.place > 1 else None,
                ("yes" if trial.tied else "no") if trial else None,
                len(outcome.executions),
                _epochs_kept(outcome),
                outcome.parameters,
                outcome.seconds,
                _status(ranking, outcome),
            ]
        )
    columns = ["Trial", "Rank", *map(words.label, keys)]
    columns += [title for metric in metrics for title in (metric, f"{metric} deviation")]
    columns += ["p", "Tied with the best", "Seeds", "Epochs kept", "Parameters", "Seconds"]
    table = Table(
        name="trials",
        title="All trials, best first",
        columns=[*columns, "Status"],
        rows=rows,
        note="Accuracies 0 to 1, losses in nats, both of the epoch whose weights are kept; mean "
        "and standard deviation over the seeds. Epochs kept: one number a seed, counted from 1. "
        f"p: as above. Seconds: packed trials share the time equally.{_halving(ranking)}",
        digits=5,
    )
    return Section(
        title="All trials",
        tables=[table],
        figures=figures,
    )


def _mean_and_deviation(outcome: Outcome, metric: str) -> tuple[float | None, float | None]:
    scores = [run.scores[metric] for run in outcome.executions if metric in run.scores]
    finite = [score for score in scores if math.isfinite(score)]
    if not finite:
        return None, None
    found = spread(finite)
    return found.mean, 0.0 if found.std is not None and found.std < NOTHING else found.std


def _epochs_kept(outcome: Outcome) -> str | None:
    first = outcome.initial_epoch + 1
    return " ".join(str(first + run.epoch) for run in outcome.executions) or None


def _status(ranking: Ranking, outcome: Outcome) -> str:
    if any(outcome is one for one in ranking.went_on):
        return "went on"
    if outcome.status == "COMPLETED" and any(outcome is one for one in ranking.failed):
        return "not ranked"
    return outcome.status.lower()


def _halving(ranking: Ranking) -> str:
    if not ranking.went_on:
        return ""
    return " Went on: the setting has a longer training, which is the one that is ranked."


def _message(outcome: Outcome) -> str:
    errors = [f"seed {run.seed}: {run.error}" for run in outcome.executions if run.error]
    return outcome.message or "; ".join(errors) or "no finite score"


def _cell(one: Any) -> str | float | int | None:
    number = isinstance(one, int | float) and not isinstance(one, bool)
    return one if number or one is None else wording.value(one)
