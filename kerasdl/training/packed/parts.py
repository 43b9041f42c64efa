"""The operations that a pack is made of, and the variables behind them."""

from collections.abc import Hashable
from typing import NamedTuple

from kerasdl.training.packed.chains import Node, penalty
from kerasdl.training.packed.plan import Bundle, Member, meets_input
from kerasdl.training.packed.weights import Owner, Stack


class Part:
    """A node of several models: one operation.

    Args:
        members: The models.
        places: The node's place in the chain of each.
    """

    def __init__(self, members: list[Member], places: list[int]) -> None:
        self.members, self.places = members, places
        self.nodes: list[Node] = [
            member.chain.nodes[place] for member, place in zip(members, places, strict=True)
        ]
        self.node = self.nodes[0]
        self.wide = meets_input(self.node)
        self.stacks: dict[str, Stack] = {}

    @property
    def count(self) -> int:
        """The number of models."""
        return len(self.members)


class End(NamedTuple):
    """Members of a bundle whose bodies end together, and whose heads are one operation.

    Args:
        first: The first of them in the bundle.
        last: One after the last.
        head: Which of the heads.
    """

    first: int
    last: int
    head: int


class Layout:
    """The parts of a pack.

    Equal heads are one part, whatever the bodies before them, and run last.

    Args:
        bundles: The pack's models.

    Attributes:
        bundles: The same.
        bodies: For each bundle the parts of its body, in order.
        ends: For each bundle, by the number of nodes in a body, the members that end there.
        heads: The last part of every model.
        members: All models in the order of the logits.
        wide: The parts of each product with the shared input.
    """

    def __init__(self, bundles: list[Bundle]) -> None:
        self.bundles = bundles
        self.bodies = [
            [
                Part(list(bundle.members[: bundle.count(place)]), [place] * bundle.count(place))
                for place in range(len(bundle.members[0].body))
            ]
            for bundle in bundles
        ]
        keys: dict[Hashable, int] = {}
        of_head: list[list[Member]] = []
        self.ends: list[dict[int, list[End]]] = []
        for bundle in bundles:
            ends: dict[int, list[End]] = {}
            # The shallowest end first.
            for first, last in reversed(bundle.segments()):
                members = bundle.members[first:last]
                head = keys.setdefault(members[0].head.signature(inputs=False), len(keys))
                if head == len(of_head):
                    of_head.append([])
                of_head[head].extend(members)
                # Those of one level in their own order again.
                ends.setdefault(len(members[0].body), []).insert(0, End(first, last, head))
            self.ends.append(ends)
        self.heads = [Part(list(m), [len(member.body) for member in m]) for m in of_head]
        self.members = [member for members in of_head for member in members]
        self._number = {member.index: number for number, member in enumerate(self.members)}
        first_rule = self.members[0].rule
        self._scale = {m.index: m.rule.scale / first_rule.scale for m in self.members}
        self.wide = self._make_stacks()

    def parts(self) -> list[Part]:
        """Returns every part."""
        return [*(part for body in self.bodies for part in body), *self.heads]

    def stacks(self) -> list[Stack]:
        """Returns every stack of weights, each once."""
        return list(dict.fromkeys(s for part in self.parts() for s in part.stacks.values()))

    def number(self, member: Member) -> int:
        """Returns the place of a model in `members`."""
        return self._number[member.index]

    def _make_stacks(self) -> list[list[Part]]:
        """Makes the variables; returns the parts of each product with the shared input."""
        wide: dict[Hashable, list[Part]] = {}
        for part in self.parts():
            if part.wide:
                # Kernels with and without penalties apart: these cost a pass over the weights.
                penalties = [bool(sum(penalty(v))) for v in part.node.weights.values()]
                key = part.node.layer.compute_dtype, *part.node.weights, *penalties
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
        return list(wide.values())

    def _owners(self, part: Part, role: str) -> list[Owner]:
        return [
            Owner(
                self._number[member.index],
                place,
                node.weights[role],
                role,
                member.rule.decay_of(node.weights[role]),
                self._scale[member.index],
                member.rule.optimizer,
                member.chain.model.trainable_variables,
            )
            for member, place, node in zip(part.members, part.places, part.nodes, strict=True)
        ]
