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
_INCHES = 1.3  # of an image's width
_GAP, _HEAD = 0.07, 0.42
HEAT = "inferno"
# What is not hot stays the image; what is hottest lets its shape through.
_OPAQUE = 0.8
# ITU-R BT.601, as everywhere here.
_LUMA = (0.2989, 0.5870, 0.1140)


Place = tuple[float, float, float, float]
"""Left, right, bottom and top."""


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
    blocks = [
        (right, ["Right", "For the answer"]),
        (wrong, ["Wrong", "For the answer", "For the truth"]),
    ]
    blocks = [block for block in blocks if block[0]]
    first = blocks[0][0][0].image
    height = min(2.0, first.shape[0] / first.shape[1])
    # In widths of an image: one axes for all, as thirty would take seconds to lay out.
    bottom = sum(_HEAD + len(names) * (height + _GAP) for _, names in blocks)
    right_edge = COLUMNS * (1 + _GAP)
    size = (_INCHES * (right_edge + 1.25), _INCHES * bottom + 0.75)
    with style.drawing(path, size, title, dataset) as figure:
        axes = figure.subplots()
        top = 0.0
        for shown, names in blocks:
            top += _HEAD
            _answers(axes, top, height, shown, labels, names)
            top += len(names) * (height + _GAP)
        axes.set_axis_off()
        axes.set_xlim(-0.3, right_edge)
        axes.set_ylim(bottom, 0)
        axes.set_aspect("equal")
        scale = figure.colorbar(_scale(), ax=axes, shrink=0.5, aspect=30, pad=0.01)
        scale.set_ticks([0, 1], labels=["nothing", "most"])
        scale.ax.tick_params(labelsize=8, length=0)
        scale.outline.set_visible(False)
        scale.set_label("What speaks for the class", fontsize=8, labelpad=-14)


def _answers(
    axes: "Axes",
    top: float,
    height: float,
    shown: Sequence[Example],
    labels: Sequence[str],
    names: Sequence[str],
) -> None:
    """Draws images side by side, the words above and the heat maps below them."""
    tops = [top + row * (height + _GAP) for row in range(len(names))]
    for y, name in zip(tops, names, strict=True):
        middle = y + height / 2
        axes.text(-0.08, middle, name, rotation=90, ha="right", va="center", fontsize=8.5)
    for column, example in enumerate(shown):
        left = column * (1 + _GAP)
        places = [(left, left + 1, y + height, y) for y in tops]
        _image(axes, places[0], picture(example.image))
        truth, answer = labels[example.true], labels[example.answered]
        said = truth if example.true == example.answered else f"{truth} \u2192 {answer}"
        if len(said) > 14:
            said = f"{truth}\n\u2192 {answer}"
        said = f"{said}\n{example.confidence * 100:.1f} %"
        axes.text(left + 0.5, top - 0.04, said, ha="center", va="bottom", fontsize=8)
        for place, heat in zip(places[1:], (example.heat, example.true_heat), strict=False):
            if heat is not None:
                _overlay(axes, place, example.image, heat)


def _image(axes: "Axes", place: Place, pixels: npt.NDArray[np.generic]) -> None:
    # Gray from 0 to 255, else matplotlib would stretch the contrast. No smoothing: these are
    # the pixels that the model saw.
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        extent=place,
        aspect="auto",
    )


def _overlay(
    axes: "Axes", place: Place, image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]
) -> None:
    """Draws the image in gray and the heat over it; where there is no heat, the image alone."""
    plain = picture(image).astype(np.float32)
    _image(axes, place, plain @ np.array(_LUMA, np.float32) if plain.ndim == 3 else plain)
    axes.imshow(
        heat,
        cmap=HEAT,
        vmin=0,
        vmax=1,
        alpha=_OPAQUE * heat,
        interpolation="bilinear",
        extent=place,
        aspect="auto",
    )
    if heat.max() == 0:
        axes.text(
            (place[0] + place[1]) / 2,
            (place[2] + place[3]) / 2,
            "nothing",
            color="white",
            fontsize=8,
            ha="center",
            va="center",
            bbox={"facecolor": "black", "edgecolor": "none", "pad": 2},
        )


def _scale() -> "ScalarMappable":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(0, 1), HEAT)
