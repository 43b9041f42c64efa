"""What all figures share: colours, sizes, fonts, the label of the data, saving."""

import contextlib
import functools
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import files
from kerasdl.record import DatasetInfo
from kerasdl.reporting import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150

# Okabe and Ito, "Color Universal Design" (2008): distinct with any colour vision. Their
# yellow is too pale for lines on white; grey takes its place.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#7F7F7F",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
ALARM = "#B00020"
MUTED = "#5A5A5A"

_STYLE: Any = {
    # The font that ships with matplotlib: the same pictures on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "lines.linewidth": 1.6,
}


def color(index: int) -> str:
    """Returns the colour of the model at this position of the record."""
    return PALETTE[index % len(PALETTE)]


def marker(index: int) -> str:
    """Returns the marker of the model at this position of the record."""
    return MARKERS[index % len(MARKERS)]


def dashes(index: int) -> str | tuple[int, tuple[float, ...]]:
    """Returns the line style: solid for the first eight models, then others."""
    return DASHES[index // len(PALETTE) % len(DASHES)]


@functools.cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont("DejaVu Sans", fallback_to_default=True)
    return frozenset(font_manager.get_font(path).get_charmap())


def drawable(name: str) -> bool:
    """Returns whether the font of the figures has every character of `name`."""
    return all(ord(character) in _glyphs() for character in name)


def safe(name: str) -> str:
    """Returns text that can be drawn: unknown characters as boxes, dollars without formulas."""
    kept = "".join(c if ord(c) in _glyphs() else "\u25a1" for c in text.plain(name))
    return kept.replace("$", r"\$")


def class_labels(names: Sequence[str], limit: int = 14) -> list[str]:
    """Returns a short and distinct label per class.

    A class is "#3" where the font lacks its name's script, or where its name
    cannot be told from another's at this length; the report's table of classes
    says which class has which number.

    Args:
        names: One name per class.
        limit: The most characters of a label.
    """
    full = [text.plain(name) for name in names]
    ends = [text.shorten(name, limit) for name in full]
    half = limit // 2
    middles = [
        name if len(name) <= limit else f"{name[: half - 1]}\u2026{name[half - limit :]}"
        for name in full
    ]
    labels = []
    for i, name in enumerate(full):
        label = next((one[i] for one in (ends, middles) if one.count(one[i]) == 1), None)
        labels.append(safe(label) if label and drawable(name) else f"#{i}")
    return labels


@contextlib.contextmanager
def drawing(
    path: Path, size: tuple[float, float], title: str, dataset: DatasetInfo | str
) -> Iterator["Figure"]:
    """Yields an empty figure and writes it to `path` afterwards.

    No pyplot: nothing global is left behind. The same content gives the same
    bytes (no date, no version in the file, no style of the user's).

    Args:
        path: The PNG to write, atomically.
        size: Width and height in inches, at 150 pixels each.
        title: What the figure shows; escape names with `safe`.
        dataset: The data; its label stands under every title, in red when synthetic. A
            text is the label itself, for what is no image set.

    Yields:
        The figure.
    """
    with styled(size, title, dataset) as figure:
        yield figure
        with files.atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})


@contextlib.contextmanager
def styled(size: tuple[float, float], title: str, dataset: DatasetInfo | str) -> Iterator["Figure"]:
    """Yields an empty figure for notebooks; the arguments are those of `drawing`."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=size, dpi=DPI)
        FigureCanvasAgg(figure)
        # Title and label have a strip of their own, so that no layout can cover them.
        strip = _heading(figure, title, dataset) / size[1]
        figure.set_layout_engine("constrained", rect=(0.005, 0.0, 0.99, 1.0 - strip))
        yield figure


def _heading(figure: "Figure", title: str, dataset: DatasetInfo | str) -> float:
    """Writes the title and the label of the data; returns the height they take in inches."""
    width, height = figure.get_size_inches()
    synthetic = not isinstance(dataset, str) and dataset.source == "synthetic"
    label = dataset if isinstance(dataset, str) else dataset.label
    lines = textwrap.wrap(title, max(20, int(width * 10.5)))
    below = textwrap.wrap(safe(label), max(28, int(width * (13 if synthetic else 15))))
    top = 0.08
    for line in lines:
        figure.text(0.08 / width, 1 - top / height, line, va="top", fontsize=11, fontweight="bold")
        top += 0.2
    for line in below:
        figure.text(
            0.08 / width,
            1 - top / height,
            line,
            va="top",
            fontsize=8,
            color=ALARM if synthetic else MUTED,
            fontweight="bold" if synthetic else "normal",
        )
        top += 0.15
    return top + 0.06


def percent_axis(axes: "Axes", low: float, high: float, *, axis: str = "y") -> None:
    """Sets the limits of an axis in percent around values low..high (0..100) and a little more."""
    margin = max(0.5, 0.06 * (high - low))
    limits = max(0.0, low - margin), min(100.0 + margin / 2, high + margin)
    (axes.set_ylim if axis == "y" else axes.set_xlim)(*limits)
