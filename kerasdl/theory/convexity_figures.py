"""Figures of convexity: eigenvalues, midpoints, and losses of two parameters as maps."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style
from kerasdl.theory.convexity import ROUNDING, Convexity, fitted
from kerasdl.theory.linear_network import LinearNetwork, mean_loss
from kerasdl.theory.losses import CE, MSE, RAW_CE, Loss
from kerasdl.theory.tasks import Floats, Task, principal_components

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR = 1e-3
"""Below this size the axis of eigenvalues is linear."""


def eigenvalues(path: Path, found: Convexity, dataset: DatasetInfo | str) -> None:
    """Draws the smallest eigenvalue of the Hessian at every point, by loss and depth.

    Args:
        path: The PNG to write.
        found: The measurements of one task.
        dataset: The data, for the label.
    """
    losses = list(dict.fromkeys(case.loss for case in found.cases))
    depths = sorted({case.depth for case in found.cases})
    title = "Smallest eigenvalue of the Hessian at sampled points: below 0, no function is convex"
    with style.drawing(path, (11.0, 3.8), title, dataset) as figure:
        grid = figure.subplots(1, len(losses), squeeze=False, sharey=True)[0]
        for axes, loss in zip(grid, losses, strict=True):
            for index, depth in enumerate(depths):
                case = found.case(loss, depth)
                generator = np.random.default_rng(depth)
                x = index + generator.uniform(-0.3, 0.3, len(case.smallest))
                below = case.relative < -ROUNDING
                for chosen, color in ((~below, style.color(2)), (below, style.color(1))):
                    axes.plot(
                        x[chosen], case.smallest[chosen], ls="", marker=".", ms=3, color=color
                    )
                share = f"{case.negative * 100:.0f} %"
                axes.text(index, 1.01, share, transform=axes.get_xaxis_transform(), ha="center",
                          fontsize=8, color=style.MUTED)  # fmt: skip
            axes.axhline(0.0, color="#333333", lw=0.8)
            axes.set_yscale("symlog", linthresh=LINEAR)
            axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
            axes.set_xlabel("Layers")
            axes.set_title(f"{loss.title}\n", fontsize=8)
        grid[0].set_ylabel("Smallest eigenvalue")


def segments(path: Path, found: Convexity, task: Task, dataset: DatasetInfo | str) -> None:
    """Draws the loss on the straight way between two networks that compute the same.

    Args:
        path: The PNG to write.
        found: The measurements of the task.
        task: The task.
        dataset: The data, for the label.
    """
    depths = sorted({case.depth for case in found.cases if case.depth > 1})
    losses = [loss for loss in (MSE, CE, RAW_CE) if any(c.loss is loss for c in found.cases)]
    features = principal_components(task.train[0], found.features)[: found.examples]
    labels = task.train[1][: found.examples]
    title = "Between two networks that compute the same: above the chord, no function is convex"
    with style.drawing(path, (9.0, 3.5), title, dataset) as figure:
        grid = figure.subplots(1, len(losses), squeeze=False)[0]
        for axes, loss in zip(grid, losses, strict=True):
            for index, depth in enumerate(depths):
                network = LinearNetwork(found.features, depth, found.width)
                point = fitted(network, loss, features, labels)
                other = network.mirrored(point)
                way = np.linspace(0.0, 1.0, 201)
                values = [
                    mean_loss(network, loss, (1 - t) * point + t * other, features, labels)
                    for t in way
                ]
                axes.plot(
                    way,
                    values,
                    color=style.color(index),
                    ls=style.DASHES[index % len(style.DASHES)],
                    label=f"{depth} layers",
                )
                if index == 0:
                    axes.plot([0, 1], [values[0], values[-1]], color=style.MUTED, lw=1, marker="o")
                    axes.text(0.5, values[0], "chord", ha="center", va="bottom", fontsize=8)
            axes.set_title(loss.title, fontsize=9)
            axes.set_xlabel("From a network to its mirror image")
        grid[0].set_ylabel("Mean loss")
        grid[0].legend(fontsize=8)


def maps(path: Path) -> None:
    """Draws the losses of one example (x = 1, label 1) over two parameters.

    The upper row is one layer, f = w + b; the lower row two, f = w1 w2.

    Args:
        path: The PNG to write.
    """
    span = np.linspace(-2.0, 2.0, 161)
    first, second = np.meshgrid(span, span)
    outputs = {"One layer: f = w + b": (first + second, "w", "b"),
               "Two layers: f = w₁ w₂": (first * second, "w₁", "w₂")}  # fmt: skip
    label = "one example, feature 1, label 1; lines of equal loss; grey: not defined"
    title = "One layer is convex, two layers are a saddle, whatever the loss"
    with style.drawing(path, (9.0, 6.2), title, label) as figure:
        grid = figure.subplots(len(outputs), 3, squeeze=False)
        for (name, (f, x_name, y_name)), row in zip(outputs.items(), grid, strict=True):
            for axes, loss in zip(row, (MSE, CE, RAW_CE), strict=True):
                _map(axes, span, f, loss)
                axes.set_title(f"{name}\n{loss.title}", fontsize=8.5)
                axes.set_xlabel(x_name)
                axes.set_ylabel(y_name)


def _map(axes: "Axes", span: Floats, f: Floats, loss: Loss) -> None:
    values = loss.value(f, np.ones_like(f))
    known = values[np.isfinite(values)]
    levels = np.unique(np.quantile(known, np.linspace(0.0, 0.98, 14)))
    axes.set_facecolor("#D9D9D9")
    shown = np.ma.masked_invalid(values)
    axes.contourf(span, span, shown, levels=[*levels, known.max() + 1e-9], cmap="Blues")
    lines = axes.contour(span, span, shown, levels=levels, colors="#333333", linewidths=0.5)
    lines.set_linestyle("solid")  # negative levels would be dashed
    axes.set_aspect("equal")
    axes.grid(visible=False)
