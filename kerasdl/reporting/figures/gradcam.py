"""Where a network looks: images with Grad-CAM's heat maps over them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style
from kerasdl.reporting.figures.gallery import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

COLUMNS = 6
HEAT = "inferno"
# What is not hot stays the image; what is hottest lets its shape through.
_OPAQUE = 0.8
# ITU-R BT.601, as everywhere here.
_LUMA = (0.2989, 0.5870, 0.1140)


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One answer, and what in the image speaks for it.

    Args:
        image: uint8 array (h, w, c).
        true: The label.
        answered: The class the model gives.
        confidence: The probability it gives to its answer, 0..1.
        heat: float32 array (h, w), 0..1: what speaks for the answer.
        true_heat: The same for the label; None where that is the answer.
    """

    image: npt.NDArray[np.uint8]
    true: int
    answered: int
    confidence: float
    heat: npt.NDArray[np.float32]
    true_heat: npt.NDArray[np.float32] | None = None


def examples(
    path: Path,
    right: Sequence[Example],
    wrong: Sequence[Example],
    class_names: list[str],
    title: str,
    dataset: DatasetInfo,
) -> None:
    """Draws right answers with one heat map each, wrong ones with two.

    Args:
        path: The PNG to write.
        right: At most COLUMNS right answers.
        wrong: At most COLUMNS wrong ones; of both together at least one.
        class_names: One name per class.
        title: E.g. "LeNet-5: where it looks".
        dataset: The data, for the label.
    """
    labels = style.class_labels(class_names, limit=11)
    shown = [*right, *wrong]
    ratio = min(2.0, shown[0].image.shape[0] / shown[0].image.shape[1])
    rows = (2 if right else 0) + (3 if wrong else 0)
    size = (1.35 * COLUMNS + 1.3, 1.0 + rows * (1.2 * ratio + 0.12) + 0.42 * bool(right) + 0.42)
    with style.drawing(path, size, title, dataset) as figure:
        grid = figure.subplots(rows, COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        if right:
            _answers(grid[:2], right, labels, ["Right", "For the answer"])
        if wrong:
            names = ["Wrong", "For the answer", "For the truth"]
            _answers(grid[-3:], wrong, labels, names)
        scale = figure.colorbar(_scale(), ax=grid, shrink=0.5, aspect=30, pad=0.01)
        scale.set_ticks([0, 1], labels=["nothing", "most"])
        scale.ax.tick_params(labelsize=8, length=0)
        scale.outline.set_visible(False)
        scale.set_label("What speaks for the class", fontsize=8, labelpad=-14)


def _answers(
    rows: "npt.NDArray[np.object_]",
    shown: Sequence[Example],
    labels: Sequence[str],
    names: Sequence[str],
) -> None:
    for column, example in enumerate(shown):
        axes = rows[0][column]
        axes.imshow(picture(example.image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        truth, answer = labels[example.true], labels[example.answered]
        said = truth if example.true == example.answered else f"{truth} \u2192 {answer}"
        if len(said) > 14:
            said = f"{truth}\n\u2192 {answer}"
        axes.set_title(f"{said}\n{example.confidence * 100:.1f} %", fontsize=8, loc="center", pad=3)
        heats = [example.heat, example.true_heat][: len(rows) - 1]
        for below, heat in zip(rows[1:], heats, strict=True):
            if heat is not None:
                _overlay(below[column], example.image, heat)
    for line, name in zip(rows, names, strict=True):
        line[0].text(
            -0.08, 0.5, name, rotation=90, ha="right", va="center", fontsize=8.5,
            transform=line[0].transAxes,
        )  # fmt: skip


def _overlay(axes: "Axes", image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> None:
    """Draws the image in gray and the heat over it; where there is no heat, the image alone."""
    plain = picture(image).astype(np.float32)
    gray = plain @ np.array(_LUMA, np.float32) if plain.ndim == 3 else plain
    axes.imshow(gray, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=_OPAQUE * heat, interpolation="bilinear")
    if heat.max() == 0:
        axes.text(
            0.5, 0.5, "nothing", color="white", fontsize=8, ha="center", va="center",
            transform=axes.transAxes, bbox={"facecolor": "black", "edgecolor": "none", "pad": 2},
        )  # fmt: skip


def _scale() -> "ScalarMappable":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(0, 1), HEAT)
