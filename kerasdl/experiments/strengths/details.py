"""What the study of strengths found besides: all strengths, readings, single divisions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasdl.evaluation import resampling
from kerasdl.evaluation.significance import spread
from kerasdl.experiments.strengths.analysis import (
    Best,
    Bools,
    Pair,
    Results,
    named,
    number,
    outcomes,
)
from kerasdl.experiments.strengths.settings import BASELINE, FAMILIES, Net
from kerasdl.reporting import text
from kerasdl.reporting.figures import strengths as figures
from kerasdl.sections import Figure, Section, Table
from kerasdl.studies.experiment import Context

REPORTED = {"l1": 1e-3, "l2": 1.0, "decay": 1.0, "dropout": 0.2}
"""Report D's strengths; its L2 may be the penalty or the decay."""

PARTS = ("train", "validation", "test", "gap")

Rows = list[list[str | float | int | None]]


def over_strengths(context: Context, results: Results, best: Mapping[str, Best]) -> Section:
    """Returns the section on all strengths; draws its figure.

    Args:
        context: The experiment's.
        results: All scores.
        best: Each regulariser at its best.
    """
    rows: Rows = []
    panels = []
    for family, chosen in best.items():
        grid = results.grid(family)
        for net in grid:
            rows.append(
                [
                    named(net),
                    results.with_error(net),
                    *(
                        text.percent_spread(results.spread(net, p))
                        for p in ("test", "train", "gap")
                    ),
                ]
            )
        panels.append(
            figures.Panel(
                title=FAMILIES[family],
                strengths=np.array([net.strength for net in grid]),
                accuracies={part: _band(results, grid, part) for part in figures.PARTS},
                gap=_band(results, grid, "gap"),
                best=grid.index(chosen.net),
                reported=REPORTED[family],
                logarithmic=family != "dropout",
            )
        )
    file = "figures/strengths.png"
    assert context.info is not None
    validation = (
        results.spread(BASELINE, "validation").mean,
        results.spread(BASELINE, "validation").std or 0.0,
    )
    gap = results.spread(BASELINE, "gap").mean
    figures.against_strength(Path(context.folder) / file, panels, validation, gap, context.info)
    table = Table(
        name="strengths",
        title="All strengths, in percent",
        columns=["Regulariser", "Validation", "Test", "Train", "Gap, points"],
        rows=rows,
        note="As in the table of the best.",
    )
    return Section(
        title="Accuracy and gap over the strength",
        text=[_gaps(results, best)],
        tables=[table],
        figures=[
            Figure(
                file=file,
                alt="Accuracy on training, validation and test images, and the gap between "
                "training and validation, over the strength: "
                + "; ".join(f"{named(one.net)} is best" for one in best.values()),
                caption="Bands: one standard deviation over the divisions. Dashed: without "
                "a regulariser. Red: the report's strength. Numbers with an arrow: validation "
                "accuracy below the picture. All scores are of the finished networks.",
            )
        ],
    )


def _gaps(results: Results, best: Mapping[str, Best]) -> str:
    """Says which strengths close the gap, and what that is worth."""
    nets = [net for family in best for net in results.grid(family)]
    smallest = min(nets, key=lambda net: results.spread(net, "gap").mean)
    gaps = [results.spread(net, "gap").mean for net in nets]
    scores = [results.spread(net, "validation").mean for net in nets]
    words = (
        f"Without a regulariser, training is {_points(results, BASELINE)} points above "
        f"validation. The smallest gap, {_points(results, smallest)}, has {named(smallest)}, at "
        f"{results.percent(smallest, 'validation')} of validation"
    )
    widest = results.spread(BASELINE, "gap").mean
    useful = [
        net
        for net, gap, score in zip(nets, gaps, scores, strict=True)
        if gap < widest and score > results.spread(BASELINE, "validation").mean
    ]
    return (
        f"{words}: a small gap alone is no merit, a network that learns nothing has none. "
        f"{len(useful)} of {len(nets)} strengths have a smaller gap and a higher mean validation "
        "accuracy than none."
    )


def readings(results: Results) -> Section:
    """Returns the section on what the report's strengths may have meant."""
    meant = results.plan.readings_of(results.trained)
    names = list(meant)
    pairs = results.pairs([*meant.values(), BASELINE])
    l1, dropout = meant[names[0]], meant[names[-1]]
    rows: Rows = []
    held = []
    for name, net in [*meant.items(), ("No regulariser", BASELINE)]:
        verdict = None
        if name.startswith("L2"):
            order = [dropout, net, l1]
            means = [results.spread(one, "validation").mean for one in order]
            held += [name.split(": ")[1]] if means[0] > means[1] > means[2] else []
            verdict = resampling.verdict(outcomes(pairs, order))
        rows.append(
            [
                name,
                *(results.with_deviation(net, part) for part in PARTS),
                _best_epoch(results, net),
                verdict,
            ]
        )
    l2 = sum(name.startswith("L2") for name in meant)
    first = {net: results.curve(net, "loss")[:, 0].mean() for net in (l1, BASELINE)}
    return Section(
        title="What the report's strengths may have meant",
        text=[
            "The report prints L1 1e-3 and L2 1, but not what they multiply. In the mean "
            f"validation accuracy of the finished networks, dropout > L2 > L1 comes out for "
            f"{len(held)} of {l2} readings of L2 1" + (f": {'; '.join(held)}." if held else "."),
            f"In the first epoch the loss is {first[l1]:.1f} with the L1 penalty and "
            f"{first[BASELINE]:.1f} without: where the penalty is most of the loss, Adam, whose "
            "steps do not depend on the gradient's size, moves nearly every weight towards 0 by "
            f"about the learning rate, {results.plan.learning_rate:g}, in every step. So a network "
            f"may learn first and forget then: with L1 1e-3 the best epoch has "
            f"{_best_epoch(results, l1)} % of the validation images right, the last "
            f"{results.percent(l1, 'validation')}.",
        ],
        tables=[
            Table(
                name="readings",
                title="The report's strengths as they may be read, accuracy in percent",
                columns=[
                    "Reading",
                    "Train",
                    "Validation",
                    "Test",
                    "Gap, points",
                    "Validation, best epoch",
                    "The order is",
                ],
                rows=rows,
                note="Mean ± standard deviation over the divisions. Best epoch: the highest "
                "validation accuracy of the curve, chosen on the very images it is read from. "
                "The order: dropout 0.2 > this L2 > L1 1e-3, beyond noise on validation and test.",
            )
        ],
    )


def one_division(results: Results) -> Section:
    """Says what a single division would have told, as a report has only one."""
    order = ("dropout", "l2", "l1")
    counts: Counter[str] = Counter()
    picks: dict[str, list[Net]] = {family: [] for family in order}
    spans: dict[str, list[float]] = {family: [] for family in order}
    for repetition in range(results.repeats):
        scores = {}
        for family in order:
            net = results.chosen_alone(family, repetition)
            picks[family].append(net)
            scores[family] = results.values(net, "validation")[repetition]
            spans[family].append(results.values(net, "test")[repetition])
        ranking = sorted(order, key=lambda family: -scores[family])
        tie = len(set(scores.values())) < len(order)
        counts["a tie among them" if tie else " > ".join(ranking)] += 1
    rows: Rows = [[name, count] for name, count in counts.most_common()]
    claimed = counts[" > ".join(order)]
    chosen = "; ".join(
        f"{family} {_range(nets)} (test {100 * float(np.mean(spans[family])):.1f} %)"
        for family, nets in picks.items()
    )
    return Section(
        title="What one division would have said",
        text=[
            f"A report has one division of the images. In {claimed} of {results.repeats} of ours "
            f"dropout > L2 > L1 came out, each at the strength best in that very division; one "
            f"validation image is {100 / results.held_out:.1f} points. Chosen so: {chosen}."
        ],
        tables=[
            Table(
                name="one-division",
                title="The order by the validation accuracy of a single division",
                columns=["Order", "Divisions"],
                rows=rows,
            )
        ],
    )


def duplicates(
    results: Results, nets: Sequence[Net], pairs: Sequence[Pair], kept: Bools
) -> Section:
    """Says what changes without the test images that are training images."""
    again = results.pairs(nets, kept)
    changed = [
        f"{named(new.nets[0])} and {named(new.nets[1])}"
        for old, new in zip(pairs, again, strict=True)
        if old.outcome != new.outcome
    ]
    shifts = [float(results.right(net)[:, kept].mean() - results.right(net).mean()) for net in nets]
    result = f"it changes {text.listing(changed)}" if changed else "no outcome of a pair changes"
    return Section(
        title="Test images that are training images",
        text=[
            f"{int((~kept).sum())} of {len(kept)} test images are images of the training part, "
            "pixel for pixel. Without them the test accuracies at the best strengths change by "
            f"{text.points(min(shifts))} to {text.points(max(shifts))} points, and {result}."
        ],
    )


def _band(results: Results, grid: Sequence[Net], part: str) -> figures.Floats:
    """Returns mean and standard deviation for each network of a grid, (n, 2)."""
    return np.array(
        [[results.spread(net, part).mean, results.spread(net, part).std or 0.0] for net in grid]
    )


def _best_epoch(results: Results, net: Net) -> str:
    return text.percent_spread(spread(results.curve(net, "val_accuracy").max(axis=1).tolist()))


def _points(results: Results, net: Net) -> str:
    return f"{100 * results.spread(net, 'gap').mean:.1f}".replace("-", text.MINUS)


def _range(nets: Sequence[Net]) -> str:
    """Returns the strengths that were chosen, e.g. "0.2" or "0.1 to 0.3"."""
    ends = [number(function(net.strength for net in nets)) for function in (min, max)]
    return " to ".join(dict.fromkeys(ends))
