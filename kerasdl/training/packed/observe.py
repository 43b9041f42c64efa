"""Statistics of each layer of a pack, out of the training step itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl.training.layer_statistics import (
    EDGES,
    QUANTITIES,
    bins_of,
    flat_sides,
    from_sums,
    table,
)
from kerasdl.training.packed.forward import Values
from kerasdl.training.packed.parts import Layout, Part
from kerasdl.training.packed.plan import Member
from kerasdl.training.packed.weights import Stack

DENSE = len(QUANTITIES) - 2
"""So many quantities come from kernels and gradients; dead and saturated units do not."""


class Watched(NamedTuple):
    """The outputs of an activation.

    Args:
        rows: The rows of the layers whose activation it is.
        sides: Its flat sides, low and high.
        low: float64 variable (models, units), the outputs of each unit that were on the low side
            in the epoch; None where there is no such side.
        high: The same for the high side.
    """

    rows: npt.NDArray[np.int32]
    sides: tuple[float, float]
    low: Any
    high: Any


class Observer:
    """Accumulates the statistics of an epoch.

    A row is a kernel of a model; rows go by stacks and, inside one, by its models.

    Args:
        layout: The pack.
        histograms: Whether room for histograms is needed.
    """

    def __init__(self, layout: Layout, *, histograms: bool) -> None:
        import tensorflow as tf

        self._kernels = [stack for stack in layout.stacks() if stack.role == "kernel"]
        owners = [owner for stack in self._kernels for owner in stack.owners]
        self.rows = [(owner.model, owner.place) for owner in owners]
        self._sizes = np.array([float(np.prod(owner.variable.shape)) for owner in owners])
        self._sums = tf.Variable(np.zeros((DENSE + 1, len(owners))), trainable=False)
        self._steps = tf.Variable(0, dtype="int64", trainable=False)
        self._images = tf.Variable(0, dtype="int64", trainable=False)
        bins = len(owners) * (len(EDGES) - 1) if histograms else 0
        self._counts = tf.Variable(np.zeros(bins, np.int64), trainable=False)
        places = {row: number for number, row in enumerate(self.rows)}
        self._watched: dict[Part, Watched] = {}
        for part in layout.parts():
            self._watch(part, layout, places)

    def _watch(self, part: Part, layout: Layout, rows: Mapping[tuple[int, int], int]) -> None:
        """Makes what follows the outputs of a part, if it is the activation of Dense layers."""
        import tensorflow as tf

        sides = flat_sides(part.node.layer) if part.node.activation is not None else None
        pairs = zip(part.members, part.places, strict=True)
        dense = [(member, dense_place(member, place)) for member, place in pairs]
        if sides is None or dense[0][1] is None:
            return
        of_models = [
            rows[layout.number(member), place] for member, place in dense if place is not None
        ]
        units = dense[0][0].chain.nodes[dense[0][1]].layer.units
        low, high = (
            tf.Variable(np.zeros((part.count, units)), trainable=False) if has else None
            for has in np.isfinite(sides)
        )
        self._watched[part] = Watched(np.array(of_models, np.int32), sides, low, high)

    def wants(self, part: Part) -> bool:
        """Whether `add` needs the output of this part."""
        return part in self._watched

    def add(
        self,
        before: Values,
        gradients: Mapping[Stack, Any],
        outputs: Mapping[Part, Any],
        counted: Any,
    ) -> None:
        """Adds a step, after its update.

        Args:
            before: The weights before the update, by stack.
            gradients: The gradients that the update used, by stack.
            outputs: What the watched parts gave.
            counted: bool scalar tensor: whether to count the gradients' entries.
        """
        import tensorflow as tf

        sums = []
        for stack in self._kernels:
            weights, gradient = before[stack], gradients[stack]
            of_stack = (
                stack.norms(gradient),
                stack.per_model(gradient),
                stack.per_model(tf.abs(gradient)),
                stack.norms(weights),
                stack.per_model(weights),
                stack.norms(stack.read() - weights),
            )
            sums.append(tf.stack(of_stack))
        joined = tf.unstack(tf.cast(tf.concat(sums, axis=1), "float64"))
        for place in (0, 3, 5):
            joined[place] = tf.square(joined[place])
        step = [*from_sums(joined, self._sizes), self._saturated(outputs)]
        self._sums.assign_add(tf.stack(step))
        self._steps.assign_add(1)
        if self._counts.shape[0]:
            self._counts.assign_add(
                tf.cond(counted, lambda: self._histograms(gradients), self._nothing)
            )

    def _saturated(self, outputs: Mapping[Part, Any]) -> Any:
        """Returns the shares of outputs on flat sides (rows,); adds them up by unit."""
        import tensorflow as tf

        if not outputs:
            return tf.zeros(len(self.rows), "float64")
        batch = tf.shape(next(iter(outputs.values())))[-2]
        self._images.assign_add(tf.cast(batch, "int64"))
        ones = tf.ones(tf.stack([1, batch]))
        totals, rows, units = [], [], []
        for part, watched in self._watched.items():
            out = tf.cast(outputs[part], "float32")
            total = 0.0
            for side, flat, counts in (
                (watched.sides[0], tf.less_equal, watched.low),
                (watched.sides[1], tf.greater_equal, watched.high),
            ):
                if counts is not None:
                    # A product with ones takes half the time of a sum over the images, and is
                    # exact: zeros and ones.
                    found = tf.matmul(ones, tf.cast(flat(out, side), "float32"))
                    found = tf.reshape(found, counts.shape)
                    counts.assign_add(tf.cast(found, "float64"))
                    total += tf.reduce_sum(found, axis=1)
            totals.append(total)
            rows.append(watched.rows)
            units += [float(out.shape[-1])] * part.count
        shares = tf.cast(tf.concat(totals, axis=0), "float64") / tf.cast(batch, "float64")
        return tf.math.unsorted_segment_sum(shares / units, np.concatenate(rows), len(self.rows))

    def _histograms(self, gradients: Mapping[Stack, Any]) -> Any:
        import tensorflow as tf

        bins = len(EDGES) - 1
        counts = []
        for stack in self._kernels:
            places = bins_of(gradients[stack])
            if stack.wide:
                owner = np.repeat(np.arange(len(stack.units)), stack.units)
            else:
                owner = np.arange(len(stack.owners)).reshape(-1, *[1] * (len(places.shape) - 1))
            index = tf.where(places < 0, -1, places + tf.constant(owner * bins, "int32"))
            index = tf.boolean_mask(index, index >= 0)
            size = len(stack.owners) * bins
            counts.append(tf.math.bincount(index, minlength=size, maxlength=size, dtype="int64"))
        return tf.concat(counts, axis=0)

    def _nothing(self) -> Any:
        import tensorflow as tf

        return tf.zeros_like(self._counts)

    def take(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Returns the epoch's quantities (quantities, rows), counts (rows, bins); starts anew."""
        means = table(self._sums.numpy(), int(self._steps))
        dead = np.full(len(self.rows), np.nan)
        saturated = np.full(len(self.rows), np.nan)
        images = int(self._images)
        for watched in self._watched.values():
            sides = [side.numpy() for side in (watched.low, watched.high) if side is not None]
            dead[watched.rows] = np.any([side == images for side in sides], axis=0).mean(axis=-1)
            saturated[watched.rows] = means[DENSE, watched.rows]
        counts = self._counts.numpy().reshape(len(self.rows), -1)
        self._start()
        return np.stack([*means[:DENSE], dead, saturated]), counts

    def _start(self) -> None:
        sides = [side for watched in self._watched.values() for side in (watched.low, watched.high)]
        for variable in (self._sums, self._steps, self._images, self._counts, *sides):
            if variable is not None:
                variable.assign(np.zeros(variable.shape, variable.dtype.as_numpy_dtype))


def dense_place(member: Member, place: int) -> int | None:
    """Returns the Dense node whose activation a node is: itself, or one before it.

    Only BatchNormalization and dropout may lie between, and nothing else may see the values.

    Args:
        member: The model.
        place: The place of a node with an activation.
    """
    nodes = member.chain.nodes
    while nodes[place].kind != "dense":
        inputs = nodes[place].inputs
        if len(inputs) != 1 or inputs[0] < 0 or sum(inputs[0] in n.inputs for n in nodes) != 1:
            return None
        (place,) = inputs
        if nodes[place].activation is not None:
            return None
    return place
