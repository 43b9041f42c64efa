"""Progress of a long piece of work on the console: a bar, or lines in a log file."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

QUIET_SECONDS = 2.0
"""Work that is over by then shows nothing."""
LINE_SECONDS = 20.0
"""Where there is no terminal (a log file), at most one line in so many seconds."""


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
        self._bar: Progress | None = None

    def __enter__(self) -> "CountProgress":
        self._started = self._said = time.monotonic()
        return self

    def show(self, done: int) -> None:
        """Shows that so many things are done; costs next to nothing when called often."""
        now = time.monotonic()
        if self._console is None or now - self._started < QUIET_SECONDS:
            return
        state = f"{done:,} of {self._count:,} {self._unit}"
        if self._console.is_terminal:
            if self._bar is None:
                self._bar = self._make_bar(self._console)
                self._task = self._bar.add_task(self._title, total=self._count, state="")
                self._bar.start()
            self._bar.update(self._task, completed=done, state=state)
        elif now - self._said >= LINE_SECONDS:
            self._said = now
            left = (now - self._started) * (self._count / done - 1) if done else None
            text = "" if left is None else f", about {left:,.0f} s left"
            self._console.print(
                f"{self._title}: {state}{text}", highlight=False, markup=False, soft_wrap=True
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Removes the bar, also after an interruption."""
        if self._bar is not None and self._console is not None:
            try:
                self._bar.stop()
            except IndexError:  # Rich's, when it was interrupted while it started
                self._console.show_cursor(True)
            self._bar = None

    def _make_bar(self, console: "Console") -> "Progress":
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        return Progress(
            TextColumn(escape(self._title)),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
