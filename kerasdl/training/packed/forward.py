"""What a pack computes: all its models' logits from one batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasdl.training.packed.chains import INPUT
from kerasdl.training.packed.parts import Layout, Part
from kerasdl.training.packed.weights import Stack

DROPOUT = 0x64726F70
"""Keeps the random numbers of dropout apart from every other use of a seed."""

Values = dict[Stack, Any]
Watch = Callable[[Part, Any], None]


class Forward:
    """One pass of a pack over one batch.

    Values of several models are (models, batch, units), those of one (batch, units).

    Args:
        layout: The pack.
        x: The shared input (batch, features).
        values: The weights, by stack.
        counter: int64 scalar, the step's number in the run; None to infer instead of to train.
        seeds: int64 (models,), the seeds of the models' dropout; None to infer.
        watch: Called with each part and its output before dropout.
    """

    def __init__(
        self,
        layout: Layout,
        x: Any,
        values: Values,
        counter: Any = None,
        seeds: Any = None,
        watch: Watch | None = None,
    ) -> None:
        self._layout, self._x, self._values = layout, x, values
        self._counter, self._seeds, self._watch = counter, seeds, watch
        self._wide: dict[Part, Any] = {}

    def logits(self) -> Any:
        """Returns the logits (models, batch, classes), models in the order of the layout."""
        import tensorflow as tf

        self._multiply_wide()
        inputs: list[list[list[Any]]] = [[] for _ in self._layout.heads]
        for number in range(len(self._layout.bundles)):
            self._run_body(number, inputs)
        logits = []
        for part, pieces in zip(self._layout.heads, inputs, strict=True):
            joined = [_join(each) for each in zip(*pieces, strict=True)]
            out = self._run(part, joined)
            logits.append(out if part.count > 1 else tf.expand_dims(out, 0))
        return tf.concat(logits, axis=0) if len(logits) > 1 else logits[0]

    def _multiply_wide(self) -> None:
        """Computes what each Dense layer on the shared input gives, before its activation."""
        import tensorflow as tf

        for parts in self._layout.wide:
            dtype = parts[0].node.layer.compute_dtype
            stacks = parts[0].stacks.items()
            weights = {role: tf.cast(self._values[stack], dtype) for role, stack in stacks}
            z = tf.matmul(tf.cast(self._x, dtype), weights["kernel"])
            if "bias" in weights:
                z = tf.nn.bias_add(z, weights["bias"])
            widths = [part.count * part.node.layer.units for part in parts]
            pieces = tf.split(z, widths, axis=1) if len(parts) > 1 else [z]
            for part, piece in zip(parts, pieces, strict=True):
                if part.count > 1:
                    piece = tf.reshape(piece, [-1, part.count, part.node.layer.units])
                    piece = tf.transpose(piece, [1, 0, 2])
                self._wide[part] = piece

    def _run_body(self, number: int, inputs: list[list[list[Any]]]) -> None:
        """Runs a bundle; adds what its members' heads take to `inputs`, by head."""
        body, ends = self._layout.bodies[number], self._layout.ends[number]
        found: dict[int, Any] = {}
        count = len(self._layout.bundles[number].members)
        for level in range(len(body) + 1):
            ending = ends.get(level, [])
            going = count - sum(end.last - end.first for end in ending)
            sizes = [end.last - end.first for end in ending]
            kept, ended = _divide(found, [going, *sizes], count)
            for end, values in zip(ending, ended, strict=True):
                head = self._layout.heads[end.head]
                size = end.last - end.first
                # Each member's head has its own places: they are where the bodies end.
                node = self._layout.bundles[number].members[end.first].head
                places = () if head.wide else node.inputs
                inputs[end.head].append(
                    [(self._shared(size) if p == INPUT else values[p], size) for p in places]
                )
            found, count = kept, going
            if going:
                arguments = [
                    self._shared(going) if place == INPUT else found[place]
                    for place in body[level].node.inputs
                ]
                found[level] = self._run(body[level], arguments)

    def _run(self, part: Part, inputs: Sequence[Any]) -> Any:
        """Returns the output of a part."""
        import tensorflow as tf

        node = part.node
        if node.kind == "dense":
            out = self._wide[part] if part.wide else self._dense(part, inputs[0])
        elif node.kind == "norm":
            out = self._norm(part, inputs[0])
        elif node.kind == "add":
            out = inputs[0] + inputs[1]
        else:
            out = tf.cast(inputs[0], node.layer.compute_dtype)
        if node.activation is not None:
            out = node.activation(out)
        if self._watch is not None:
            self._watch(part, out)
        return self._dropped(part, out)

    def _shared(self, count: int) -> Any:
        """Returns the shared input for `count` models."""
        import tensorflow as tf

        return self._x if count == 1 else tf.tile(self._x[None], [count, 1, 1])

    def _weights(self, part: Part, role: str, dtype: Any) -> Any:
        import tensorflow as tf

        stack = part.stacks.get(role)
        return None if stack is None else tf.cast(self._values[stack], dtype)

    def _dense(self, part: Part, x: Any) -> Any:
        import tensorflow as tf

        dtype = part.node.layer.compute_dtype
        z = tf.matmul(tf.cast(x, dtype), self._weights(part, "kernel", dtype))
        bias = self._weights(part, "bias", dtype)
        if bias is None:
            return z
        return z + bias if part.count > 1 else tf.nn.bias_add(z, bias)

    def _norm(self, part: Part, x: Any) -> Any:
        """Normalises as Keras's BatchNormalization does, and keeps its moving statistics."""
        import tensorflow as tf

        layer = part.node.layer
        dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
        x = tf.cast(x, dtype)
        kept = [part.stacks[role] for role in ("moving_mean", "moving_variance")]
        if self._counter is None:
            moments = [tf.cast(self._values[stack], dtype) for stack in kept]
        else:
            moments = list(tf.nn.moments(x, axes=[-2], keepdims=part.count > 1))
            for stack, value in zip(kept, moments, strict=True):
                new = self._values[stack] * layer.momentum + value * (1.0 - layer.momentum)
                stack.variable.assign(new)
        offset, factor = (self._weights(part, role, dtype) for role in ("beta", "gamma"))
        out = tf.nn.batch_normalization(x, *moments, offset, factor, layer.epsilon)
        return tf.cast(out, layer.compute_dtype)

    def _dropped(self, part: Part, x: Any) -> Any:
        """Sets the outputs to 0 that each model's own stream of random numbers says."""
        import tensorflow as tf

        if self._counter is None or not part.node.dropout:
            return x
        shape, counter = tf.shape(x)[-2:], self._counter
        draws = [
            tf.random.stateless_uniform(
                shape,
                seed=tf.stack([_stream(self._seeds[self._layout.number(member)], place), counter]),
            )
            for member, place in zip(part.members, part.places, strict=True)
        ]
        rates = np.array([node.dropout for node in part.nodes])
        if part.count > 1:
            keep = tf.stack(draws) >= rates.reshape(-1, 1, 1).astype(np.float32)
            factors = tf.constant((1.0 / (1.0 - rates)).reshape(-1, 1, 1), x.dtype)
        else:
            keep = draws[0] >= rates[0].astype(np.float32)
            factors = tf.constant(1.0 / (1.0 - rates[0]), x.dtype)
        return x * (tf.cast(keep, x.dtype) * factors)


def _stream(seed: Any, place: int) -> Any:
    """Returns the stream of a model's node, int64: seeds and nodes do not meet."""
    return (seed * 1_000_003 + place) ^ DROPOUT


def _divide(
    found: dict[int, Any], sizes: list[int], count: int
) -> tuple[dict[int, Any], list[dict[int, Any]]]:
    """Divides the values of `count` models into those of groups of models that follow.

    Args:
        found: Values by place.
        sizes: How many models each group has; the first may have none.
        count: Their sum.

    Returns:
        The values of the first group, and those of each other.
    """
    import tensorflow as tf

    if len(sizes) == 1:
        return found, []
    pieces: list[dict[int, Any]] = [{} for _ in sizes]
    filled = [number for number, size in enumerate(sizes) if size]
    for place, value in found.items():
        whole = len(filled) == 1
        parts = [value] if whole else tf.split(value, [sizes[number] for number in filled], axis=0)
        for number, part in zip(filled, parts, strict=True):
            pieces[number][place] = tf.squeeze(part, 0) if sizes[number] == 1 < count else part
    return pieces[0], pieces[1:]


def _join(pieces: Sequence[tuple[Any, int]]) -> Any:
    """Joins values of groups of models, each with the number of its models."""
    import tensorflow as tf

    if len(pieces) == 1:
        return pieces[0][0]
    # Not value[None], whose gradient would be copied into zeros.
    parts = [value if size > 1 else tf.expand_dims(value, 0) for value, size in pieces]
    return tf.concat(parts, axis=0)
