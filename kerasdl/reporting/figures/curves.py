"""Learning curves: loss and accuracy by epoch, mean over the seeds."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerasdl.record import DatasetInfo
from kerasdl.reporting.figures import style
from kerasdl.reporting.tables import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
PANELS = (("loss", "Loss, nats"), ("accuracy", "Accuracy, %"))


def series(model: Model, key: str) -> tuple[Floats, Floats, Floats] | None:
    """Averages one key of the history over the seeds.

    Args:
        model: The model with its runs.
        key: E.g. "val_loss".

    Returns:
        Epochs (1, 2, …), mean and sample standard deviation (0 where fewer than
        two seeds came so far), float64 each; None where no run has the key.
    """
    histories = [run.history[key] for run in model.runs if run.history.get(key)]
    if not histories:
        return None
    length = max(map(len, histories))
    table = np.full((len(histories), length), math.nan)
    for row, values in zip(table, histories, strict=True):
        row[: len(values)] = values
    known = np.isfinite(table)
    count = known.sum(axis=0)
    mean = np.where(known, table, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, (table - mean) ** 2, 0.0).sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    shown = count > 0
    return np.arange(1.0, length + 1)[shown], mean[shown], deviation[shown]


def _draw(axes: "Axes", model: Model, key: str, **line: Any) -> Floats | None:
    found = series(model, key)
    if found is None:
        return None
    epochs, mean, deviation = found
    scale = 100.0 if key.endswith("accuracy") else 1.0
    mean, deviation = mean * scale, deviation * scale
    if len(epochs) <= 3:
        line["marker"] = style.marker(model.index)
    (drawn,) = axes.plot(epochs, mean, **line)
    if deviation.any():
        axes.fill_between(
            epochs,
            mean - deviation,
            mean + deviation,
            color=drawn.get_color(),
            alpha=0.15,
            linewidth=0,
        )
    return mean


def _finish(axes: "Axes", name: str, ylabel: str, drawn: Sequence[Floats]) -> None:
    from matplotlib.ticker import FormatStrFormatter, MaxNLocator

    axes.set_xlabel("Epoch")
    axes.set_title(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if not drawn:
        return
    values = np.concatenate(list(drawn))
    if name == "accuracy":
        style.percent_axis(axes, float(values.min()), float(values.max()))
    elif values.min() > 0 and values.max() / values.min() > 8:
        # Half the picture would be the first epoch otherwise.
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.minorticks_off()


def overview(path: Path, models: Sequence[Model], dataset: DatasetInfo) -> bool:
    """Draws all models together: on validation images, or on training where there are none.

    Args:
        path: The PNG to write.
        models: The models.
        dataset: The data, for the label.

    Returns:
        Whether there was something to draw.
    """
    validated = [model for model in models if series(model, "val_loss") is not None]
    shown = validated or [model for model in models if series(model, "loss") is not None]
    if not shown:
        return False
    prefix, part = ("val_", "validation") if validated else ("", "training")
    height = 3.9 + 0.22 * math.ceil(len(shown) / 4)
    with style.drawing(path, (9.0, height), f"Learning curves on {part} images", dataset) as figure:
        panels = figure.subplots(1, 2)
        for axes, (name, ylabel) in zip(panels, PANELS, strict=True):
            drawn = [
                _draw(
                    axes,
                    model,
                    prefix + name,
                    color=style.color(model.index),
                    linestyle=style.dashes(model.index),
                    label=style.safe(model.title),
                )
                for model in shown
            ]
            _finish(axes, name, ylabel, [mean for mean in drawn if mean is not None])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(shown)))
    return True


def single(path: Path, model: Model, dataset: DatasetInfo) -> bool:
    """Draws one model: training dashed, validation solid, bands of one standard deviation.

    Args:
        path: The PNG to write.
        model: The model.
        dataset: The data, for the label.

    Returns:
        Whether there was something to draw.
    """
    if series(model, "loss") is None:
        return False
    title = f"{style.safe(model.title)}: learning curves"
    with style.drawing(path, (9.0, 3.9), title, dataset) as figure:
        panels = figure.subplots(1, 2)
        for axes, (name, ylabel) in zip(panels, PANELS, strict=True):
            color = style.color(model.index)
            drawn = [
                _draw(axes, model, name, color=color, linestyle=(0, (3, 1.5)), label="training"),
                _draw(axes, model, f"val_{name}", color=color, label="validation"),
            ]
            _finish(axes, name, ylabel, [mean for mean in drawn if mean is not None])
            if any(mean is not None for mean in drawn):
                axes.legend()
    return True
