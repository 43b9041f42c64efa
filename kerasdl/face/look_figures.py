"""The figures and the page of a look at a data set."""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerasdl.reporting.figures import style
from kerasdl.reporting.figures.gallery import picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasdl.face.look import Look

CLASSES, COLUMNS = 12, 8
"""The most classes of a figure, and pictures of each."""


def draw(look: "Look") -> "dict[str, Figure]":
    """Returns the figures of a look by their names."""
    found = {"counts": _counts(look)}
    samples = {name: images for name, images in look.samples(COLUMNS).items() if images}
    shown = dict(list(samples.items())[:CLASSES])
    more = len(samples) - len(shown)
    title = f"Samples{f' of {len(shown)} of {len(samples)} classes' if more else ''}"
    found["samples"] = _grid(look, title, shown)
    if look.dataset is not None:
        found["augmented"] = _augmented(look)
    return found


def page(look: "Look") -> str:
    """Returns a look as HTML with its figures inside."""
    parts = [f"<p><strong>{html.escape(look.title)}</strong></p>"]
    parts += [f"<ul>{''.join(f'<li>{html.escape(note)}</li>' for note in look.notes)}</ul>"]
    parts.append(look.counts.to_html(border=0, max_rows=60))
    parts.append(look.sizes.to_html(border=0, index=False, max_rows=20))
    if len(look.unreadable):
        parts.append(look.unreadable.to_html(border=0, index=False, max_rows=None))
    if len(look.duplicates):
        parts.append(look.duplicates.to_html(border=0, index=False, max_rows=20))
    for name, figure in look.figures.items():
        memory = io.BytesIO()
        figure.savefig(memory, format="png", dpi=100)
        content = base64.b64encode(memory.getvalue()).decode()
        parts.append(
            f'<p><img alt="{html.escape(name)}" style="max-width:100%" '
            f'src="data:image/png;base64,{content}"></p>'
        )
    return "".join(parts)


def _counts(look: "Look") -> "Figure":
    counts = look.counts
    labels = style.class_labels(look.class_names)
    height = 1.6 + 0.2 * len(counts)
    with style.styled((7.0, min(height, 40.0)), "Images of each class", look.title) as figure:
        axes = figure.subplots()
        left = [0] * len(counts)
        for number, part in enumerate(counts.columns):
            values = counts[part].tolist()
            axes.barh(labels, values, left=left, color=style.color(number), label=part)
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("images")
        if len(counts.columns) > 1:
            figure.legend(loc="outside lower center", ncols=len(counts.columns))
    return figure


def _grid(look: "Look", title: str, rows: Mapping[str, Sequence[Any]]) -> "Figure":
    """Returns pictures in rows, each with its name."""
    labels = style.class_labels(list(rows))
    lines = math.ceil(max(1, len(rows)))
    with style.styled((1.6 + 0.8 * COLUMNS, 0.7 + 0.85 * lines), title, look.title) as figure:
        grid = figure.subplots(lines, COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, (label, images) in enumerate(zip(labels, rows.values(), strict=True)):
            grid[line, 0].text(
                -0.1, 0.5, label, ha="right", va="center", transform=grid[line, 0].transAxes
            )
            for axes, image in zip(grid[line], images, strict=False):
                # Gray from 0 to 255, no smoothing: these are the pixels that a model sees.
                axes.imshow(picture(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    return figure


def _augmented(look: "Look") -> "Figure":
    """Returns one image of each class as the training sees it in several epochs."""
    import numpy as np

    from kerasdl.quiet import quiet_start
    from kerasdl.training.settings import AUGMENTATION

    with quiet_start():
        from kerasdl.training import augment

    assert look.dataset is not None
    train = look.dataset.train
    firsts = [int(np.argmax(train.labels == label)) for label in np.unique(train.labels)[:CLASSES]]
    images = train.images[firsts]
    rows: dict[str, list[Any]] = {
        look.class_names[int(train.labels[first])]: [image]
        for first, image in zip(firsts, images, strict=True)
    }
    for step in range(COLUMNS - 1):
        numbers = augment.random_numbers(len(images), 0, step, look.training)
        mirrored = np.full(len(images), step % 2 == 0)
        changed = np.asarray(augment.augment(images, numbers, mirrored, look.training))
        for row, image in zip(rows.values(), changed, strict=True):
            row.append(image)
    active = {name: getattr(look.training, name) for name in AUGMENTATION}
    words = ", ".join(name if value is True else f"{name} {value:g}" for name, value in
                      active.items() if value)  # fmt: skip
    return _grid(look, f"As they are, and augmented: {words or 'no augmentation'}", rows)
