"""Which models are computed together, and which of their layers are one operation.

A pack is what shares one update: the same optimizer, schedule and number format. In a
pack, a bundle is models whose chains are equal but for their depth: the body of each (all
nodes but the last) is the beginning of the body of the first, so that layer k of all that
have one is one batched product. What meets the shared input is one product for the whole
pack, whatever the widths.
"""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from kerasdl.training.packed.chains import INPUT, Chain, Node, penalty
from kerasdl.training.packed.updates import Rule

PACK_BYTES = 8 << 20
"""Activations of one layer of a pack that a training step keeps in a processor's caches.

Beyond it, models are divided into several packs, one computed after the other: a stack whose
activations leave the cache waits for memory at every elementwise operation.
"""


@dataclasses.dataclass(frozen=True)
class Member:
    """A model in the plan.

    Args:
        index: Its place among all models.
        chain: What it computes.
        rule: Its optimizer.
        smoothing: Its label smoothing, in [0, 1).
    """

    index: int
    chain: Chain
    rule: Rule
    smoothing: float

    @property
    def body(self) -> tuple[Node, ...]:
        """All nodes but the last."""
        return self.chain.nodes[:-1]

    @property
    def head(self) -> Node:
        """The last node, which gives the logits."""
        return self.chain.nodes[-1]

    @property
    def form(self) -> Hashable:
        """All but the numbers in its variables: what a compiled step is made for."""
        penalties = [penalty(v) for node in self.chain.nodes for v in node.weights.values()]
        decays = [self.rule.decay_of(v) for node in self.chain.nodes for v in node.weights.values()]
        return (
            tuple((node.signature(), node.dropout, _dtype(node)) for node in self.chain.nodes),
            (self.rule.key, self.rule.scale, self.smoothing, self.chain.probabilities),
            (*penalties, *decays),
        )

    def widest(self) -> int:
        """The features of its widest layer."""
        return max(int(node.layer.units) for node in self.chain.nodes if node.kind == "dense")


class Bundle(NamedTuple):
    """Models computed in lockstep, deepest first.

    Args:
        members: The models; each body is the beginning of the first one's. Those with bodies of
            one length and equal heads follow one another.
    """

    members: tuple[Member, ...]

    def count(self, node: int) -> int:
        """How many of the members have the node `node` of the body."""
        return sum(len(member.body) > node for member in self.members)

    def segments(self) -> list[tuple[int, int]]:
        """Returns (first, last) of the members with bodies of one length and equal heads."""
        keys = [(len(m.body), m.head.signature(inputs=False)) for m in self.members]
        starts = [n for n in range(len(keys)) if n == 0 or keys[n] != keys[n - 1]]
        return list(zip(starts, [*starts[1:], len(keys)], strict=True))


def divide(members: Sequence[Member], batch_size: int) -> list[list[Bundle]]:
    """Divides models into packs, and each pack into bundles.

    Args:
        members: All models.
        batch_size: Images in a step, which decides how large activations are.

    Returns:
        A list of packs, each a list of its bundles.
    """
    families: dict[Hashable, list[Member]] = {}
    for member in members:
        layer = next(node.layer for node in member.chain.nodes if node.kind == "dense")
        key = member.rule.key, str(layer.variable_dtype), str(layer.compute_dtype)
        families.setdefault(key, []).append(member)
    return [
        [Bundle(tuple(bundle)) for bundle in part]
        for family in families.values()
        for part in _parts(_bundles(family), batch_size)
    ]


def _bundles(members: Sequence[Member]) -> list[list[Member]]:
    """Groups models whose bodies are beginnings of one another's."""
    bundles: list[list[Member]] = []
    firsts: list[tuple[Hashable, ...]] = []
    # Equal heads next to each other, deepest bodies first.
    order: dict[Hashable, int] = {}
    for member in members:
        order.setdefault(member.head.signature(inputs=False), len(order))
    for member in sorted(
        members, key=lambda m: (-len(m.body), order[m.head.signature(inputs=False)])
    ):
        body = tuple(node.signature() for node in member.body)
        for bundle, first in zip(bundles, firsts, strict=True):
            if first[: len(body)] == body:
                bundle.append(member)
                break
        else:
            bundles.append([member])
            firsts.append(body)
    return bundles


def _parts(bundles: list[list[Member]], batch_size: int) -> list[list[list[Member]]]:
    """Divides bundles into packs of at most PACK_BYTES of activations in a layer."""
    parts: list[list[list[Member]]] = []
    free = 0
    for bundle in bundles:
        for number, member in enumerate(bundle):
            size = 4 * batch_size * member.widest()
            if size > free or not parts:
                parts.append([])
                free = max(PACK_BYTES, size)
            if not parts[-1] or number == 0 or parts[-1][-1][-1] is not bundle[number - 1]:
                parts[-1].append([])
            parts[-1][-1].append(member)
            free -= size
    return parts


def meets_input(node: Node) -> bool:
    """Whether a node is a Dense layer on the shared input."""
    return node.kind == "dense" and node.inputs == (INPUT,)


def _dtype(node: Node) -> str:
    return "" if node.layer is None else str(node.layer.compute_dtype)
