"""The figures of the depth experiment: curves by depth, and heat maps of the layers."""

from pathlib import Path

import numpy as np

from kerasdl.experiments.depth.results import Baseline, Floats, Found, title
from kerasdl.reporting.figures import grids, heatmaps
from kerasdl.reporting.figures.heatmaps import Row, Scale
from kerasdl.sections import Figure
from kerasdl.studies.experiment import Context

SHOWN: tuple[tuple[str, str, Scale], ...] = (
    ("gradient_norm", "gradient, norm", "log"),
    ("gradient_mean", "gradient, mean", "signed"),
    ("weight_norm", "weights, norm", "linear"),
    ("weight_mean", "weights, mean", "signed"),
    ("update_ratio", "update / weights", "log"),
    ("dead_units", "dead units, share", "linear"),
)
"""What the map of all quantities shows: quantity, title, scale."""


def curves(context: Context, found: Found, baseline: Baseline) -> list[Figure]:
    """Draws training loss and accuracy over epochs, a line for each depth.

    Args:
        context: The experiment's.
        found: Its results.
        baseline: What knowing nothing but the classes' frequencies gives.
    """
    plan = context.plan
    assert context.info is not None
    names = [title(i) for i in plan.initializers], [title(a) for a in plan.activations]
    figures = []
    for key, words, factor, level in (
        ("loss", "Training loss, nats", 1.0, (baseline.loss, "knowing nothing")),
        ("accuracy", "Training accuracy, %", 100.0, (100 * baseline.accuracy, "chance")),
    ):
        lines = {
            (row, column): {
                depth: factor * group.history(key)
                for depth in plan.depths
                if (group := found.get(i, a, depth)) is not None
            }
            for row, i in enumerate(plan.initializers)
            for column, a in enumerate(plan.activations)
        }
        file = f"figures/depth-{key}.png"
        grids.draw(
            Path(context.folder) / file,
            f"{words.split(',')[0]} by depth",
            names,
            lines,
            context.info,
            ylabel=words,
            legend="Depth",
            level=level,
        )
        figures.append(
            Figure(
                file=file,
                alt=f"{words} over the epochs: a panel for each activation (columns: "
                f"{', '.join(names[1])}) and rule for the first weights (rows: "
                f"{', '.join(names[0])}), a line for each depth. The table has the last epoch's "
                "numbers.",
                caption="Dark lines are shallow networks, light lines deep ones; bands reach from "
                "the lowest to the highest seed. A line on the dashed one has learnt nothing.",
            )
        )
    return figures


def maps(context: Context, found: Found) -> list[Figure]:
    """Draws the heat maps of the layers."""
    plan = context.plan
    figures = [_over_epochs(context, found)]
    if len(plan.depths) > 2:
        figures.append(_over_depths(context, found))
    figures.append(_all_quantities(context, found))
    return figures


def _over_epochs(context: Context, found: Found) -> Figure:
    plan = context.plan
    assert context.info is not None
    depth = max(plan.depths)
    rows = [
        Row(
            title(i),
            [_layers(found, i, a, depth, "gradient_norm") for a in plan.activations],
            "log",
            "norm of the gradient",
        )
        for i in plan.initializers
    ]
    file = "figures/depth-gradients.png"
    columns = [title(activation) for activation in plan.activations]
    heatmaps.draw(
        Path(context.folder) / file,
        f"Gradients of the layers over the epochs, depth {depth}",
        columns,
        rows,
        ("Epoch", "Layer"),
        context.info,
    )
    return Figure(
        file=file,
        alt=f"Heat maps of the gradient's norm by layer and epoch in networks of depth {depth}; "
        f"columns: {', '.join(columns)}; rows: first weights by "
        f"{', '.join(title(i) for i in plan.initializers)}.",
        caption="Layer 1 is next to the pixels, the top row is the output layer. All panels share "
        "one logarithmic scale; what is smaller than its lower end has the darkest colour.",
    )


def _over_depths(context: Context, found: Found) -> Figure:
    """Layers against depth: gradient, and the weights' growth, at the last epoch."""
    plan = context.plan
    assert context.info is not None
    first = plan.initializers[0]
    rows = [
        Row(
            words,
            [_by_depth(context, found, first, a, quantity) for a in plan.activations],
            scale,
            words,
        )
        for quantity, words, scale in SHOWN[:4]
    ]
    file = "figures/depth-by-depth.png"
    columns = [title(activation) for activation in plan.activations]
    heatmaps.draw(
        Path(context.folder) / file,
        f"Gradients and weights by layer and depth, last epoch, first weights: {title(first)}",
        columns,
        rows,
        ("Depth", "Layer"),
        context.info,
        x=sorted(plan.depths),
    )
    return Figure(
        file=file,
        alt=f"Heat maps of gradient and weights (norm and mean) by layer and depth of the network, "
        f"in the last epoch; columns: {', '.join(columns)}.",
        caption="Each column of a panel is one network, its output layer on top; grey: there is no "
        "such layer. Each row has a scale of its own.",
    )


def _all_quantities(context: Context, found: Found) -> Figure:
    plan = context.plan
    assert context.info is not None
    depth, first = max(plan.depths), plan.initializers[0]
    rows = [
        Row(
            words,
            [_layers(found, first, a, depth, quantity) for a in plan.activations],
            scale,
            words,
        )
        for quantity, words, scale in SHOWN
    ]
    file = "figures/depth-layers.png"
    columns = [title(activation) for activation in plan.activations]
    heatmaps.draw(
        Path(context.folder) / file,
        f"The layers over the epochs, depth {depth}, first weights: {title(first)}",
        columns,
        rows,
        ("Epoch", "Layer"),
        context.info,
    )
    return Figure(
        file=file,
        alt=f"Heat maps by layer and epoch in networks of depth {depth}, a row each for "
        f"{', '.join(words for _, words, _ in SHOWN)}; columns: {', '.join(columns)}.",
        caption="Each row has a scale of its own. Dead units give the same flat side of their "
        "activation for every image of an epoch (of leaky ReLU: its negative side); grey: the "
        "output layer has no activation. The mean of the output layer's gradient is 0 always: what "
        "the softmax gives to one class it takes from the others.",
    )


def _layers(found: Found, initializer: str, activation: str, depth: int, quantity: str) -> Floats:
    group = found.get(initializer, activation, depth)
    return np.full((depth, 1), np.nan) if group is None else group.layers(quantity)


def _by_depth(
    context: Context, found: Found, initializer: str, activation: str, quantity: str
) -> Floats:
    """Returns a quantity in the last epoch, (layers, depths), NaN where there is no such layer."""
    depths = sorted(context.plan.depths)
    values = np.full((max(depths), len(depths)), np.nan)
    for column, depth in enumerate(depths):
        group = found.get(initializer, activation, depth)
        if group is not None:
            values[:depth, column] = group.layers(quantity)[:, -1]
    return values
