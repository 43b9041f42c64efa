"""The picture of the layers in docs/architecture.md, read as the rule that it is."""

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"


class Picture(NamedTuple):
    """Packages by layer, the highest first; arrows between layers, and inside them."""

    layers: dict[str, list[str]]
    order: list[tuple[str, str]]
    arrows: list[tuple[str, str]]

    def level(self, package: str) -> int:
        """The layer's number; 0 is the highest."""
        return next(i for i, names in enumerate(self.layers.values()) if package in names)

    def allows(self, here: str, there: str) -> bool:
        """Whether a package may import another."""
        return self.level(there) > self.level(here) or (here, there) in self.arrows


def read(text: str) -> Picture:
    """Reads the one mermaid picture of a page; a line that it does not know is an error."""
    (drawn,) = re.findall(r"^```mermaid\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    layers: dict[str, list[str]] = {}
    pairs = []
    layer = None
    first, *lines = (line.strip() for line in drawn.splitlines())
    assert first == "flowchart TB", first
    for line in lines:
        if match := re.fullmatch(r'subgraph (\w+) \["[^"]+"\]', line):
            assert layer is None, f"a layer in a layer: {line}"
            assert match[1] not in layers, f"drawn twice: {line}"
            layer = layers[match[1]] = []
        elif line == "end":
            assert layer is not None, "an end of nothing"
            layer = None
        elif match := re.fullmatch(r'(\w+)\["(\w+): [^"]+"\]', line):
            assert match[1] == match[2], f"a box with another's name: {line}"
            assert layer is not None, f"outside the layers: {line}"
            assert not any(match[1] in names for names in layers.values()), f"drawn twice: {line}"
            layer.append(match[1])
        elif match := re.fullmatch(r"(\w+) --> (\w+)", line):
            pairs.append((match[1], match[2]))
        else:
            raise AssertionError(f"docs/architecture.md: unknown line in the picture: {line!r}")
    order = [pair for pair in pairs if pair[0] in layers]
    names = list(layers)
    assert order == list(itertools.pairwise(names)), "layers: each to the next"
    picture = Picture(layers, order, [pair for pair in pairs if pair[0] not in layers])
    for here, there in picture.arrows:
        assert picture.level(here) == picture.level(there), f"needs no arrow: {here} --> {there}"
    return picture


def differences(
    picture: Picture, packages: Iterable[str], imports: Mapping[tuple[str, str], str]
) -> list[str]:
    """Returns in what the code differs from the picture.

    Args:
        picture: What is drawn.
        packages: What there is.
        imports: Pairs of packages, the first of which imports the second, and where.
    """
    packages = set(packages)
    drawn = {name for names in picture.layers.values() for name in names}
    found = [f"{name} is not in the picture" for name in sorted(packages - drawn)]
    found += [f"{name} is in the picture only" for name in sorted(drawn - packages)]
    for (here, there), where in sorted(imports.items()):
        if {here, there} <= drawn and not picture.allows(here, there):
            found.append(f"{here} must not import {there}: {where}")
    found += [f"no import needs {a} --> {b}" for a, b in picture.arrows if (a, b) not in imports]
    used = {(picture.level(a), picture.level(b)) for a, b in imports if {a, b} <= drawn}
    for above, (upper, lower) in enumerate(picture.order):
        if (above, above + 1) not in used:
            found.append(f"no import goes from {upper} to {lower}")
    return found
