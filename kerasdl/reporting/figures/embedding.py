"""Features in a plane: principal components beside t-SNE."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerasdl.evaluation.embedding import NEIGHBOURS, Embedding
from kerasdl.record import DatasetInfo
from kerasdl.reporting import text
from kerasdl.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

COLOURED = 20  # so many classes have a colour and a marker; the rest is grey
# Ten classes are the most common number.
COLOURS = (*style.PALETTE, "#7B4B1E", "#8C6BD1")


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """The features of one model.

    Args:
        title: The model's.
        embedding: Its features in the plane.
        labels: Integer array (n,), the images' classes.
        right: Boolean array (n,), whether the model answers rightly; None where not known.
    """

    title: str
    embedding: Embedding
    labels: npt.NDArray[np.integer]
    right: npt.NDArray[np.bool_] | None = None


def planes(
    path: Path, panels: Sequence[Panel], class_names: list[str], title: str, dataset: DatasetInfo
) -> None:
    """Draws a row for each model: left its principal components, right t-SNE.

    Args:
        path: The PNG to write.
        panels: The models, at least one.
        class_names: One name per class.
        title: E.g. "Features of the test images".
        dataset: The data, for the label.
    """
    names = style.class_labels(class_names, limit=16)
    present = np.bincount(np.concatenate([panel.labels for panel in panels]), minlength=len(names))
    coloured = sorted(np.argsort(-present, kind="stable")[:COLOURED].tolist())
    coloured = [one for one in coloured if present[one]]
    columns = min(len(coloured) + 1, max(3, int(100 / (max(map(len, names)) + 6))))
    legend = 0.25 * -(-(len(coloured) + 2) // columns) + 0.2
    size = (9.2, 0.6 + 4.1 * len(panels) + legend)
    with style.drawing(path, size, title, dataset) as figure:
        grid = figure.subplots(len(panels), 2, squeeze=False)
        for row, panel in zip(grid, panels, strict=True):
            one = panel.embedding
            share = 100 * sum(one.variance)
            for axes, points, kind, agreement in (
                (row[0], one.components, "principal components", one.agreement[1]),
                (row[1], one.neighbours, "t-SNE", one.agreement[2]),
            ):
                _points(axes, points, panel, coloured, names)
                heading = f"{style.safe(text.shorten(panel.title, 36))}, {kind}"
                axes.set_title(f"{heading}\n{_words(agreement)}", fontsize=9)
            row[0].set_xlabel(f"These two have {share:.0f} % of the variance", fontsize=8)
            row[1].set_xlabel("Distances between groups mean nothing", fontsize=8)
        found: dict[str, Artist] = {}
        for axes in grid.flat:
            handles, marks = axes.get_legend_handles_labels()
            found.update(zip(marks, handles, strict=True))
        figure.legend(
            list(found.values()),
            list(found),
            loc="outside lower center",
            ncols=columns,
            fontsize=8,
            markerscale=1.6,
            handletextpad=0.2,
            columnspacing=1.0,
        )


def _words(agreement: float) -> str:
    return f"{100 * agreement:.0f} % of the {NEIGHBOURS} nearest are of one's class"


def _points(
    axes: "Axes",
    points: npt.NDArray[np.float64],
    panel: Panel,
    coloured: Sequence[int],
    names: Sequence[str],
) -> None:
    size = 14.0 if len(points) <= 600 else 8.0
    others = ~np.isin(panel.labels, coloured)
    if others.any():
        axes.scatter(
            points[others, 0],
            points[others, 1],
            s=size,
            color="#C8C8C8",
            linewidths=0,
            label="other classes",
        )
    for place, one in enumerate(coloured):
        chosen = panel.labels == one
        axes.scatter(
            points[chosen, 0],
            points[chosen, 1],
            s=size,
            color=COLOURS[place % len(COLOURS)],
            marker=style.marker(place // len(COLOURS)),
            linewidths=0,
            alpha=0.85,
            label=names[one],
        )
    if panel.right is not None and not panel.right.all():
        wrong = points[~panel.right]
        axes.scatter(
            wrong[:, 0],
            wrong[:, 1],
            s=3.2 * size,
            facecolors="none",
            edgecolors="black",
            linewidths=0.5,
            alpha=0.6,
            label="answered wrongly",
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.margins(0.03)
