"""What the study of strengths found: each regulariser at its best, and the verdicts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasdl.datasets.duplicates import seen_in
from kerasdl.evaluation import resampling
from kerasdl.experiments.strengths import details
from kerasdl.experiments.strengths.analysis import Best, Pair, Results, named, number, outcomes
from kerasdl.experiments.strengths.settings import BASELINE, Net
from kerasdl.reporting import text
from kerasdl.reporting.figures import strengths as figures
from kerasdl.sections import Claim, Figure, Section, Table
from kerasdl.studies.data import is_published
from kerasdl.studies.experiment import Context

Rows = list[list[str | float | int | None]]


def sections(context: Context, repetitions: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Returns the report's sections; draws their figures.

    Args:
        context: The experiment's.
        repetitions: As `strengths.train` returns them.
    """
    _, parts = context.images
    results = Results(context.plan, repetitions, len(parts.train), len(parts.validation))
    best = {family: results.best(family) for family in results.families()}
    nets = [*(one.net for one in best.values()), BASELINE]
    pairs = results.pairs(nets)
    plan = context.plan
    # Another network or training says nothing of the report's.
    claimed = (plan.units, plan.epochs, plan.learning_rate) == ((256,) * 6, 150, 1e-3)
    claimed = claimed and is_published(context.info, plan.data, "gurmukhi")
    kept = ~seen_in(parts.test, parts.train, parts.validation)
    found = [
        _at_their_best(context, results, best, pairs, claimed),
        details.over_strengths(context, results, best),
    ]
    if context.plan.readings:
        found.append(details.readings(results))
    if {"dropout", "l2", "l1"} <= set(best):
        found.append(details.one_division(results))
    if not kept.all():
        found.append(details.duplicates(results, nets, pairs, kept))
    return found


def _at_their_best(
    context: Context,
    results: Results,
    best: Mapping[str, Best],
    pairs: Sequence[Pair],
    claimed: bool,
) -> Section:
    order = sorted(best.values(), key=lambda one: -results.spread(one.net, "validation").mean)
    ahead = [
        named(pair.nets[0]) for pair in pairs if pair.nets[1] == BASELINE and pair.outcome == 1
    ]
    means = [f"{named(one.net)} ({results.percent(one.net, 'validation')})" for one in order]
    rows: Rows = []
    for net, tied in [*((one.net, one.tied) for one in order), (BASELINE, [])]:
        rows.append(
            [
                named(net),
                ", ".join(number(value) for value in tied) or None,
                results.with_error(net),
                results.with_deviation(net, "test"),
                results.with_deviation(net, "train"),
                results.with_deviation(net, "gap"),
            ]
        )
    table = Table(
        name="best",
        title="Each regulariser at the strength of its highest validation accuracy, in percent",
        columns=["Regulariser", "Tied with it", "Validation", "Test", "Train", "Gap, points"],
        rows=rows,
        note="Validation: mean ± standard error, corrected for the images that divisions share "
        "(Nadeau and Bengio 2003). The others: mean ± standard deviation over the divisions. "
        "Tied: strengths that are not worse beyond noise (paired test, Holm). Gap: train minus "
        "validation.",
    )
    plan = results.plan
    times = "Once" if results.repeats == 1 else f"{results.repeats} times"
    return Section(
        title="Each regulariser at its best",
        text=[
            f"Validation accuracy at the best strength: {text.listing(means)}; without any "
            f"{results.percent(BASELINE, 'validation')}. Better than that beyond noise: "
            f"{text.listing(ahead) or 'none of them'}.",
            f"{times}, the images were divided anew into {results.trained} to "
            f"train on and {results.held_out} to validate, and all {len(results.nets)} networks "
            f"were trained on them from the same first weights: {len(plan.units)} hidden layers "
            f"of {'-'.join(map(str, dict.fromkeys(plan.units)))}, Adam at {plan.learning_rate:g}, "
            f"{plan.epochs} epochs. The strength is chosen by validation, never by test images. "
            "A difference counts as beyond noise when three tests agree: the corrected paired "
            "t-test on validation, the sign-flip test over the test images, and the paired "
            "t-test over the repetitions on test.",
        ],
        claims=_claims(results, best, pairs) if claimed else [],
        tables=[table, _pair_table(pairs)],
        figures=[_curves(context, results, [one.net for one in order])],
    )


def _claims(results: Results, best: Mapping[str, Best], pairs: Sequence[Pair]) -> list[Claim]:
    claims = []
    for family, name in (("l2", "L2 as a penalty"), ("decay", "L2 as decoupled weight decay")):
        if not {"dropout", family, "l1"} <= set(best):
            continue
        order = [best[one].net for one in ("dropout", family, "l1")]
        scores = ", ".join(
            f"{named(net)}: {results.percent(net, 'validation')} "
            f"(test {results.percent(net, 'test')})"
            for net in order
        )
        claims.append(
            Claim(
                report="D, row 11",
                claim=f"Dropout > L2 > L1 on validation accuracy; here each at its best, {name}.",
                measured=f"{scores}. Beyond noise: {_beyond(pairs, order)}.",
                verdict=resampling.verdict(outcomes(pairs, order)),
            )
        )
    return claims


def _beyond(pairs: Sequence[Pair], order: Sequence[Net]) -> str:
    ahead = []
    for pair in pairs:
        if pair.outcome and pair.nets[0] in order and pair.nets[1] in order:
            winner, loser = pair.nets if pair.outcome == 1 else pair.nets[::-1]
            ahead.append(f"{named(winner)} > {named(loser)}")
    return text.listing(ahead) or "nothing"


def _pair_table(pairs: Sequence[Pair]) -> Table:
    rows: Rows = []
    for pair in pairs:
        better = {1: named(pair.nets[0]), -1: named(pair.nets[1]), 0: "open"}[pair.outcome]
        error = None if pair.error is None else f"± {100 * pair.error:.2f}"
        rows.append(
            [
                f"{named(pair.nets[0])} − {named(pair.nets[1])}",
                " ".join(filter(None, [text.points(pair.validation), error])),
                text.p_value(pair.p_validation),
                text.points(pair.test),
                text.p_value(pair.p_images),
                text.p_value(pair.p_repeats),
                better,
            ]
        )
    return Table(
        name="pairs-at-best",
        title="Who beats whom, each at its best",
        columns=[
            "Pair",
            "Validation, points",
            "p",
            "Test, points",
            "p (images)",
            "p (repetitions)",
            "Better beyond noise",
        ],
        rows=rows,
        note="p of validation and of images adjusted (Holm) for the number of pairs.",
    )


def _curves(context: Context, results: Results, nets: Sequence[Net]) -> Figure:
    file = "figures/strengths-curves.png"
    lines = [
        (named(net), results.curve(net, "val_accuracy"), results.curve(net, "val_loss"))
        for net in [*nets, BASELINE]
    ]
    assert context.info is not None
    figures.curves(Path(context.folder) / file, lines, context.info)
    return Figure(
        file=file,
        alt="Validation accuracy and validation loss over the epochs of "
        f"{text.listing([name for name, _, _ in lines])}.",
        caption="Means over the divisions, bands of one standard deviation. A loss that rises "
        "again while the accuracy stays: the network grows surer of its mistakes.",
    )
