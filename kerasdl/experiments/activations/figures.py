"""The figures of the comparison of activations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasdl.experiments.activations.results import Results, chosen, histogram, start
from kerasdl.experiments.depth.results import title
from kerasdl.reporting.figures import dots, style
from kerasdl.reporting.figures.shrink import shrink
from kerasdl.sections import Figure
from kerasdl.studies.experiment import Context
from kerasdl.training.layer_statistics import EDGES


def curves(context: Context, results: Results) -> Figure:
    """Draws loss and accuracy over the epochs; training dashed, validation solid."""
    plan = context.plan
    assert context.info is not None
    first = plan.initializers[0]
    file = "figures/activations-curves.png"
    words = f"Loss and accuracy by activation, first weights: {start(first)}"
    with style.drawing(context.folder / file, (9.0, 4.2), words, context.info) as figure:
        panels = figure.subplots(1, 2)
        for axes, name, ylabel, factor in zip(
            panels, ("loss", "accuracy"), ("Loss, nats", "Accuracy, %"), (1.0, 100.0), strict=True
        ):
            for index, activation in enumerate(plan.activations):
                runs = chosen(results, activation, first)
                for key, dashed in ((name, True), (f"val_{name}", False)):
                    if key in runs[0]["history"]:
                        values = factor * np.array([run["history"][key] for run in runs], float)
                        _band(axes, values, index, dashed, title(activation))
            axes.set_title(ylabel)
            axes.set_xlabel("Epoch")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    shrink(context.folder / file)
    means = {
        title(a): 100 * np.mean([run["test_accuracy"] for run in chosen(results, a, first)])
        for a in plan.activations
    }
    last = ", ".join(f"{name} {mean:.1f} %" for name, mean in means.items())
    return Figure(
        file=file,
        alt=f"Loss and accuracy over {plan.epochs} epochs, a colour for each activation, training "
        f"dashed, validation solid. Test accuracies at the end: {last}.",
        caption="Dashed: training, an average over the epoch; solid: validation, after it. Bands "
        f"are one standard deviation over {plan.seeds} seeds.",
    )


def _band(axes: Any, values: Any, index: int, dashed: bool, label: str) -> None:
    epochs = np.arange(1, values.shape[1] + 1)
    line: dict[str, Any] = {"color": style.color(index), "ls": (0, (3, 1.5)) if dashed else "-"}
    if not dashed or len(epochs) < 3:
        line |= {"marker": style.marker(index), "ms": 3.5}
    mean = values.mean(axis=0)
    axes.plot(epochs, mean, label=None if dashed else label, **line)
    if len(values) > 1:
        deviation = values.std(axis=0, ddof=1)
        axes.fill_between(
            epochs, mean - deviation, mean + deviation, color=line["color"], alpha=0.15, lw=0
        )


def run_time(
    context: Context, ratios: Mapping[str, Mapping[str, Sequence[float]]], base: str
) -> Figure:
    """Draws the ratios of the run times, by clock and activation."""
    assert context.info is not None
    file = "figures/activations-time.png"
    names = list(ratios["wall"])
    panels = [
        dots.Panel(
            f"{clock.capitalize()} time / {title(base)}'s",
            {(title(name), "ratio"): list(found) for name, found in by_name.items()},
            level=1.0,
        )
        for clock, by_name in ratios.items()
    ]
    dots.draw(
        context.folder / file,
        "Training time by activation",
        [title(name) for name in names],
        ["ratio"],
        panels,
        context.info,
    )
    listed = ", ".join(
        f"{title(name)} {np.median(ratios['wall'][name]):.2f} (wall) and "
        f"{np.median(ratios['processor'][name]):.2f} (processor)"
        for name in names
    )
    return Figure(
        file=file,
        alt=f"Ratio of the training time to {title(base)}'s, median over the rounds: {listed}.",
        caption="Dots are medians over the rounds, lines from the lowest to the highest round.",
    )


def distributions(context: Context, results: Results) -> Figure:
    """Draws the distribution of the gradients' entries: columns activations, lines layers."""
    plan = context.plan
    assert context.info is not None
    first = plan.initializers[0]
    file = "figures/activations-gradients.png"
    edges = EDGES[len(EDGES) // 2 :].astype(np.float64)
    epochs = sorted({0, plan.epochs - 1})
    words = f"How large the gradients' entries are, first weights: {start(first)}"
    size = (1.2 + 2.1 * len(plan.activations), 1.3 + 1.7 * len(epochs))
    with style.drawing(Path(context.folder) / file, size, words, context.info) as figure:
        grid = figure.subplots(
            len(epochs), len(plan.activations), sharex=True, sharey=True, squeeze=False
        )
        shown = [np.inf, 0.0]
        for row, epoch in zip(grid, epochs, strict=True):
            for axes, activation in zip(row, plan.activations, strict=True):
                counts = histogram(chosen(results, activation, first), epoch)
                for layer, one in enumerate(counts):
                    # Four bins a decade: shares of a decade.
                    share = 400 * one[1:] / max(one.sum(), 1)
                    label = "output layer" if layer == len(plan.units) else f"layer {layer + 1}"
                    color = style.color(layer)
                    axes.stairs(share, edges, color=color, label=label, lw=1.2)
                    seen = np.flatnonzero(share > 0.5)
                    if len(seen):
                        shown = [min(shown[0], edges[seen[0]]), max(shown[1], edges[seen[-1] + 1])]
        for axes, activation in zip(grid[0], plan.activations, strict=True):
            axes.set_title(title(activation), fontsize=9)
        for axes, epoch in zip(grid[:, 0], epochs, strict=True):
            axes.set_ylabel(f"Epoch {epoch + 1}\n% of entries / decade", fontsize=8)
        for axes in grid[-1]:
            axes.set_xlabel("Size of an entry", fontsize=8)
        grid[0, 0].set_xscale("log")
        if shown[1]:
            grid[0, 0].set_xlim(*shown)
        grid[0, 0].set_ylim(bottom=0)
        for axes in grid.flat:
            axes.tick_params(labelsize=7.5)
            axes.minorticks_off()
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    shrink(context.folder / file)
    return Figure(
        file=file,
        alt="Distributions of the absolute values of the gradients' entries on a logarithmic axis, "
        "a column for each activation, a row each for the first and the last epoch, a line for "
        "each layer. The table has the medians.",
        caption="A curve further left is a layer with smaller gradients. Entries below 1e-12 (dead "
        "ReLUs, black pixels) are not drawn; the table counts them.",
    )
