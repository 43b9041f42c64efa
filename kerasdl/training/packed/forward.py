"""What a pack computes: all its models' logits from one batch."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasdl.training.packed.chains import INPUT, Node, penalty
from kerasdl.training.packed.plan import Bundle, Member, meets_input
from kerasdl.training.packed.weights import Owner, Stack

DROPOUT = 0x64726F70
"""Keeps the random numbers of dropout apart from every other use of a seed."""

Values = dict[Stack, Any]
Watch = Callable[["Part", Any], None]


class Part:
    """A node of several models: one operation.

    Args:
        node: The first one's node.
        nodes: The nodes of all, equal but for strengths.
        members: The models.
        place: The node's place in the chains.
    """

    def __init__(self, nodes: list[Node], members: list[Member], place: int) -> None:
        self.node, self.nodes, self.members, self.place = nodes[0], nodes, members, place
        self.wide = meets_input(self.node)
        self.stacks: dict[str, Stack] = {}

    @property
    def count(self) -> int:
        """The number of models."""
        return len(self.members)


class Forward:
    """The weights of a pack, and its models' logits as a function of a batch.

    Args:
        bundles: The pack's models.
    """

    def __init__(self, bundles: list[Bundle]) -> None:
        self.bundles = bundles
        self.members = [member for bundle in bundles for member in bundle.members]
        self._place = {member.index: place for place, member in enumerate(self.members)}
        first = self.members[0].rule
        self._scale = {m.index: m.rule.scale / first.scale for m in self.members}
        self.parts: list[tuple[list[Part], dict[tuple[int, int, int], Part]]] = []
        for bundle in bundles:
            deepest = bundle.members[0]
            body = [
                _part(bundle.members[: bundle.count(place)], place)
                for place in range(len(deepest.body))
            ]
            heads = {
                head: _part(bundle.members[head[1] : head[2]], head[0]) for head in bundle.heads
            }
            self.parts.append((body, heads))
        self._wide = self._make_stacks()

    def all_parts(self) -> list[Part]:
        """Returns every part, in the order of the bundles."""
        return [part for body, heads in self.parts for part in (*body, *heads.values())]

    def stacks(self) -> list[Stack]:
        """Returns every stack of weights, each once."""
        return list(dict.fromkeys(s for part in self.all_parts() for s in part.stacks.values()))

    def _make_stacks(self) -> dict[Any, list[Part]]:
        """Makes the variables; returns the parts of each product with the shared input."""
        wide: dict[Any, list[Part]] = {}
        for part in self.all_parts():
            if part.wide:
                # Kernels with and without penalties apart: these cost a pass over the weights.
                penalties = [bool(sum(penalty(v))) for v in part.node.weights.values()]
                key = (*part.node.weights, *penalties)
                wide.setdefault(key, []).append(part)
                continue
            for role in part.node.weights:
                part.stacks[role] = Stack(self._owners(part, role), wide=False)
        for parts in wide.values():
            for role in parts[0].node.weights:
                owners = [owner for part in parts for owner in self._owners(part, role)]
                stack = Stack(owners, wide=True)
                for part in parts:
                    part.stacks[role] = stack
        return wide

    def _owners(self, part: Part, role: str) -> list[Owner]:
        return [
            Owner(
                self._place[member.index],
                part.place,
                node.weights[role],
                role,
                member.rule.decay_of(node.weights[role]),
                self._scale[member.index],
            )
            for member, node in zip(part.members, part.nodes, strict=True)
        ]

    def __call__(
        self, x: Any, values: Values, counter: Any = None, watch: Watch | None = None
    ) -> Any:
        """Returns the logits.

        Args:
            x: The shared input (batch, features).
            values: The weights, by stack.
            counter: int64 scalar, the step's number in the run; None to infer instead of to train.
            watch: Called with each part and its output.

        Returns:
            Tensor (models, batch, classes), the models in the order of `self.members`.
        """
        import tensorflow as tf

        wide = self._wide_products(x, values)
        logits = []
        for bundle, (body, heads) in zip(self.bundles, self.parts, strict=True):
            run = _Run(x, wide, values, counter, watch)
            found: dict[int, Any] = {}
            left = bundle.members
            for level in range(len(body) + 1):
                ending = [head for head in bundle.heads if head[0] == level]
                going = body[level].count if level < len(body) else 0
                parts = [(head, heads[head]) for head in ending]
                found, ended = _divide(found, going, parts, len(left))
                left = left[:going]
                for (_, part), inputs in zip(parts, ended, strict=True):
                    out = run(part, inputs)
                    logits.append(out if part.count > 1 else out[None])
                if going:
                    found[level] = run(body[level], found)
            # The deepest end last, and are first among the members.
        return tf.concat(_in_order(logits, self.bundles), axis=0)

    def _wide_products(self, x: Any, values: Values) -> dict[Part, Any]:
        """Returns what each Dense layer on the shared input gives, before its activation."""
        import tensorflow as tf

        found = {}
        for parts in self._wide.values():
            dtype = parts[0].node.layer.compute_dtype
            weights = {role: tf.cast(values[s], dtype) for role, s in parts[0].stacks.items()}
            z = tf.matmul(tf.cast(x, dtype), weights["kernel"])
            if "bias" in weights:
                z = tf.nn.bias_add(z, weights["bias"])
            widths = [part.count * part.node.layer.units for part in parts]
            pieces = tf.split(z, widths, axis=1) if len(parts) > 1 else [z]
            for part, piece in zip(parts, pieces, strict=True):
                if part.count > 1:
                    piece = tf.reshape(piece, [-1, part.count, part.node.layer.units])
                    piece = tf.transpose(piece, [1, 0, 2])
                found[part] = piece
        return found


class _Run:
    """One bundle's operations on one batch."""

    def __init__(self, x: Any, wide: Any, values: Values, counter: Any, watch: Any) -> None:
        self.x, self.wide, self.values = x, wide, values
        self.counter, self.watch = counter, watch

    def __call__(self, part: Part, found: dict[int, Any]) -> Any:
        """Returns the output of a part: (models, batch, units), of one model (batch, units)."""
        import tensorflow as tf

        node = part.node
        inputs = [self.shared(part) if place == INPUT else found[place] for place in node.inputs]
        if node.kind == "dense":
            out = self.wide[part] if part.wide else self.dense(part, inputs[0])
        elif node.kind == "norm":
            out = self.norm(part, inputs[0])
        elif node.kind == "add":
            out = inputs[0] + inputs[1]
        else:
            out = tf.cast(inputs[0], node.layer.compute_dtype)
        if node.activation is not None:
            out = node.activation(out)
        if self.watch is not None:
            self.watch(part, out)
        return self.dropped(part, out)

    def shared(self, part: Part) -> Any:
        import tensorflow as tf

        if part.wide or part.count == 1:
            return self.x
        return tf.tile(self.x[None], [part.count, 1, 1])

    def weights(self, part: Part, role: str, dtype: Any) -> Any:
        import tensorflow as tf

        stack = part.stacks.get(role)
        return None if stack is None else tf.cast(self.values[stack], dtype)

    def dense(self, part: Part, x: Any) -> Any:
        import tensorflow as tf

        dtype = part.node.layer.compute_dtype
        z = tf.matmul(tf.cast(x, dtype), self.weights(part, "kernel", dtype))
        bias = self.weights(part, "bias", dtype)
        if bias is None:
            return z
        return z + bias if part.count > 1 else tf.nn.bias_add(z, bias)

    def norm(self, part: Part, x: Any) -> Any:
        """Normalises as Keras's BatchNormalization does, and keeps its moving statistics."""
        import tensorflow as tf

        layer = part.node.layer
        dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
        x = tf.cast(x, dtype)
        kept = [part.stacks[role] for role in ("moving_mean", "moving_variance")]
        if self.counter is None:
            moments = [tf.cast(self.values[stack], dtype) for stack in kept]
        else:
            moments = list(tf.nn.moments(x, axes=[-2], keepdims=part.count > 1))
            for stack, value in zip(kept, moments, strict=True):
                new = self.values[stack] * layer.momentum + value * (1.0 - layer.momentum)
                stack.variable.assign(new)
        offset, factor = (self.weights(part, role, dtype) for role in ("beta", "gamma"))
        out = tf.nn.batch_normalization(x, *moments, offset, factor, layer.epsilon)
        return tf.cast(out, layer.compute_dtype)

    def dropped(self, part: Part, x: Any) -> Any:
        """Sets the outputs to 0 that each model's own stream of random numbers says."""
        import tensorflow as tf

        if self.counter is None or not part.node.dropout:
            return x
        shape = tf.shape(x)[-2:]
        draws = [
            tf.random.stateless_uniform(
                shape, seed=tf.stack([_stream(member.seed, part.place), self.counter])
            )
            for member in part.members
        ]
        rates = np.array([node.dropout for node in part.nodes])
        if part.count > 1:
            keep = tf.stack(draws) >= rates.reshape(-1, 1, 1).astype(np.float32)
            factors = tf.constant((1.0 / (1.0 - rates)).reshape(-1, 1, 1), x.dtype)
        else:
            keep = draws[0] >= rates[0].astype(np.float32)
            factors = tf.constant(1.0 / (1.0 - rates[0]), x.dtype)
        return x * (tf.cast(keep, x.dtype) * factors)


def _part(members: Any, place: int) -> Part:
    return Part([member.chain.nodes[place] for member in members], list(members), place)


def _stream(seed: int, place: int) -> int:
    """Returns the stream of a model's node: seeds and nodes do not meet."""
    return (seed * 1_000_003 + place) ^ DROPOUT


def _divide(
    found: dict[int, Any], going: int, ending: list[tuple[Any, Part]], count: int
) -> tuple[dict[int, Any], list[dict[int, Any]]]:
    """Divides the values of `count` models into those of the models that go on and that end."""
    import tensorflow as tf

    if not ending:
        return found, []
    sizes = ([going] if going else []) + [part.count for _, part in ending]
    pieces: list[dict[int, Any]] = [{} for _ in sizes]
    for place, value in found.items():
        parts = tf.split(value, sizes, axis=0) if len(sizes) > 1 else [value]
        for piece, size, part in zip(pieces, sizes, parts, strict=True):
            piece[place] = tf.squeeze(part, 0) if size == 1 and count > 1 else part
    return (pieces[0], pieces[1:]) if going else ({}, pieces)


def _in_order(logits: list[Any], bundles: list[Bundle]) -> list[Any]:
    """Puts logits that came shallowest first into the order of the members."""
    ordered, taken = [], iter(logits)
    for bundle in bundles:
        came = sorted(bundle.heads)  # by level, then by place: the order of computation
        of_head = dict(zip(came, (next(taken) for _ in came), strict=True))
        ordered += [of_head[head] for head in bundle.heads]
    return ordered
