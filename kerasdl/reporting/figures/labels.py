"""Names beside points that cover neither each other nor the points."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasdl.reporting.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Box = tuple[float, float, float, float]

_DEGREES = (0, 180, 90, 270, 35, 325, 145, 215, 60, 300, 120, 240)
OFFSETS = [
    (radius * math.cos(math.radians(degree)), radius * math.sin(math.radians(degree)))
    for radius in (9, 14, 20, 28, 38, 50, 64, 80, 100, 125)
    for degree in _DEGREES
]
NEAR = 16  # points; a name farther away gets a line to its point


def overlaps(one: Box, other: Box) -> bool:
    """Returns whether two boxes (left, bottom, right, top) have a common area."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def place_labels(
    figure: "Figure",
    axes: "Axes",
    points: Sequence[tuple[float, float, str]],
    obstacles: Sequence[tuple[float, float]] = (),
) -> list[Box]:
    """Writes each point's name beside it.

    Greedy: the highest point first, each name at the first free place of a
    fixed list, near ones first. The limits of the axes must be final.

    Args:
        figure: The figure.
        axes: Its axes.
        points: Data coordinates and name of each point.
        obstacles: Other data coordinates that names must not cover.

    Returns:
        The boxes of the names in pixels, in the order they were placed.
    """
    from matplotlib.text import Text

    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    # Names may leave the axes to the right, where the figure has a margin, never elsewhere.
    frame = axes.get_window_extent(renderer)
    limits = (frame.x0, frame.y0, figure.bbox.width - 4, frame.y1 + 8)
    pixels = axes.transData.transform([(x, y) for x, y, _ in points])
    taken = [(x - 10, y - 10, x + 10, y + 10) for x, y in pixels]
    if obstacles:
        taken += [(x - 8, y - 8, x + 8, y + 8) for x, y in axes.transData.transform(obstacles)]
    placed: list[Box] = []
    for i in np.argsort(-pixels[:, 1], kind="stable"):
        x, y, name = points[i]
        for dx, dy in OFFSETS:
            note = axes.annotate(
                name,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                fontsize=8.5,
                ha="left" if dx > 1 else "right" if dx < -1 else "center",
                va="center" if abs(dx) > 1 else "bottom" if dy > 0 else "top",
                arrowprops=(
                    {"arrowstyle": "-", "lw": 0.6, "color": style.MUTED, "shrinkA": 0, "shrinkB": 4}
                    if math.hypot(dx, dy) > NEAR
                    else None
                ),
            )
            note.set_in_layout(False)
            note.update_positions(renderer)
            # Text's, not Annotation's: the line to the point is no part of the name.
            extent = Text.get_window_extent(note, renderer)
            found = (extent.x0 - 2, extent.y0 - 1, extent.x1 + 2, extent.y1 + 1)
            inside = limits[0] <= found[0] and found[2] <= limits[2]
            inside = inside and limits[1] <= found[1] and found[3] <= limits[3]
            if inside and not any(overlaps(found, box) for box in taken):
                break
            note.remove()
        else:
            continue  # dozens of points; the table has the names and numbers
        taken.append(found)
        placed.append(found)
    return placed
