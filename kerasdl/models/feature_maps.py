"""Where a network still knows where: its last feature maps, and where their cells lie.

A convolutional network ends with maps of cells that each look at a part of the image, before
pooling or flattening makes a vector of them. Here a model is cut at such maps into two halves,
also where they lie in a model inside the model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.models.cell_centres import PIXELS, Axis, interpolation
from kerasdl.models.graph_steps import Step, is_graph, side_of, steps_of

CELLS = 7
"""Maps with fewer cells a side than this tell too little of where: earlier ones are taken. It is
what networks end with that were made for ImageNet's 224 pixels, whose last maps are the usual
choice; the same networks at 32 to 64 pixels end with 1 or 2."""


@dataclass(frozen=True)
class FeatureMaps:
    """A model, cut at maps that everything it answers passes through.

    Args:
        layer: name of the layer that makes them, behind the name of the model it is in.
        lower: models that, one after the other, lead from the pixels to the maps.
        upper: models that lead on from there to the model's output.
        shape: (rows, columns, channels) of the maps.
        image: (height, width) of the images.
        centres: by axis (vertical, horizontal), where the centre of the first cell lies and how
            far it is to the next, in pixels; the centre of the first pixel is 0.
    """

    layer: str
    lower: tuple[keras.Model, ...]
    upper: tuple[keras.Model, ...]
    shape: tuple[int, int, int]
    image: tuple[int, int]
    centres: tuple[Axis, Axis]

    def spread(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Returns the matrices (height, rows) and (width, columns) that turn cells into pixels.

        A pixel between the centres of two cells takes its share of both (linear). An outermost
        cell reaches half the distance between cells beyond its centre and fades over the next
        whole one: what lies farther out, no cell looks at first of all.
        """
        vertical, horizontal = (
            interpolation(pixels, cells, centres)
            for pixels, cells, centres in zip(self.image, self.shape[:2], self.centres, strict=True)
        )
        return vertical, horizontal


@dataclass(frozen=True)
class _Place:
    """A step whose maps the model can be cut at: its models from the outside in, and the tensor."""

    names: tuple[str, ...]
    opened: tuple[tuple[Any, Step], ...]
    model: Any
    step: Step


def last_maps(model: keras.Model, cells: int = CELLS) -> FeatureMaps | None:
    """Cut a model at its last convolutional feature maps, after activation, before pooling.

    Before an activation, a map is as much what is absent as what is present; such maps are taken
    only of a model that has no others.

    Args:
        model: a functional or Sequential model of one image input (n, height, width, channels)
            and one output.
        cells: fewest rows and columns; where no maps have so many, the last of the finest ones
            are taken.

    Returns:
        The two halves, which share the model's layers; None for a model without convolution, or
        whose maps all have a single cell.

    Raises:
        ValueError: the model is of another kind.
    """
    if not is_graph(model) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "Expected a functional or Sequential model with one input and one output. "
            f"Received: {model.name!r} of type {type(model).__name__}."
        )
    if len(model.inputs[0].shape) != 4:
        return None
    places = [place for place in _places(model, PIXELS) if min(side_of(place.step)) > 1]
    if not places:
        return None
    places = [place for place in places if place.step.activated] or places
    finest = max(min(side_of(place.step)) for place in places)
    place = [one for one in places if min(side_of(one.step)) >= min(cells, finest)][-1]
    lower, upper = _halves(place)
    rows, columns, channels = place.step.output.shape[1:]
    height, width = model.inputs[0].shape[1:3]
    assert place.step.centres is not None  # known of every place
    return FeatureMaps(
        layer="/".join((*place.names, place.step.operation.name)),
        lower=lower,
        upper=upper,
        shape=(int(rows), int(columns), int(channels)),
        image=(int(height), int(width)),
        centres=place.step.centres,
    )


def _places(
    model: Any,
    centres: tuple[Axis, Axis],
    names: tuple[str, ...] = (),
    opened: tuple[tuple[Any, Step], ...] = (),
) -> Iterator[_Place]:
    """Yield the places where the model can be cut, in the order of computation."""
    known: dict[int, tuple[Axis, Axis] | None] = {}
    for step in steps_of(model, centres):
        known[id(step.output)] = step.centres
        inside = step.operation
        if step.cut and _opens(step):
            at = known[id(step.inputs[0])]
            if at is not None:
                path = (*names, inside.name)
                yield from _places(inside, at, path, (*opened, (model, step)))
        elif step.cut and step.convolved and step.centres and len(step.output.shape) == 4:
            yield _Place(names, opened, model, step)


def _opens(step: Step) -> bool:
    """Whether a step is a model inside the model, used at the size it was built for."""
    inside = step.operation
    return (
        is_graph(inside)
        and len(inside.inputs) == len(inside.outputs) == len(step.inputs) == 1
        and tuple(inside.inputs[0].shape[1:]) == tuple(step.inputs[0].shape[1:])
    )


def _halves(place: _Place) -> tuple[tuple[keras.Model, ...], tuple[keras.Model, ...]]:
    """Return the models below and above a place, in the order of computation."""
    lower = [_between(model.inputs[0], step.inputs[0]) for model, step in place.opened]
    upper = [_between(step.output, model.outputs[0]) for model, step in place.opened]
    lower.append(_between(place.model.inputs[0], place.step.output))
    upper.append(_between(place.step.output, place.model.outputs[0]))
    return tuple(filter(None, lower)), tuple(filter(None, reversed(upper)))


def _between(start: Any, end: Any) -> keras.Model | None:
    """Return the part of a model between two of its tensors; None where they are one."""
    return None if start is end else keras.Model(start, end)
