"""Progress of a feature pass on the console: images/s and the time left."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from kerasdl.terminal import Bar, Part, has_bars, line_seconds
from kerasdl.training.forecast import about

if TYPE_CHECKING:
    from rich.console import Console


class PassProgress:
    """Shows one pass as a bar, or as occasional lines where there is no terminal.

    Args:
        console: Where to write; None for nowhere.
        title: What is computed.
        count: Images in all.
        first: How many of them were done before.
    """

    def __init__(self, console: "Console | None", title: str, count: int, first: int) -> None:
        self._console, self._title = console, title
        self._count, self._first = count, first
        self._bar: Bar | None = None

    def __enter__(self) -> "PassProgress":
        """Starts the bar."""
        self._started = self._said = time.monotonic()
        if self._console is not None and has_bars(self._console):
            self._bar = Bar(self._console, self._title, self._count, self._first)
        return self

    def show(self, done: int) -> None:
        """Shows that so many images are done."""
        rate = (done - self._first) / max(time.monotonic() - self._started, 1e-9)
        left = about((self._count - done) / max(rate, 1e-9))
        parts = [
            Part(f"{done:,} of {self._count:,} images", f"{done / self._count:.0%}", 0),
            Part(f"{rate:,.0f} images/s", f"{rate:,.0f}/s", 2),
            Part(f"{left} left", left, 1),
        ]
        if self._bar is not None:
            self._bar.show(done, parts)
        elif self._console is not None and time.monotonic() - self._said >= line_seconds():
            self._said = time.monotonic()
            state = "  ".join(part.text for part in parts)
            self._console.print(f"{self._title}: {state}", highlight=False, soft_wrap=True)

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
