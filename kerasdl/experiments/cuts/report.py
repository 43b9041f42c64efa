"""What the sweep over cuts found, as sections of a report."""

from collections.abc import Mapping
from typing import Any

from kerasdl.evaluation.significance import spread
from kerasdl.experiments.cuts import figure
from kerasdl.experiments.cuts.analysis import Cut, Ranking, Results
from kerasdl.models import bases
from kerasdl.reporting import text
from kerasdl.sections import Figure, Section, Table
from kerasdl.studies.experiment import Context

Rows = list[list[str | float | int | None]]

NAMED = 5
"""Tied cuts that a sentence names; of more it says how many."""


def sections(
    context: Context, results: Results, winner: Mapping[str, Any], passes: Mapping[int, float]
) -> list[Section]:
    """Returns the report's sections; draws their figure.

    Args:
        context: The experiment's.
        results: All cuts.
        winner: As `winner.score` returns it.
        passes: Seconds of the forward pass at each size; 0 where all came from the cache.
    """
    return [
        _best(context, results, passes),
        _on_test(context, results, winner),
        _every(context, results),
    ]


def _best(context: Context, results: Results, passes: Mapping[int, float]) -> Section:
    plan, base = results.plan, bases.get(results.plan.transfer)
    said = [_winning(results)]
    rows: Rows = []
    for size in plan.sizes:
        ranking = Ranking(results.at(size))
        best, last = ranking.best, results.at(size)[-1]
        lead = None if best is last else text.points(best.spread.mean - last.spread.mean)
        p = None if best is last else text.p_value(ranking.p[last])
        rows.append(
            [
                f"{size} pixels",
                best.place.cut,
                text.percent_spread(best.spread),
                _listed([cut.place.cut for cut in ranking.tied]) or None,
                best.numbers,
                best.multiply_accumulates / 1e6,
                lead,
                p,
            ]
        )
    if len(plan.sizes) > 1:
        said.append(_sizes(results))
    said.append(_how(context, results, passes))
    table = Table(
        name="best-cuts",
        title="The best cut at each input size",
        columns=[
            "Input",
            "Cut",
            "Validation (%)",
            "Tied with it",
            "Features",
            "Million multiply-accumulates",
            "Ahead of the last cut, points",
            "p",
        ],
        rows=rows,
        note="Mean ± standard deviation over the seeds. Tied: not worse beyond noise, among the "
        "cuts at that size. p: that the lead over the last cut is noise, adjusted like those of "
        "the ties.",
        digits=1,
    )
    file = "figures/cuts.png"
    assert context.info is not None
    title = f"{base.title}: a linear head on frozen features, by cut and input size"
    figure.draw(context.folder / file, results, title, context.info)
    best = results.ranking.best
    return Section(
        title="The best cut",
        text=said,
        tables=[table],
        figures=[
            Figure(
                file=file,
                alt=f"Validation accuracy of linear heads by cut, a line for each input size, and "
                f"against the multiply-accumulates. Best: {best.name}, "
                f"{text.percent_spread(best.spread)} %.",
                caption="Bars: one standard error over the validation images; neighbours share "
                "the images, so differences are surer than the bars look. Right: the same points "
                "over what an image costs, up to the cut.",
            )
        ],
    )


def _winning(results: Results) -> str:
    ranking, others = results.ranking, len(results.cuts) - 1
    best = ranking.best
    score = f"{best.name} has the highest validation accuracy, {_score(best)}"
    if not others:
        return f"{score}; there is no other cut to compare it with."
    if not ranking.tied:
        second = ranking.cuts[1]
        return (
            f"{score}; each of the {others} others is worse beyond noise, the next being "
            f"{second.name} ({_score(second)})."
        )
    count = len(ranking.tied)
    names = _listed([cut.name for cut in ranking.tied])
    said = (
        f"{score}; {count} of the {others} others {'is' if count == 1 else 'are'} tied with it "
        f"within noise: {names}."
    )
    cheapest = ranking.cheapest
    if cheapest is best:
        return f"{said} It is also the cheapest of them."
    share = cheapest.multiply_accumulates / best.multiply_accumulates
    return (
        f"{said} The cheapest of these is {cheapest.name} ({_score(cheapest)}), with "
        f"{100 * share:.0f} % of the multiply-accumulates of the best."
    )


def _sizes(results: Results) -> str:
    """Says what a larger input is worth."""
    small, *_, large = sorted(results.plan.sizes)
    one, other = (Ranking(results.at(size)).best for size in (small, large))
    gain = other.spread.mean - one.spread.mean
    pair = Ranking([one, other])
    beyond = "beyond noise" if not pair.tied else "within noise"
    cost = other.multiply_accumulates / one.multiply_accumulates
    return (
        f"Each at its best cut, {large} pixels are worth {text.points(gain)} points against "
        f"{small} ({beyond}), at {cost:.1f} times the multiply-accumulates. The images themselves "
        "have the same pixels: they are enlarged inside the model."
    )


def _how(context: Context, results: Results, passes: Mapping[int, float]) -> str:
    plan, info = results.plan, context.info
    assert info is not None
    times = "once" if plan.seeds == 1 else f"with {plan.seeds} seeds"
    took = [
        f"{text.duration(seconds)} at {size} pixels" for size, seconds in passes.items() if seconds
    ]
    passed = text.listing(took) or "found where they had been computed before"
    tests = "over the validation images (sign flips)"
    if plan.seeds > 1:
        tests += " and over the seeds (a t-test, their variance pooled over the cuts)"
    return (
        f"The base is frozen. One forward pass at each input size gives the features of all its "
        f"cuts ({passed}); on each a linear head was trained {times} for each of "
        f"{len(plan.l2)} L2 penalties, together, on {text.count(info.train)} images, and a cut "
        f"has the penalty of its highest accuracy on the {text.count(info.validation)} "
        "validation images. Tied means: not worse than the best beyond noise, "
        f"{tests}, adjusted for the number of comparisons. The best is chosen by the scores it "
        "is compared on, so its score is a little too good."
    )


def _on_test(context: Context, results: Results, winner: Mapping[str, Any]) -> Section:
    cut, info = results.winner, context.info
    assert info is not None
    found = spread(winner["test"])
    plan = results.plan
    why = "the best cut" if cut is results.ranking.best else "the cheapest cut tied with the best"
    times = "once" if plan.seeds == 1 else f"with {plan.seeds} seeds"
    table = Table(
        name="winner",
        title=f"{cut.name[:1].upper()}{cut.name[1:]} on the test images",
        columns=["Seed", "Test accuracy (%)", "L2 penalty", "Features", "Parameters of the model"],
        rows=[
            [str(seed), 100 * accuracy, f"{cut.l2:g}", cut.numbers, winner["parameters"]]
            for seed, accuracy in zip(plan.all_seeds(), winner["test"], strict=True)
        ],
        digits=2,
    )
    return Section(
        title="The cut on the test set",
        text=[
            f"Test accuracy {text.percent_spread(found)} %: {cut.name}, {why}, its head trained "
            f"anew {times} on the training and the validation images together. The "
            f"{text.count(info.test)} test images were scored once, and only for this cut.",
            f"{winner['model']} is the model of the first seed, from pixels to logits: the base up "
            f"to the cut and the head, with the scaling of the features between them. On "
            f"{winner['compared']} test images its logits are those of the head on the cached "
            f"features within {winner['difference']:.1e} of the largest.",
            f"Weights of the base: {plan.weights}, SHA-256 {winner['weights_sha256'] or 'none'}.",
        ],
        tables=[table],
    )


def _every(context: Context, results: Results) -> Section:
    info, ranking = context.info, results.ranking
    assert info is not None
    rows: Rows = []
    for cut in results.cuts:
        p = ranking.p[cut]
        best = cut is ranking.best
        rows.append(
            [
                cut.place.cut,
                cut.place.size,
                " × ".join(map(str, cut.shape)),
                cut.numbers,
                4 * cut.numbers * (info.train + info.validation) / 2**20,
                cut.multiply_accumulates / 1e6,
                text.percent_spread(cut.spread),
                text.percent_spread(spread(cut.train)),
                f"{cut.l2:g}",
                "best" if best else "yes" if cut in ranking.tied else "no",
                None if best else text.p_value(p),
            ]
        )
    table = Table(
        name="cuts",
        title="Every cut at every input size",
        columns=[
            "Cut",
            "Input",
            "Maps",
            "Features",
            "MiB",
            "Million multiply-accumulates",
            "Validation (%)",
            "Train (%)",
            "L2",
            "Tied with the best",
            "p",
        ],
        rows=rows,
        note="Maps: height × width × channels that are pooled. MiB: the features of the training "
        "and validation images in float32. Multiply-accumulates: of one image, up to the cut; the "
        "head adds features × classes. Accuracies: mean ± standard deviation over the seeds.",
        digits=1,
    )
    return Section(title="All cuts", text=[], tables=[table])


def _listed(names: list[str]) -> str:
    """Returns the first `NAMED` names, and how many more there are."""
    more = len(names) - NAMED
    return f"{', '.join(names[:NAMED])} and {more} more" if more > 0 else text.listing(names)


def _score(cut: Cut) -> str:
    return f"{text.percent_spread(cut.spread)} %"
