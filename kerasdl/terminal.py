"""The console of every command: as quiet as asked for, and bars that fit its width.

`Console` is rich's with two differences: `-q` silences it, and when standard output has no reader
any more, the command ends and says so.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import rich.console

from kerasdl import streams

if TYPE_CHECKING:
    from rich.table import Table

LINE_SECONDS = 20.0
"""Where there is no terminal (a log file), at most one line in so many seconds."""

_BAR = 24
_ROOM = 140
"""Columns from which on there is room for a title, a bar and all figures."""


class Console(rich.console.Console):
    """A `rich` console of a command; `-q` makes it say nothing.

    Args:
        quiet: Whether it says nothing in any case.
        **options: As for `rich.console.Console`.
    """

    def __init__(self, *, quiet: bool = False, **options: Any) -> None:
        super().__init__(quiet=quiet or streams.level == streams.QUIET, **options)

    def on_broken_pipe(self) -> None:
        """Ends the command; without a reader of standard error it goes on."""
        self.quiet = True
        if not self.stderr:
            streams.end_without_reader()


def line_seconds() -> float:
    """Returns the least time between two lines of progress in a log file; less with `-v`."""
    return 1.0 if streams.level == streams.VERBOSE else LINE_SECONDS


def show_list(
    table: "Callable[[], Table | str]",
    *,
    data: Any,
    names: Sequence[str],
    as_json: bool,
    notes: Sequence[str] = (),
) -> None:
    """Prints what a command lists: a table, JSON (`--json`) or names (`-q`).

    Args:
        table: Makes the table, or the sentence that says that there is nothing.
        data: The same for programs: lists, dicts, strings, numbers, None.
        names: The names of what is listed.
        as_json: Whether JSON is wanted.
        notes: Sentences below the table.
    """
    if as_json:
        streams.write(json.dumps(data, indent=2, ensure_ascii=False))
    elif streams.level == streams.QUIET:
        for name in names:
            streams.write(name)
    else:
        console = Console()
        console.print(table(), highlight=False)
        for note in notes:
            console.print(note, highlight=False, markup=False, soft_wrap=True)


class Part(NamedTuple):
    """A figure of a progress line.

    Args:
        text: In full, e.g. "accuracy 84.0 %".
        short: Where there is no room, e.g. "84.0 %"; "" to leave it out.
        rank: 0 for what is shown to the last.
    """

    text: str
    short: str
    rank: int


def fit(parts: Sequence[Part], width: int) -> str:
    """Returns as much of a progress line as a width takes, the important last to go.

    Args:
        parts: The figures in their order.
        width: Columns.
    """
    shown = [part.text for part in parts]
    order = sorted(range(len(parts)), key=lambda i: -parts[i].rank)
    for shorten in (True, False):
        for i in order:
            line = "  ".join(text for text in shown if text)
            if len(line) <= width:
                return line
            shown[i] = parts[i].short if shorten else ""
    return ""


class Bar:
    """A line of progress on a terminal that goes away when it is done.

    On a wide terminal it has a title, a bar and figures; the narrower, the fewer of them.

    Args:
        console: A terminal's.
        title: What is going on.
        total: How much there is to do.
        done: How much was done before.
    """

    def __init__(
        self, console: rich.console.Console, title: str, total: int, done: int = 0
    ) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._console, self._title = console, title
        self._wide = console.width >= _ROOM
        columns: list[Any] = [BarColumn(bar_width=_BAR)] if self._wide else []
        columns.append(TextColumn("{task.fields[line]}", markup=False))
        self._progress: Progress | None = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=total, completed=done, line="")
        self.show(done)
        try:
            self._progress.start()
        except BaseException:
            self.close()
            raise

    def show(self, done: int, parts: Sequence[Part] = ()) -> None:
        """Shows how much is done, and figures."""
        if self._progress is None:
            return
        # Asked each time: a terminal changes its size.
        width = self._console.width - (_BAR + 2 if self._wide else 1)
        title = Part(self._title, self._title.partition(",")[0], max(
            [part.rank for part in parts], default=-1) + 1)  # fmt: skip
        self._progress.update(self._task, completed=done, line=fit([title, *parts], width))

    def close(self) -> None:
        """Removes the line, also after an interruption."""
        if self._progress is not None:
            try:
                self._progress.stop()
            except IndexError:  # Rich's, when it was interrupted while it started
                self._console.show_cursor(True)
            self._progress = None
