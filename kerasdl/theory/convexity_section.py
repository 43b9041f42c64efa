"""What the report says of convexity (row 2 of docs/reports.md, and what B and C say against it)."""

from collections.abc import Sequence

from kerasdl.reporting import text
from kerasdl.sections import Claim, Figure, Section, Table, Verdict
from kerasdl.theory.convexity import Case, Convexity
from kerasdl.theory.losses import CE, CLIPPED_CE, MSE, RAW_CE, SIGMOID_MSE, Loss
from kerasdl.theory.pocket import Pocket

_POSSIBLE = 0.5
"""Share of undefined points above which a loss is called not defined."""


def section(
    found: Sequence[Convexity], pockets: Sequence[Pocket], figures: Sequence[Figure]
) -> Section:
    """Returns the section with its claims, tables and figures.

    Args:
        found: The measurements, per task; all five losses, one layer and more.
        pockets: Counter-examples to check by hand.
        figures: What was drawn.
    """
    return Section(
        title="Convex in the parameters?",
        text=[
            "With one layer, squared error and cross-entropy are convex in the parameters: the "
            "output is linear in them, and both losses are convex in the output. With two layers "
            "or more neither is, whatever the loss: the output holds products of weights. Turning "
            "the sign of a hidden unit's weights on both sides leaves the network's answers as "
            "they are; half-way between the two networks the unit is dead, and the loss higher "
            "where the unit was of use.",
            "Two searches say so with numbers: the smallest eigenvalue of the exact Hessian "
            "(float64) at random points, where one negative value refutes convexity, and the "
            "loss half-way between two points, where one value above the mean of the ends does. "
            "Where neither finds anything the points prove nothing; the algebra above does.",
            _sigmoid(found),
            _undefined(found),
            "Not convex does not mean not trainable: a deep linear network under squared error "
            "has saddles, but no local minimum that is not a global one (Kawaguchi, NeurIPS 2016).",
        ],
        claims=_claims(found),
        tables=[_table_pockets(pockets), *(_table(one) for one in found)],
        figures=list(figures),
    )


def _claims(found: Sequence[Convexity]) -> list[Claim]:
    shallow = {loss: _of(found, loss, deep=False) for loss in (MSE, CE, RAW_CE, CLIPPED_CE)}
    deep = {loss: _of(found, loss, deep=True) for loss in (MSE, CE, RAW_CE)}
    one_layer_convex = not _refuted([*shallow[MSE], *shallow[CE], *shallow[RAW_CE]])
    some_deep_convex = not _refuted(deep[MSE]) or not _refuted(deep[CE])
    return [
        Claim(
            report="A, row 2",
            claim="With linear activations MSE and cross-entropy are both convex. One layer:",
            measured=f"MSE: {_least(shallow[MSE])}; cross-entropy: {_least(shallow[CE])}; "
            f"{_pairs([*shallow[MSE], *shallow[CE]])}.",
            verdict="right" if one_layer_convex else "wrong",
        ),
        Claim(
            report="A, row 2",
            claim="With linear activations both are convex. Two layers and more:",
            measured=f"MSE: {_least(deep[MSE])}; cross-entropy: {_least(deep[CE])}; "
            f"{_pairs([*deep[MSE], *deep[CE]])}.",
            verdict=_verdict(some_deep_convex),
        ),
        Claim(
            report="B, theory",
            claim="MSE is convex for deep linear networks.",
            measured=f"Two layers and more: {_least(deep[MSE])}. {_example(deep[MSE])}",
            verdict=_verdict(not _refuted(deep[MSE])),
        ),
        Claim(
            report="B, theory",
            claim="Cross-entropy is not convex for them, because of the logarithm.",
            measured=f"Two layers and more: {_least(deep[CE])}. One layer, with the same "
            f"logarithm: {_least(shallow[CE])}. The products of weights are the reason, and "
            "they spoil MSE as well.",
            verdict="wrong"
            if not _refuted(deep[CE])
            else "right"
            if _refuted(shallow[CE])
            else "partly right",
        ),
        Claim(
            report="C, theory",
            claim="MSE is convex, by its second derivatives.",
            measured=f"One layer: {_least(shallow[MSE])}; two and more: "
            f"{_least(deep[MSE])}. The second derivative by the output is positive, by the "
            "parameters of several layers it is not.",
            verdict=_both(_refuted(shallow[MSE]), _refuted(deep[MSE])),
        ),
        _claim_raw(shallow),
    ]


def _claim_raw(shallow: dict[Loss, list[Case]]) -> Claim:
    raw, clipped = shallow[RAW_CE], shallow[CLIPPED_CE]
    undefined = max(case.undefined for case in raw)
    verdict: Verdict = "right" if _refuted(raw) else "wrong"
    return Claim(
        report="C, theory",
        claim="Cross-entropy without a sigmoid is not convex.",
        measured=f"{_percent(undefined)} of freely drawn one-layer networks ask it for the "
        "logarithm of zero or less: there it is no function at all. Where it has a value its "
        f"second derivative by the output, 1/f², is positive; {_least(raw)}; {_pairs(raw)}. Cut "
        f"off at 1e−7, as Keras does: {_pairs(clipped)}.",
        verdict="not defined" if undefined > _POSSIBLE else verdict,
    )


def _of(found: Sequence[Convexity], loss: Loss, *, deep: bool) -> list[Case]:
    return [
        case
        for one in found
        for case in one.cases
        if case.loss is loss and (case.depth > 1) == deep
    ]


def _refuted(cases: Sequence[Case]) -> bool:
    return any(case.refuted for case in cases)


def _verdict(convex: bool) -> Verdict:
    return "right" if convex else "wrong"


def _both(shallow_refuted: bool, deep_refuted: bool) -> Verdict:
    if shallow_refuted == deep_refuted:
        return "wrong" if deep_refuted else "right"
    return "partly right"


def _least(cases: Sequence[Case]) -> str:
    least = min(float(case.smallest.min()) for case in cases)
    points = sum(len(case.smallest) for case in cases)
    negative = sum(round(case.negative * len(case.smallest)) for case in cases)
    return f"smallest eigenvalue {_number(least)}, negative at {negative} of {points} points"


def _number(value: float) -> str:
    """Returns a number of any size, where possible without powers of ten."""
    if abs(value) < 1e-3:
        return "0" if abs(value) < 1e-12 else f"{value:.0e}".replace("-", text.MINUS)
    if abs(value) >= 100:
        return text.count(round(value)).replace("-", text.MINUS)
    return (
        f"{value:.1f}".replace("-", text.MINUS)
        if abs(value) >= 1
        else (f"{value:.4f}".replace("-", text.MINUS))
    )


def _pairs(cases: Sequence[Case]) -> str:
    refuting = sum(case.refuting for case in cases)
    total = sum(case.pairs for case in cases)
    return f"{refuting} of {total} midpoints lie above the mean of their ends"


def _example(cases: Sequence[Case]) -> str:
    pairs = [case.worst for case in cases if case.worst and case.worst.refutes]
    if not pairs:
        return "No pair of points refutes it."
    worst = max(pairs, key=lambda one: one.excess)
    return (
        f"Two networks with the losses {worst.ends[0]:.3g} and {worst.ends[1]:.3g} have "
        f"{worst.middle:.3g} half-way between them."
    )


def _sigmoid(found: Sequence[Convexity]) -> str:
    cases = _of(found, SIGMOID_MSE, deep=False)
    return (
        "Logistic regression is convex with cross-entropy only. With squared error behind the "
        f"sigmoid one layer is enough to lose it: {_least(cases)}, and "
        f"{_pairs(cases)}."
    )


def _undefined(found: Sequence[Convexity]) -> str:
    shares = {
        depth: max(one.case(RAW_CE, depth).undefined for one in found)
        for depth in sorted({case.depth for one in found for case in one.cases})
    }
    examples = max(one.case(RAW_CE, 1).undefined_examples for one in found)
    listed = ", ".join(f"{_percent(share)} at {depth}" for depth, share in shares.items())
    opened = sum(case.open_midpoints for case in _of(found, RAW_CE, deep=True))
    total = opened + sum(case.pairs for case in _of(found, RAW_CE, deep=True))
    return (
        "The reports write cross-entropy with the linear output itself in the logarithm. That is "
        "not a function of the parameters: an output below 0 for label 1, or above 1 for label 0, "
        f"has no logarithm. Share of freely drawn networks where this happens, by layers: "
        f"{listed}; of single examples with one layer: {_percent(examples)}. With several layers "
        f"even the way between two points that have a value may leave it: {opened} of {total} "
        "midpoints have none. All other numbers for this loss are from networks whose last layer "
        "was changed so that every output lies between 0 and 1."
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _table_pockets(pockets: Sequence[Pocket]) -> Table:
    def numbers(point: Sequence[float]) -> str:
        return ", ".join(f"{value:g}" for value in point).replace("-", "−")

    return Table(
        name="counterexamples",
        title="To check by hand: one example (feature 1, label 1), one unit in each layer",
        columns=[
            "Loss",
            "Layers",
            "Point 1",
            "Point 2",
            "Loss at 1",
            "Loss at 2",
            "Loss half-way",
            "Above the mean by",
        ],
        rows=[
            [
                one.loss.title,
                one.depth,
                numbers(one.found.first.tolist()),
                numbers(one.found.second.tolist()),
                *one.found.ends,
                one.found.middle,
                one.found.gap,
            ]
            for one in pockets
        ],
        note="Points are weight and bias of each layer in turn: w1, b1, w2, b2.",
        digits=4,
    )


def _table(found: Convexity) -> Table:
    rows: list[list[str | float | int | None]] = []
    for case in found.cases:
        worst = case.worst
        rows.append([
            case.loss.title,
            case.depth,
            case.parameters,
            f"{case.undefined * 100:.0f}",
            f"{case.negative * 100:.0f}",
            _number(float(case.smallest.min())),
            f"{case.refuting} / {case.pairs}",
            *((*worst.ends, worst.middle) if worst else (None, None, None)),
        ])  # fmt: skip
    return Table(
        name=f"convexity_{found.name}",
        title=f"{found.task}: {found.examples} examples, {found.features} principal components, "
        f"{found.width} units in each hidden layer, {found.points} points",
        columns=[
            "Loss",
            "Layers",
            "Parameters",
            "Not defined, %",
            "Negative, %",
            "Smallest eigenvalue",
            "Midpoints above",
            "Loss at 1",
            "Loss at 2",
            "Loss half-way",
        ],
        rows=rows,
        note="Raw cross-entropy takes the linear output for the probability; cut off: at 1e−7 "
        "and 1 − 1e−7, as Keras does. Not defined: freely drawn points without a value. "
        "Negative: points with a negative eigenvalue. Midpoints above: pairs whose midpoint "
        "lies above the mean of its ends, of all pairs with values; then the pair where it lies "
        "above (or, in a convex case, comes nearest to it) by most.",
        digits=3,
    )
