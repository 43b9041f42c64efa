"""Progress of a long piece of work on the console: a bar, or lines in a log file."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from kerasdl.terminal import Bar

QUIET_SECONDS = 2.0
"""Work that is over by then shows nothing."""


class CountProgress:
    """Shows how many of so many things are done; a context manager.

    Args:
        console: Where to write; None for nowhere.
        title: What is done, e.g. "Reading photos".
        count: How many things there are.
        unit: What they are, e.g. "images".
    """

    def __init__(self, console: "Console | None", title: str, count: int, unit: str) -> None:
        self._console, self._title, self._count, self._unit = console, title, count, unit
        self._bar: Bar | None = None
        self._ticks = 0

    def __enter__(self) -> "CountProgress":
        self._started = self._said = time.monotonic()
        return self

    def show(self, done: int) -> None:
        """Shows that so many things are done; costs next to nothing when called often."""
        now = time.monotonic()
        if self._console is None or now - self._started < QUIET_SECONDS:
            return
        from kerasdl.terminal import Bar, Part, has_bars, line_seconds

        state = f"{done:,} of {self._count:,} {self._unit}"
        left = (now - self._started) * (self._count / done - 1) if done else None
        if has_bars(self._console):
            if self._bar is None:
                self._bar = Bar(self._console, self._title, self._count)
            parts = [Part(state, f"{done / self._count:.0%}", 0)]
            if left is not None:
                parts.append(Part(f"{left:,.0f} s left", f"{left:,.0f} s", 1))
            self._bar.show(done, parts)
        elif now - self._said >= line_seconds():
            self._said = now
            text = "" if left is None else f", about {left:,.0f} s left"
            self._console.print(
                f"{self._title}: {state}{text}", highlight=False, markup=False, soft_wrap=True
            )

    def tick(self) -> None:
        """Shows that one more is done."""
        self._ticks += 1
        self.show(self._ticks)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Removes the bar, also after an interruption."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
