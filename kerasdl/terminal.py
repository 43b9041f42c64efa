"""The console of every command: as quiet as asked for, and bars that fit its width.

`Console` is rich's with two differences: `-q` silences it, and when standard output has no reader
any more, the command ends and says so.
"""

import contextlib
import html
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import rich.console

from kerasdl import streams

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

LINE_SECONDS = 20.0
"""Where there is no terminal (a log file), at most one line in so many seconds."""

NOTEBOOK_SECONDS = 0.25
"""A notebook's bar changes at most once in so many seconds: each change is a message."""

_BAR = 24
_TABLE = 50
"""Columns from which on there is room for a table."""

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

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's; where there is no room for a table, its cells come one below the other."""
        from rich.table import Table

        (table,) = objects if len(objects) == 1 else (None,)
        if isinstance(table, Table) and self.width < _TABLE:
            if table.title:
                super().print(table.title, highlight=False)
            for line in _lines(table):
                super().print(line, highlight=False, overflow="fold")
        else:
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Ends the command; without a reader of standard error it goes on.

        Raises:
            BrokenPipeError: Where no command runs, but a program that imports kerasdl.
        """
        self.quiet = True
        if self.stderr:
            return
        if not streams.commanding:
            raise BrokenPipeError("standard output has no reader any more")
        streams.end_without_reader()


def _lines(table: "Table") -> "Iterator[Text]":
    """Yields the cells of a table as lines: the first of each row, then "heading: value"."""
    from rich.text import Text

    def text(cell: Any) -> Text:
        return cell if isinstance(cell, Text) else Text.from_markup(str(cell))

    columns = [list(column.cells) for column in table.columns]
    headings = [str(column.header) for column in table.columns]
    for row in zip(*columns, strict=True):
        for place, (heading, cell) in enumerate(zip(headings, row, strict=True)):
            if not place:
                yield Text.assemble((text(cell).plain, "bold"))
            elif text(cell).plain:
                yield Text.assemble(f"  {heading}: ", text(cell))


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


def has_bars(console: rich.console.Console) -> bool:
    """Returns whether a console shows a `Bar`: a terminal or a notebook, no log file."""
    return console.is_terminal or console.is_jupyter


@contextlib.contextmanager
def working(console: rich.console.Console, text: str) -> Iterator[None]:
    """Shows inside the block that something is going on, where there is a terminal or a notebook.

    Args:
        console: Where to show it.
        text: What is going on.
    """
    if not console.is_jupyter:
        with console.status(text):
            yield
        return
    line = _NotebookLine(quiet=console.quiet)
    try:
        line.show(f"{text} ...")
        yield
    finally:
        line.close()


class Bar:
    """A line of progress on a terminal or in a notebook that goes away when it is done.

    On a wide terminal it has a title, a bar and figures; the narrower, the fewer of them.

    Args:
        console: That of a terminal or of a notebook.
        title: What is going on.
        total: How much there is to do.
        done: How much was done before.
    """

    def __init__(
        self, console: rich.console.Console, title: str, total: int, done: int = 0
    ) -> None:
        self._console, self._title, self._total = console, title, total
        self._progress: Any = None
        self._notebook: _NotebookLine | None = None
        if console.is_jupyter:
            self._wide = False
            self._notebook = _NotebookLine(quiet=console.quiet)
            self.show(done)
            return
        from rich.progress import BarColumn, Progress, TextColumn

        self._wide = console.width >= _ROOM
        columns: list[Any] = [BarColumn(bar_width=_BAR)] if self._wide else []
        columns.append(TextColumn("{task.fields[line]}", markup=False))
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=total, completed=done, line="")
        self.show(done)
        try:
            self._progress.start()
        except BaseException:
            self.close()
            raise

    def show(self, done: int, parts: Sequence[Part] = ()) -> None:
        """Shows how much is done, and figures."""
        if self._progress is None and self._notebook is None:
            return
        # Asked each time: a terminal changes its size.
        width = self._console.width - (_BAR + 2 if self._wide else 1)
        title = Part(self._title, self._title.partition(",")[0], max(
            [part.rank for part in parts], default=-1) + 1)  # fmt: skip
        line = fit([title, *parts], width)
        if self._notebook is not None:
            self._notebook.show(line, done, self._total)
        elif self._progress is not None:
            self._progress.update(self._task, completed=done, line=line)

    def close(self) -> None:
        """Removes the line, also after an interruption."""
        if self._notebook is not None:
            self._notebook.close()
            self._notebook = None
        if self._progress is not None:
            try:
                self._progress.stop()
            except IndexError:  # Rich's, when it was interrupted while it started
                self._console.show_cursor(True)
            self._progress = None


class _NotebookLine:
    """A line of text, with or without a bar, in the output of a notebook's cell.

    IPython's own display, changed in place: rich's needs ipywidgets, which is not everywhere.

    Args:
        quiet: Whether nothing is shown.
    """

    def __init__(self, *, quiet: bool) -> None:
        from IPython.display import HTML, display

        self._html, self._shown = HTML, -NOTEBOOK_SECONDS
        self._handle = None if quiet else display(HTML(""), display_id=True)

    def show(self, line: str, done: int = 0, total: int = 0) -> None:
        """Shows a line, and how much of a total is done; a few times a second at the most."""
        now = time.monotonic()
        if self._handle is not None and now - self._shown >= NOTEBOOK_SECONDS:
            self._shown = now
            bar = f'<progress value="{done}" max="{total}"></progress> ' if total else ""
            self._handle.update(self._html(f"{bar}<code>{html.escape(line)}</code>"))

    def close(self) -> None:
        """Removes it."""
        if self._handle is not None:
            self._handle.update(self._html(""))
