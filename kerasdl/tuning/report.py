"""What a search found, as sections of a report."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasdl.evaluation.significance import spread
from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.sections import Figure, Section, Table
from kerasdl.tuning import one_seed, pictures, trial_tables, wording
from kerasdl.tuning.ranking import Ranking
from kerasdl.tuning.wording import Words

SHOWN = 10
"""Rows of the table of the best trials."""

Rows = list[list[str | float | int | None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Winner:
    """The setting that was trained again on training and validation images together.

    Args:
        values: Its hyper-parameters.
        why: Why this one, the end of a sentence: "the smallest width tied with the best".
        seeds: The seeds that it was trained with.
        test_accuracy: One a seed, 0..1; the only time that a test image was looked at.
        epochs: For how many epochs.
        parameters: The model's.
        model: The saved model in the run folder, with forward slashes; None if none was saved.
        said: What there is to say of that besides; may be empty.
    """

    values: Mapping[str, Any]
    why: str
    seeds: Sequence[int]
    test_accuracy: Sequence[float]
    epochs: int
    parameters: int
    model: str | None = None
    said: str = ""


def sections(
    folder: Path,
    info: DatasetInfo,
    ranking: Ranking,
    *,
    words: Words,
    axis: str | Sequence[str] | None = None,
    winner: Winner | None = None,
) -> list[Section]:
    """Returns the sections of one search and draws their figures into `folder`/figures.

    Args:
        folder: The run folder.
        info: The data.
        ranking: All trials.
        words: What trials and hyper-parameters are called.
        axis: The numeric hyper-parameters that have a value curve, one panel each.
        winner: The trial trained again; None where there was none.

    Returns:
        What was found; the winner; failed trials, where there are any; all trials.
    """
    drawn = pictures.Pictures(Path(folder), info, ranking, words)
    found = [_found(ranking, words, drawn.against_values(axis))]
    if winner is not None:
        found.append(_winner(info, ranking, words, winner))
    if ranking.failed:
        found.append(trial_tables.failed(ranking, words))
    if ranking.outcomes:
        figures = [*drawn.learning_curves(), *drawn.parallel_coordinates()]
        found.append(trial_tables.every(ranking, words, figures))
    return found


def _found(ranking: Ranking, words: Words, figures: list[Figure]) -> Section:
    said = [wording.sentence(ranking, words), one_seed.sentence(ranking, words)]
    said.append(_how(ranking, words) if ranking.trials else None)
    rows: Rows = []
    for trial in ranking.trials[:SHOWN]:
        tied = "best" if trial.place == 1 else ("yes" if trial.tied else "no")
        scores = wording.score(trial.spread, ranking.minimised).removesuffix(" %")
        p = None if trial.place == 1 else text.p_value(trial.p)
        rows.append(
            [
                words.name(trial.outcome.values),
                scores,
                tied,
                p,
                trial.outcome.parameters,
                round(trial.outcome.seconds, 1),
            ]
        )
    unit = "" if ranking.minimised else " (%)"
    more = len(ranking.trials) - len(rows)
    table = Table(
        name="best-trials",
        title=f"The best {words.plural}",
        columns=[
            words.noun.capitalize(),
            f"{pictures.objective(ranking).name.capitalize()}{unit}",
            "Tied with the best",
            "p",
            "Parameters",
            "Seconds",
        ],
        rows=rows,
        note="Mean ± standard deviation over the seeds. p: that the best is no better, times "
        "the number of others; tied from 0.05. Seconds: the share of the wall time of training; "
        "trials trained together share it equally."
        + (f" {more} more are in the table of all trials." if more else ""),
        digits=1,
    )
    return Section(
        title="What the search found",
        text=[one for one in said if one],
        tables=[table] if rows else [],
        figures=figures,
    )


def _how(ranking: Ranking, words: Words) -> str:
    seeds = len(ranking.trials[0].scores)
    times = "once" if seeds == 1 else f"with {seeds} seeds"
    tests = []
    if not ranking.minimised:
        tests.append("over the validation images (sign flips)")
    if len(ranking.seeds) >= 3:
        tests.append("over the seeds (a paired t-test)")
    tested = f"{' and '.join(tests)}, adjusted for the number of comparisons"
    together = any(trial.outcome.packed > 1 for trial in ranking.trials)
    order = (
        " Trials trained together share the order of the images, so that this part of the noise "
        "is not in the spread."
    )
    return (
        f"Each {words.noun} was trained {times} and scored on the same "
        f"{text.count(ranking.validation)} validation images; the search saw no test image."
        f"{order if together and seeds > 1 else ''} "
        f"Tied means: not worse than the best beyond noise, {tested if tests else 'not tested'}. "
        "The best is chosen by the scores it is compared on, so its score is "
        "a little too good, and differences near the limit deserve no trust."
    )


def _winner(info: DatasetInfo, ranking: Ranking, words: Words, winner: Winner) -> Section:
    found = spread(list(winner.test_accuracy))
    # Of the mean over seeds that answer the same images: more seeds do not make it smaller.
    error = math.sqrt(found.mean * (1 - found.mean) / max(1, info.test))
    name = words.name(winner.values)
    seeds = "one seed" if found.n == 1 else f"{found.n} seeds"
    said = [
        f"Test accuracy {text.percent_spread(found)} %: {name}, {winner.why}, trained again from "
        f"new weights on the training and the validation images together with {seeds}.",
        f"The {text.count(info.test)} test images were scored once, after the search, and only "
        "for this setting: no other choice was made by them. With so many images an accuracy "
        f"is known to ± {text.percent(error)} points at best (one standard error).",
    ]
    same = [trial for trial in ranking.trials if trial.outcome.values == dict(winner.values)]
    if same and not ranking.minimised:
        validation = same[0].spread
        said.append(
            f"In the search its validation accuracy was {text.percent_spread(validation)} %; the "
            f"test accuracy differs from that by {text.points(found.mean - validation.mean)} "
            "points, with more images to train on and other images to be scored on."
        )
    if winner.model is not None:
        said.append(f"The model of the first seed is {winner.model}. {winner.said}".rstrip())
    table = Table(
        name="winner",
        title=f"{name[:1].upper()}{name[1:]} on the test images",
        columns=["Seed", "Test accuracy (%)", "Epochs", "Parameters"],
        rows=[
            [str(seed), 100 * accuracy, winner.epochs, winner.parameters]
            for seed, accuracy in zip(winner.seeds, winner.test_accuracy, strict=True)
        ],
        digits=2,
    )
    return Section(title="The winner on the test set", text=said, tables=[table])
