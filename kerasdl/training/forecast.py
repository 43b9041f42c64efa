"""How long a run takes on this machine: said before it, and what is left of it on its way.

A run is a list of works: trainings, passes, whatever takes time. Works of one kind cost alike, so
that a few measured steps of each kind (kerasdl/training/stopwatch.py) tell the time of all. On the
way each kind's rate is corrected by what was really measured. Light: no Keras here.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

LONG = 3600.0
"""From so many seconds on it is said how a run is made shorter."""

OBVIOUS = 20.0
"""A run that is surely shorter is not measured: that would take longer than to wait for it."""

SHORTER = "--minutes M fits the run into M minutes; --epochs and --train-size shorten it, too"

_NAMED = 8
"""How many kinds of a run are named at most."""


class Work(NamedTuple):
    """A training, or another part of a run.

    Args:
        key: Which one; works of one key are done one after the other, e.g. two phases.
        name: What people call it; works of a name are added up.
        kind: Works of a kind cost alike.
        images: Images trained on, in all epochs together.
        validated: Images scored while it trains, in all epochs together.
        scored: Images scored afterwards.
        operations: Multiply-accumulates for an image, forwards; for a first guess.
    """

    key: str
    name: str
    kind: str
    images: float
    validated: float = 0.0
    scored: float = 0.0
    operations: float = 0.0


class Rate(NamedTuple):
    """What works of a kind cost.

    Args:
        start: Seconds before the first step: building and tracing.
        image: Seconds for an image trained on.
        scored: Seconds for an image scored.
    """

    start: float
    image: float
    scored: float

    def fitting(self, work: Work) -> float:
        """Returns the seconds of the training itself, validation included."""
        return self.image * work.images + self.scored * work.validated

    def of(self, work: Work) -> float:
        """Returns the seconds of a work."""
        return self.start + self.fitting(work) + self.scored * work.scored


def guess(work: Work) -> Rate:
    """Returns a rate that no machine is likely to fall short of, tracing left out.

    LeNet-5 (0.4 M operations) comes to 2500 images/s by it, SmallNet to about 100.
    """
    seconds = 4e-4 + 3 * work.operations / 1.5e10
    return Rate(0.0, seconds, seconds / 3)


class Forecast:
    """The time of a run that is on its way.

    Args:
        works: What is to be done, in its order.
        rates: What was measured, by kind; a guess stands for a kind that is not in it.
        rest: Seconds of what is no work: figures and the report.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        works: Sequence[Work],
        rates: Mapping[str, Rate],
        rest: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._works, self._rest, self._clock = list(works), rest, clock
        self._rates = {work.kind: rates.get(work.kind) or guess(work) for work in works}
        self._current: list[Work] = []
        self._at_once = False
        self._ratios: dict[str, float] = {}
        self._predicted = self._measured = 0.0
        self._whole = True
        self.seconds = sum(map(self._seconds, self._works)) + rest
        """Of the whole run, as predicted before it."""

    def sentence(self, each: str = "") -> str:
        """Returns e.g. "About 4 min 10 s on this machine: lenet5 40 s, smallnet 3 min 30 s".

        Args:
            each: What is said of all of them, e.g. "1 seed each".
        """
        names: dict[str, float] = {}
        for work in self._works:
            names[work.name] = names.get(work.name, 0.0) + self._seconds(work)
        longest = sorted(names, key=lambda name: -names[name])[:_NAMED]
        parts = [f"{name} {about(names[name])}" for name in names if name in longest]
        if len(names) > len(longest):
            parts.append(f"{len(names) - len(longest)} others {about(self._others(names))}")
        said = f"About {about(self.seconds)} on this machine: {', '.join(parts)}"
        said += f" ({each})" if each else ""
        return f"{said}. {SHORTER}" if self.seconds > LONG else said

    def _others(self, names: Mapping[str, float]) -> float:
        return sum(sorted(names.values())[: len(names) - _NAMED])

    def begin(self, *keys: str) -> None:
        """Says that the works of these keys are on their way, and what was before them is done.

        Works of several keys are done at once, those of one key one after the other.
        """
        self.end()
        self._current = [work for key in keys for work in self._take(key)]
        self._at_once = len(keys) > 1
        self._started, self._whole = self._clock(), True

    def begin_next(self, prefix: str) -> None:
        """Begins the first of the works to come whose key begins with a word."""
        keys = [work.key for work in self._works if work.key.startswith(f"{prefix} ")]
        self.begin(keys[0] if keys else prefix)

    def end(self) -> None:
        """Says that what is on its way is done."""
        if self._current and self._whole:
            predicted, took = sum(map(self._seconds, self._current)), self._clock() - self._started
            self._predicted, self._measured = self._predicted + predicted, self._measured + took
            for work in self._current:
                self._ratios[work.kind] = took / max(predicted, 1e-9)
        self._current = []

    def skip(self, key: str) -> None:
        """Says that the works of a key were done earlier."""
        self._take(key)

    def _take(self, key: str) -> list[Work]:
        """Takes the works of a key from those that are to come.

        What a work is called in full may turn out on the way: "winner" stands for "winner ...".
        """
        found = [work for work in self._works if work.key == key]
        found = found or [one for one in self._works if key.startswith(f"{one.key} ")][:1]
        for work in found:
            self._works.remove(work)
        return found

    def left(self, here: float, image: float, images: int, continued: bool = False) -> float:
        """Returns the seconds left of the whole run.

        Args:
            here: Seconds left of the training that is on its way.
            image: Seconds for one of its images, validation included, as measured so far.
            images: All of its images, in all epochs together.
            continued: Whether an earlier process did a part of it.
        """
        self._whole = self._whole and not continued
        after = 0.0
        predicted = {work: self._rates[work.kind].fitting(work) for work in self._current}
        together = sum(predicted.values()) if self._at_once else 0.0
        for work in self._current:
            rate = self._rates[work.kind]
            if work.images == images:
                of = together or predicted[work]
                self._ratios[work.kind] = image * images / max(of, 1e-9)
            after += self._ratio(work.kind) * rate.scored * work.scored
        return here + after + self.pending()

    def pending(self) -> float:
        """Returns the seconds of what has not begun."""
        return self._rest + sum(
            self._ratio(work.kind) * self._seconds(work) for work in self._works
        )

    def _seconds(self, work: Work) -> float:
        return self._rates[work.kind].of(work)

    def _ratio(self, kind: str) -> float:
        """Returns by how much longer works of a kind take than was predicted."""
        if kind in self._ratios:
            return self._ratios[kind]
        # A machine that slowed down did so for all.
        if self._measured:
            return self._measured / max(self._predicted, 1e-9)
        return next(iter(self._ratios.values()), 1.0)


def is_short(works: Sequence[Work]) -> bool:
    """Whether works surely take so little time that nobody plans with it."""
    return sum(guess(work).of(work) for work in works) < OBVIOUS


def about(seconds: float) -> str:
    """Returns a time as people say it: "40 s", "4 min 10 s", "25 min", "1 h 20 min"."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 597.5:
        whole = 5 * round(seconds / 5)
        return f"{whole // 60} min {whole % 60:02d} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    minutes = 5 * round(minutes / 5) if minutes < 600 else 60 * round(minutes / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes % 60 else f"{minutes // 60} h"
