"""How much a command says, and standard streams that are closed or whose reader has gone."""

import contextlib
import os
import sys
from typing import NoReturn

QUIET, NORMAL, VERBOSE = -1, 0, 1

OUTPUT_CLOSED = 141
"""Exit code when the reader of standard output has gone, the shell's convention (128 + SIGPIPE)."""

level = NORMAL
"""How much this process says; `-q` and `-v` of every command set it."""


def set_level(value: int) -> None:
    """Sets how much this process says: QUIET, NORMAL or VERBOSE."""
    global level
    level = value


def options() -> list[str]:
    """Returns the options with which another command says as much as this one."""
    return {QUIET: ["-q"], VERBOSE: ["-v"]}.get(level, [])


def open_closed() -> None:
    """Leads standard streams that were closed (`2>&-`) to nowhere.

    Else the next file that is opened would get the stream's number, and what libraries write
    to standard error would land in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest free number: often this one
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def write(text: str) -> None:
    """Writes a line to standard output, whose reader may have gone."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        end_without_reader()


def flush() -> None:
    """Writes what is buffered for standard output, whose reader may have gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        end_without_reader()


def complain(text: str) -> None:
    """Writes a line to standard error; that nobody reads it does not matter."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def end_without_reader() -> NoReturn:
    """Says that standard output has no reader any more, and ends the command.

    Raises:
        SystemExit: Always, with the code OUTPUT_CLOSED.
    """
    with contextlib.suppress(OSError, ValueError):
        # What is buffered still would fail again at the interpreter's end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    complain(
        "kerasdl: stopped: nobody reads standard output any more (a pipe such as `| head`). What "
        "was finished is kept; send the output to a file to let a command run to its end"
    )
    raise SystemExit(OUTPUT_CLOSED)
