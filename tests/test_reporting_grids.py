"""Heat maps, grids of curves and dots: drawn, readable, sound with missing and extreme numbers."""

import matplotlib
import numpy as np
import pytest
import reporting_fakes as fakes
from PIL import Image

from kerasdl.reporting.figures import dots, grids, heatmaps
from kerasdl.reporting.figures.heatmaps import Row
from kerasdl.reporting.figures.shrink import shrink

DATASET = fakes.make(models=("lenet5",), seeds=1, images=20)[0].dataset

DARKEST, LIGHTEST = (matplotlib.colormaps["cividis"](end, bytes=True)[:3] for end in (0.0, 1.0))
VERMILLION = 213, 94, 0


def count(shown, color):
    """Counts pixels of a colour, within rounding."""
    return int((np.abs(shown - np.array(color, int)).max(axis=-1) <= 5).sum())


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def draw(path, rows, **options):
    heatmaps.draw(path, "Maps", ["one", "two"], rows, ("Epoch", "Layer"), DATASET, **options)
    return pixels(path)


def test_heat_maps_show_values_and_where_there_are_none(tmp_path):
    panel = np.array([[1e-9, 1e-3], [1.0, np.nan]])
    shown = draw(tmp_path / "a.png", [Row("row", [panel, panel], "log", "norm")])
    colors = set(map(tuple, shown.reshape(-1, 3)))
    gray = int(heatmaps.NOTHING[1:3], 16)
    assert (gray, gray, gray) in colors
    # The ends of cividis: the smallest and the largest value have panels' worth of pixels.
    assert min(count(shown, DARKEST), count(shown, LIGHTEST)) > 2000
    other = draw(tmp_path / "b.png", [Row("row", [panel, panel * 0 + 1], "log", "norm")])
    assert not np.array_equal(shown, other)


@pytest.mark.parametrize("scale", ["log", "linear", "signed"])
@pytest.mark.parametrize(
    "panel",
    [
        np.zeros((3, 4)),
        np.full((1, 1), np.nan),
        np.full((2, 2), 1e-30),
        np.array([[1e-300, 1e300]]),
        -np.ones((12, 30)),
    ],
    ids=["zeros", "nothing", "small", "wide", "negative"],
)
def test_heat_maps_of_extremes(tmp_path, scale, panel):
    shown = draw(tmp_path / "a.png", [Row("row", [panel, panel], scale, "unit")])
    assert len(np.unique(shown)) > 5


def test_rows_with_one_unit_share_their_colours(tmp_path):
    small, large = np.full((2, 2), 1e-6), np.full((2, 2), 1.0)
    rows = [Row("a", [small] * 2, "log", "norm"), Row("b", [large] * 2, "log", "norm")]
    together = draw(tmp_path / "a.png", rows)
    apart = draw(tmp_path / "b.png", [rows[0], rows[1]._replace(unit="another")])
    assert min(count(together, DARKEST), count(together, LIGHTEST)) > 2000
    # Apart, each row has a single value, which is the end of its own scale.
    assert count(apart, LIGHTEST) > 1.5 * count(together, LIGHTEST)


@pytest.mark.parametrize("epochs", [1, 12])
def test_curves_of_several_seeds(tmp_path, epochs):
    values = np.linspace(2.3, 1.0, 3 * epochs).reshape(3, epochs)
    lines = {
        (row, column): {1: values, 10: values + 0.1} for row in range(2) for column in range(2)
    }
    # A network that was not trained leaves its panel without that line.
    lines[1, 1] = {10: values}
    grids.draw(
        tmp_path / "a.png",
        "Curves",
        (["first", "second"], ["$left$", "right"]),
        lines,
        DATASET,
        ylabel="Loss",
        legend="Depth",
        level=(2.3026, "knowing nothing"),
    )
    assert len(np.unique(pixels(tmp_path / "a.png"))) > 50


def test_shrunk_pictures_look_the_same(tmp_path):
    values = {("a", "x"): [1.0, 2.0, 3.0], ("b", "x"): [1e-8], ("a", "y"): [0.5]}
    for name in "ab":
        panel = dots.Panel("Linear", values)
        dots.draw(tmp_path / f"{name}.png", "Dots", ["a", "b"], ["x", "y"], [panel] * 3, DATASET)
    before, size = pixels(tmp_path / "a.png"), (tmp_path / "a.png").stat().st_size
    for name in "ab":
        shrink(tmp_path / f"{name}.png")
    after = pixels(tmp_path / "a.png")
    assert np.abs(after - before).max() <= 16
    assert (after[before.sum(axis=-1) == 3 * 255] == 255).all()
    assert (tmp_path / "a.png").stat().st_size < 0.6 * size
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert round(image.info["dpi"][0]) == 150


def test_dots_have_kinds_and_gaps(tmp_path):
    values = {("a", "x"): [1.0, 2.0, 3.0], ("b", "x"): [1e-8], ("a", "y"): [0.5]}
    panels = [dots.Panel("Linear", values, level=1.0), dots.Panel("Log", values, logarithmic=True)]
    dots.draw(tmp_path / "a.png", "Dots", ["a", "b"], ["x", "y"], panels, DATASET)
    both = pixels(tmp_path / "a.png")
    dots.draw(tmp_path / "b.png", "Dots", ["a", "b"], ["x"], panels, DATASET)
    one = pixels(tmp_path / "b.png")
    assert count(both, VERMILLION) > 50
    assert count(one, VERMILLION) == 0
