"""Timing of several arms in turn, so that a drift of the machine meets all of them alike."""

import statistics
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table


def interleave(arms: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Calls each arm once a round, in turn, and collects the seconds that each returns."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds):
        # Every other round backwards: neither arm always runs on the other's warm caches.
        order = list(arms) if number % 2 == 0 else list(reversed(arms))
        for name in order:
            seconds[name].append(arms[name]())
    return seconds


def ratio(base: list[float], other: list[float]) -> str:
    """The median of the pairwise ratios base/other with its range, as text."""
    pairs = sorted(one / two for one, two in zip(base, other, strict=True))
    return f"{statistics.median(pairs):.2f} ({pairs[0]:.2f}-{pairs[-1]:.2f})"


def show(title: str, results: Mapping[str, Mapping[str, list[float]]], base: str) -> None:
    """Prints one row a case: median seconds of every arm and `base`'s as ratios to them.

    Where `base` was not run, there are no ratios.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("case")
    arms = list(next(iter(results.values())))
    for arm in arms:
        table.add_column(f"{arm}, s", justify="right")
    compared = [arm for arm in arms if arm != base and base in arms]
    for arm in compared:
        table.add_column(f"{base} / {arm}", justify="right")
    for case, seconds in results.items():
        medians = [f"{statistics.median(seconds[arm]):.2f}" for arm in arms]
        ratios = [ratio(seconds[base], seconds[arm]) for arm in compared]
        table.add_row(case, *medians, *ratios)
    Console(width=160).print(table)
