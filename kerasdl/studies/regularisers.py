"""What a comparison of regularisers says of the claim "dropout > L2 > L1 on validation"."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kerasdl.datasets.duplicates import seen_in
from kerasdl.evaluation import resampling
from kerasdl.evaluation.predictions import Predictions
from kerasdl.evaluation.significance import holm, paired_t, spread
from kerasdl.evaluation.statistics import compare_all
from kerasdl.record import Comparison as Pair
from kerasdl.record import Run
from kerasdl.reporting import text
from kerasdl.sections import Claim, Section, Table
from kerasdl.studies.conclude import Comparison

ORDER = ("dropout", "l2", "l1")
"""The report's order, best first."""

CLAIM = "Dropout > L2 > L1 on validation accuracy."


def conclude(comparison: Comparison) -> list[Section]:
    """Returns the sections on the report's claim; none without validation images.

    Args:
        comparison: Of models named "baseline", "dropout", "l2" and "l1", or some of them.
    """
    runs = {model: comparison.runs(model) for model in comparison.record.recipe["models"]}
    if any(run.metrics.validation_accuracy is None for one in runs.values() for run in one):
        return []
    parts = comparison.splits
    repeated = seen_in(parts.test, parts.train, parts.validation)
    there = [model for model in ORDER if model in runs]
    ours = _compare(there, runs, comparison.record.comparisons)
    words = [_winner(comparison, runs), _noise(runs, len(parts.validation))]
    claims = []
    if len(there) == len(ORDER) and comparison.real("gurmukhi") and _as_reported(comparison):
        claims = [_claim(comparison, runs, ours)]
    return [
        Section(
            title="Dropout, L2 or L1?",
            text=words,
            claims=claims,
            tables=[_scores(comparison, runs, ~repeated), *_pairs(comparison, ours)],
        ),
        *_duplicates(comparison, repeated),
    ]


def _as_reported(comparison: Comparison) -> bool:
    """Whether the networks and their training are the report's."""
    recipe = comparison.record.recipe
    return all(
        list(recipe["settings"][model]["units"]) == [256] * 6
        and recipe["training"][model]["epochs"] == 150
        and recipe["training"][model]["learning_rate"] == 1e-3
        for model in ORDER
    )


class _Two:
    """Two models of the claimed order: how far apart, and whether that is beyond noise.

    Args:
        models: The one that the report puts first, and the other.
        differences: Of validation accuracy, by seed.
        test: The comparison on the test images; None where there is none.
    """

    def __init__(
        self, models: tuple[str, str], differences: Sequence[float], test: Pair | None
    ) -> None:
        self.models, self.test = models, test
        self.validation = spread(differences).mean
        self.p = paired_t(differences)
        self.adjusted = self.p

    @property
    def signs(self) -> tuple[int, int]:
        """Who is ahead beyond noise on validation and on test images: 1, -1, or 0 for nobody."""
        certain = self.adjusted is not None and self.adjusted < resampling.LEVEL
        validation = int(math.copysign(1, self.validation)) if certain else 0
        better = self.test.better if self.test else None
        return validation, 0 if better is None else 1 if better == self.models[0] else -1

    @property
    def outcome(self) -> int:
        """What both say; 0 where they do not say the same."""
        validation, test = self.signs
        return validation if validation == test else 0

    @property
    def on_test(self) -> float:
        """The difference of test accuracy, first minus second."""
        if self.test is None:
            return math.nan
        return self.test.difference * (1 if self.test.models[0] == self.models[0] else -1)


def _compare(
    models: Sequence[str], runs: Mapping[str, Sequence[Run]], comparisons: Sequence[Pair]
) -> list[_Two]:
    found = []
    for first, second in itertools.combinations(models, 2):
        test = next((one for one in comparisons if set(one.models) == {first, second}), None)
        paired = zip(_values(runs[first]), _values(runs[second]), strict=True)
        found.append(_Two((first, second), [a - b for a, b in paired], test))
    for two, p in zip(found, holm([1.0 if two.p is None else two.p for two in found]), strict=True):
        two.adjusted = p
    return found


def _values(runs: Sequence[Run]) -> list[float]:
    return [run.metrics.validation_accuracy or 0.0 for run in runs]


def _winner(comparison: Comparison, runs: Mapping[str, Sequence[Run]]) -> str:
    means = {model: spread(_values(one)).mean for model, one in runs.items()}
    order = sorted(means, key=lambda model: -means[model])
    listed = text.listing([f"{_title(comparison, m)} {100 * means[m]:.1f} %" for m in order])
    return f"Validation accuracy, mean over {len(runs[order[0]])} seeds: {listed}."


def _noise(runs: Mapping[str, Sequence[Run]], count: int) -> str:
    best = max(spread(_values(one)).mean for one in runs.values())
    error = math.sqrt(best * (1 - best) / count)
    return (
        f"The validation part has {count} images: one image is {100 / count:.1f} points, and "
        f"another draw of {count} images would move {100 * best:.1f} % by ±{100 * error:.1f} "
        "points (one binomial standard error), the same way for all seeds. So a lead counts here "
        "only when it is beyond the noise of the seeds on validation and beyond that of seeds "
        "and images on the test part. The study strengths divides the images anew each time."
    )


def _title(comparison: Comparison, model: str) -> str:
    found = comparison.summary(model)
    return found.title if found else model


def _claim(
    comparison: Comparison, runs: Mapping[str, Sequence[Run]], pairs: Sequence[_Two]
) -> Claim:
    scores = ", ".join(f"{m} {text.percent_spread(spread(_values(runs[m])))} %" for m in ORDER)
    on_test = ", ".join(f"{m} {comparison.score(m)}" for m in ORDER)
    held = [" > ".join(two.models) for two in pairs if two.outcome == 1]
    reverse = [" > ".join(two.models[::-1]) for two in pairs if two.outcome == -1]
    beyond = text.listing([*held, *reverse]) or "nothing"
    return Claim(
        report="D, row 11",
        claim=CLAIM,
        measured=f"Validation: {scores}. Test: {on_test}. Beyond noise on both: {beyond}.",
        verdict=resampling.verdict([two.outcome for two in pairs]),
    )


def _scores(
    comparison: Comparison, runs: Mapping[str, Sequence[Run]], kept: npt.NDArray[np.bool_]
) -> Table:
    rows: list[list[str | float | int | None]] = []
    for model, members in runs.items():
        train = [run.metrics.train_accuracy for run in members]
        gaps = [a - b for a, b in zip(train, _values(members), strict=True)]
        scores = [_without(comparison, run, kept) for run in members]
        columns = [train, _values(members), gaps, [run.metrics.test_accuracy for run in members]]
        if not kept.all():
            columns.append(scores)
        rows.append([_title(comparison, model), *map(_percent, columns)])
    titles = ["Model", "Train", "Validation", "Train − validation", "Test"]
    if not kept.all():
        titles.append(f"Test without {int((~kept).sum())} training images")
    return Table(
        name="regularisers",
        title="Accuracy in percent, and the gap in points",
        columns=titles,
        rows=rows,
        note="Mean ± sample standard deviation over the seeds.",
    )


def _percent(values: Sequence[float]) -> str:
    return text.percent_spread(spread(values)).replace("-", text.MINUS)


def _without(comparison: Comparison, run: Run, kept: npt.NDArray[np.bool_]) -> float:
    """Returns a run's accuracy on the test images that are kept."""
    found = comparison.predictions.get(run.model, run.seed, run.settings)
    if found is None:
        raise ValueError(f"expected predictions of {run.model}, seed {run.seed}. Received: none")
    right = found.argmax(axis=1) == comparison.predictions.labels
    return float(right[kept].mean())


def _pairs(comparison: Comparison, pairs: Sequence[_Two]) -> list[Table]:
    if not pairs:
        return []
    rows: list[list[str | float | int | None]] = []
    for two in pairs:
        ahead = {1: two.models[0], -1: two.models[1], 0: "open"}
        p = None if two.p is None or two.adjusted is None else text.p_value(two.adjusted)
        tested = None if two.test is None else text.p_value(two.test.p_images)
        steady = two.test.p_seeds if two.test else None
        rows.append(
            [
                " − ".join(two.models),
                text.points(two.validation),
                p,
                text.points(two.on_test) if two.test else None,
                tested,
                None if steady is None else text.p_value(steady),
                ahead[two.outcome],
            ]
        )
    return [
        Table(
            name="pairs",
            title="The pairs of the claimed order",
            columns=[
                "Pair",
                "Validation, points",
                "p (seeds)",
                "Test, points",
                "p (images)",
                "p (seeds, test)",
                "Better beyond noise",
            ],
            rows=rows,
            note="Validation: paired t-test over the seeds, two-sided, adjusted (Holm) for the "
            "pairs. Test: the two tests explained above.",
        )
    ]


def _duplicates(comparison: Comparison, repeated: npt.NDArray[np.bool_]) -> list[Section]:
    """Returns what changes without the test images that training has seen."""
    count = int(repeated.sum())
    if not count:
        return []
    kept = ~repeated
    whole = comparison.predictions
    predictions = Predictions(whole.labels[kept], whole.num_classes)
    for run in comparison.record.runs:
        found = whole.get(run.model, run.seed, run.settings)
        if found is not None:
            predictions.add(run.model, run.seed, found[kept], settings=run.settings)
    again = compare_all(comparison.record.runs, predictions)
    changed = [
        f"{' and '.join(new.models)} ({old.better or 'tied'} before, {new.better or 'tied'} now)"
        for old, new in zip(comparison.record.comparisons, again, strict=True)
        if old.better != new.better
    ]
    shift = [
        _without(comparison, run, kept) - run.metrics.test_accuracy
        for run in comparison.record.runs
    ]
    result = (
        f"the verdict changes for {text.listing(changed)}"
        if changed
        else "no verdict on two models changes"
    )
    return [
        Section(
            title="Test images that training has seen",
            text=[
                f"{count} of {len(repeated)} test images are, pixel for pixel, images of the "
                f"training or validation part. Without them, test accuracies change by "
                f"{text.points(min(shift))} to {text.points(max(shift))} points, and {result}."
            ],
        )
    ]
