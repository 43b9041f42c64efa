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


def failed(ranking: Ranking, words: Words, heading: str, prefix: str) -> Section:
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
        name=f"{prefix}failed-trials",
        title="Failed trials",
        columns=["Trial", words.noun.capitalize(), "Message"],
        rows=rows,
    )
    return Section(title=f"{heading}Failed trials", text=[said], tables=[table])


def every(
    ranking: Ranking, words: Words, heading: str, prefix: str, figures: list[Figure]
) -> Section:
    """Returns the section on all trials.

    Args:
        ranking: The trials.
        words: What trials and hyper-parameters are called.
        heading: Goes before the heading.
        prefix: Goes before the table's name.
        figures: The section's figures.
    """
    keys = list(dict.fromkeys(key for one in ranking.outcomes for key in one.values))
    metrics = [
        metric
        for metric in ("val_accuracy", "val_loss", "accuracy", "loss")
        if any(metric in run.scores for one in ranking.outcomes for run in one.executions)
    ]
    order = [*(trial.outcome for trial in ranking.trials), *ranking.failed]
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
                " ".join(str(run.epoch + 1) for run in outcome.executions) or None,
                outcome.parameters,
                outcome.seconds,
                outcome.status.lower() if trial or outcome.status == "FAILED" else "not ranked",
            ]
        )
    columns = ["Trial", "Rank", *map(words.label, keys)]
    columns += [title for metric in metrics for title in (metric, f"{metric}, deviation")]
    columns += ["p", "Tied with the best", "Seeds", "Epochs kept", "Parameters", "Seconds"]
    table = Table(
        name=f"{prefix}trials",
        title="All trials, best first",
        columns=[*columns, "Status"],
        rows=rows,
        note="Accuracies 0 to 1, losses in nats, both of the epoch whose weights are kept; mean "
        "and standard deviation over the seeds. Epochs kept: one number a seed, counted from 1. "
        "p: as above.",
        digits=5,
    )
    return Section(
        title=f"{heading}All trials",
        tables=[table],
        figures=figures,
    )


def _mean_and_deviation(outcome: Outcome, metric: str) -> tuple[float | None, float | None]:
    scores = [run.scores[metric] for run in outcome.executions if metric in run.scores]
    finite = [score for score in scores if math.isfinite(score)]
    if not finite:
        return None, None
    found = spread(finite)
    return found.mean, found.std


def _message(outcome: Outcome) -> str:
    errors = [f"seed {run.seed}: {run.error}" for run in outcome.executions if run.error]
    return outcome.message or "; ".join(errors) or "no finite score"


def _cell(one: Any) -> str | float | int | None:
    number = isinstance(one, int | float) and not isinstance(one, bool)
    return one if number or one is None else wording.value(one)
