"""Progress of a feature pass on the console: images/s and the time left."""

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn

from kerasdl.training.forecast import about

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 20.0
"""Where there is no terminal (a log file), at most one line in so many seconds."""


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
        self._bar: Progress | None = None

    def __enter__(self) -> "PassProgress":
        """Starts the bar."""
        self._started = self._said = time.monotonic()
        if self._console is not None and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[state]}"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(
                self._title, total=self._count, completed=self._first, state=""
            )
            self._bar.start()
        return self

    def show(self, done: int) -> None:
        """Shows that so many images are done."""
        rate = (done - self._first) / max(time.monotonic() - self._started, 1e-9)
        left = about((self._count - done) / max(rate, 1e-9))
        state = f"{done:,} of {self._count:,} images  {rate:,.0f} images/s  {left} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, state=state)
        elif self._console is not None and time.monotonic() - self._said >= LINE_SECONDS:
            self._said = time.monotonic()
            self._console.print(f"{self._title}: {state}", highlight=False, soft_wrap=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Removes the bar, also after an interruption."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
