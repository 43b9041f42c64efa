"""What depth does to a perceptron: verdicts on the reports, tables and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasdl.experiments.depth import figures as depth_figures
from kerasdl.experiments.depth.cures import cured
from kerasdl.experiments.depth.results import (
    MOVING,
    Baseline,
    Found,
    Group,
    baseline_of,
    fall,
    noticeable,
    title,
)
from kerasdl.sections import Claim, Section, Table, Verdict
from kerasdl.studies.data import is_published
from kerasdl.studies.experiment import Context

REPORT = "D, row 10"


def sections(context: Context, results: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Returns the report's sections; draws their figures.

    Args:
        context: The experiment's.
        results: As `packed_mlps.train` returns them.
    """
    found = Found(results)
    made = [_moved(context, found)]
    if max(context.plan.depths) > 1:
        made.append(_reached(context, found))
        if context.plan.patients:
            made.append(cured(context, found))
    return made


def is_reports_data(context: Context) -> bool:
    """Whether these are the images of the report, so that its claims can be judged."""
    return is_published(context.info, context.plan.data, "cifar10")


def _moved(context: Context, found: Found) -> Section:
    plan = context.plan
    baseline = baseline_of(context.images[1].train.labels)
    pairs = [(i, a) for i in plan.initializers for a in plan.activations]

    def rows(cell: Any) -> list[list[str | float | int | None]]:
        return [
            [f"{title(a)}, {title(i)}"]
            + [None if (g := found.get(i, a, d)) is None else cell(g) for d in plan.depths]
            for i, a in pairs
        ]

    columns = ["Activation, first weights", *(f"Depth {depth}" for depth in plan.depths)]
    count = sum(
        group.is_stuck(baseline)
        for i, a in pairs
        for d in plan.depths
        if (group := found.get(i, a, d)) is not None
    )
    lines = [
        f"{count} of {len(pairs) * len(plan.depths)} networks end at the loss and accuracy of "
        f"knowing only how frequent the classes are ({baseline.loss:.4f}, "
        f"{100 * baseline.accuracy:.1f} %): they have learnt nothing from the images in "
        f"{plan.epochs} epochs.",
        *_stuck(context, found, baseline),
    ]
    return Section(
        title="Does the loss move?",
        text=lines,
        claims=_loss_claims(context, found, baseline) if is_reports_data(context) else [],
        tables=[
            Table(
                name="loss",
                title=f"Training loss in epoch {plan.epochs}, by depth",
                columns=columns,
                rows=rows(lambda group: float(group.history("loss")[:, -1].mean())),
                note=f"Mean over {plan.seeds} seed{'s' * (plan.seeds > 1)}. Depth counts layers "
                "with weights; depth 1 is the output layer alone, for which the activation does "
                "not exist and the rows of one rule are the same network.",
            ),
            Table(
                name="accuracy",
                title="Test accuracy, in percent, by depth",
                columns=columns,
                rows=rows(Group.percent),
                note="Mean ± standard deviation over the seeds." if plan.seeds > 1 else "One seed.",
            ),
        ],
        figures=depth_figures.curves(context, found, baseline),
    )


def _stuck(context: Context, found: Found, baseline: Baseline) -> list[str]:
    """Says from which depth on each activation learns nothing."""
    plan = context.plan
    lines = []
    for initializer in plan.initializers:
        parts = []
        for activation in plan.activations:
            first = found.stuck_from(initializer, activation, plan.depths, baseline)
            if first is not None:
                parts.append(f"{title(activation)} learns nothing from depth {first} on")
        words = "; ".join(parts) or "the deepest network of every activation learns something"
        tried = ", ".join(map(str, sorted(plan.depths)))
        lines.append(f"First weights by {title(initializer)}, depths {tried}: {words}.")
    return lines


def _loss_claims(context: Context, found: Found, baseline: Baseline) -> list[Claim]:
    plan = context.plan
    claims = []
    for initializer in plan.initializers:
        groups = {d: g for d in (9, 10) if (g := found.get(initializer, "sigmoid", d)) is not None}
        if not groups:
            continue
        stuck = [group.is_stuck(baseline) for group in groups.values()]
        parts = []
        for depth, group in groups.items():
            loss = group.history("loss").mean(axis=0)
            parts.append(
                f"depth {depth}: training loss {loss[0]:.4f} in the first epoch, {loss[-1]:.4f} in "
                f"the last; test accuracy {group.percent()} %"
            )
        claims.append(
            Claim(
                report=REPORT,
                claim="At depths 9 and 10 the sigmoid loss does not move at all "
                f"(here: first weights by {title(initializer)}).",
                measured="; ".join(parts).capitalize()
                + f" ({plan.seeds} seed{'s' * (plan.seeds > 1)}). Knowing nothing is "
                f"{baseline.loss:.4f}.",
                verdict="right" if all(stuck) else "partly right" if any(stuck) else "wrong",
            )
        )
    return claims


def _reached(context: Context, found: Found) -> Section:
    """The gradients of the deepest networks."""
    plan = context.plan
    depth = max(plan.depths)
    columns = ["Layer"]
    table = []
    for initializer in plan.initializers:
        group = found.get(initializer, "sigmoid", depth)
        if group is not None:
            columns += [f"Gradient, {title(initializer)}", f"Update, {title(initializer)}"]
            table += [group.layers("gradient_norm")[:, 0], group.layers("update_ratio")[:, 0]]
    tables = []
    if table:
        names = ["1 (first)", *map(str, range(2, depth)), f"{depth} (output)"]
        cells = np.array(table).T.tolist()
        rows: list[list[str | float | int | None]] = [
            [name, *(f"{value:.1e}" for value in row)]
            for name, row in zip(names, cells, strict=True)
        ]
        tables.append(
            Table(
                name="gradients",
                title=f"The sigmoid network of depth {depth} in its first epoch, layer by layer",
                columns=columns,
                rows=rows,
                note="Gradient: Euclidean norm of the weights' gradient. Update: norm of a step's "
                "change over the norm of the weights. Means over the steps and seeds.",
            )
        )
    return Section(
        title="Which layers get gradients?",
        text=_gradients_in_words(context, found, depth),
        claims=_gradient_claims(context, found, depth) if is_reports_data(context) else [],
        tables=tables,
        figures=depth_figures.maps(context, found),
    )


def _gradients_in_words(context: Context, found: Found, depth: int) -> list[str]:
    plan = context.plan
    lines = []
    for activation in plan.activations:
        parts = []
        for initializer in plan.initializers:
            group = found.get(initializer, activation, depth)
            if group is not None:
                first = group.layers("gradient_norm")[:, 0]
                signal = group.signal()
                parts.append(
                    f"{title(initializer)}: {first[0]:.1e} in the first layer, {first[-1]:.1e} in "
                    f"the last; before training the last hidden layer's outputs differ from image "
                    f"to image by {signal[-1]:.1e}"
                )
        lines.append(f"{title(activation)}, depth {depth}. {'; '.join(parts)}.")
    lines.append(
        "What vanishes on the way back vanishes on the way forward, too: where the last hidden "
        "layer says nearly the same of every image, the output layer gets a gradient that knows "
        "the classes' frequencies only, and no layer has anything to learn from."
    )
    return lines


def _gradient_claims(context: Context, found: Found, depth: int) -> list[Claim]:
    claims = []
    for initializer in context.plan.initializers:
        group = found.get(initializer, "sigmoid", depth)
        if group is None or depth < 5:
            continue
        norms, updates = group.layers("gradient_norm"), group.layers("update_ratio")[:, 0]
        signed = np.abs(group.layers("gradient_mean")[:, 0])
        absolute = group.layers("gradient_absolute_mean")[:, 0]
        counts = noticeable(norms[:, 0]), noticeable(norms[:, -1])
        # "Get" is a word of degree: the verdict asks which layers a plot would show.
        verdict: Verdict = "wrong"
        if counts[0] < depth / 2:
            verdict = "right" if counts[0] == 3 else "partly right"
        claims.append(
            Claim(
                report=REPORT,
                claim=f"Only the last 3 layers get gradients (here: sigmoid, depth {depth}, first "
                f"weights by {title(initializer)}).",
                measured=f"At least 1 % of the largest layer's gradient: {counts[0]} layers in "
                f"the first epoch, {counts[1]} in the last. The norm falls "
                f"{fall(norms[:, 0]):.1f}-fold per layer, from {norms[-1, 0]:.1e} in the output "
                f"layer to {norms[0, 0]:.1e} in the first. Adam evens that out: in "
                f"{int(np.sum(updates >= MOVING))} of {depth} layers a step changes the weights by "
                "0.1 % or more. (The mean that the report plots is a bad measure: entries of both "
                f"signs leave 1 part in {_cancelled(signed, absolute)} of their size.)",
                verdict=verdict,
            )
        )
    return claims


def _cancelled(signed: Any, absolute: Any) -> str:
    ratios = absolute[signed > 0] / signed[signed > 0]
    return f"{float(np.median(ratios)):.0f}" if len(ratios) else "infinitely many"
