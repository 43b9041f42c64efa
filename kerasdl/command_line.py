"""What all commands have in common: their parser, their start and how they fail.

A parser's errors are one line with a suggestion. `entry` makes a command of a function: closed
streams, a reader that goes away and Ctrl-C are handled there, once.
"""

import argparse
import functools
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, ParamSpec

from kerasdl import __version__, streams, suggest

INTERRUPTED = 130
"""Exit code after Ctrl-C, the shell's convention (128 + SIGINT)."""

_OTHER_WORDS = {
    "--lr": "--learning-rate",
    "--output": "--out",
    "--outdir": "--out",
    "--output-dir": "--out",
    "--optim": "--optimizer",
    "--model": "--models",
    "--data-dir": "--data",
    "--gpus": "--strategy",
    "--device": "--strategy",
}
"""What other programs call an option, which is not near our name for it."""

_LISTING = ("list", "ls", "show")
"""Words for what a command does that lists."""

P = ParamSpec("P")


class Parser(argparse.ArgumentParser):
    """The parser of every command: one-line errors with suggestions, and the usual options.

    Args:
        lists: Whether the command lists things: `--json` prints them for programs, and `-q`
            their names alone.
        versioned: Whether `--version` is that of kerasdl; False where the command has its own.
        words: Words that may stand in the place of options, for suggestions.
        values: Values by the option that takes them, for suggestions where one stands alone.
        **options: As for `argparse.ArgumentParser`.
    """

    def __init__(
        self,
        *,
        lists: bool = False,
        versioned: bool = True,
        words: Sequence[str] = (),
        values: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**{"allow_abbrev": False, **options})
        self._words, self._values, self._lists = words, values or {}, lists
        if not options.get("add_help", True):
            return
        quiet = "print the names alone, one a line" if lists else "print errors only"
        verbose = "print more: TensorFlow's messages, progress every second, where an error is from"
        if versioned:
            self.add_argument("--version", action=_Version, help="print the versions and exit")
        self.add_argument("-q", "--quiet", action=_Level, const=streams.QUIET, help=quiet)
        self.add_argument("-v", "--verbose", action=_Level, const=streams.VERBOSE, help=verbose)
        if lists:
            self.add_argument(
                "--json", action="store_true", default=False, help="print JSON, for other programs"
            )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's; an option that does not exist is the first error that is named."""
        arguments = list(sys.argv[1:] if args is None else args)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        if self._subparsers is not None:
            # What follows a command is the command's.
            end = next((i for i, one in enumerate(arguments) if not one.startswith("-")), end)
        for argument in arguments[:end]:
            # Before what follows from it, e.g. that another option is missing.
            name = argument.partition("=")[0]
            long = name.startswith("--") and " " not in name
            if long and name not in self._option_string_actions:
                self._unknown(name)
        found, rest = self.parse_known_args(arguments, namespace)
        if rest:
            self._unknown(rest[0].partition("=")[0])
        return found

    def _unknown(self, received: str) -> NoReturn:
        parsers = [self, *self._below()]
        options = [
            name
            for parser in parsers
            for name in parser._option_string_actions
            if name.startswith("--")
        ]
        if received in options and received not in self._option_string_actions:
            self.error(f"the option {received!r} goes after a command")
        near = _OTHER_WORDS.get(received)
        if near not in options:
            near = suggest.nearest(received, [*self._words, *options])
        kind = "option" if received.startswith("-") else "argument"
        if kind == "argument":
            near = self._value(received) or near
            if self._lists and suggest.nearest(received, _LISTING) is not None:
                self.error(f"unknown argument {received!r}. Without arguments it lists")
        meant = "" if near is None else f" Did you mean {near!r}?"
        self.error(f"unknown {kind} {received!r}.{meant}")

    def _value(self, received: str) -> str | None:
        """Returns e.g. "--dataset svhn" for a value that stands alone."""
        for option, names in self._values.items():
            near = suggest.nearest(received, names, cutoff=0.7)
            if near is not None:
                return f"{option} {near}"
        return None

    def _below(self) -> list[argparse.ArgumentParser]:
        """Returns the parsers of its commands, whose unknown options are this parser's to name."""
        groups = [one for one in self._actions if isinstance(one, argparse._SubParsersAction)]
        return [parser for group in groups for parser in group.choices.values()]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            names = [str(choice) for choice in choices]
            raise argparse.ArgumentError(action, expected(names, str(value)))

    def error(self, message: str) -> NoReturn:
        """Prints the error and where help is, and exits with code 2."""
        streams.complain(f"{self.prog}: error: {message} (see --help)")
        raise SystemExit(2)


def expected(names: Sequence[str], received: str) -> str:
    """Returns the message for a value that is none of some names, with the nearest of them."""
    meant = suggest.hint(received, names)
    return f"expected one of {', '.join(names)}. Received: {received!r}.{meant}"


class _Level(argparse.Action):
    """`-q` and `-v`; they are the process's, and no part of what a command is asked to do."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        told = {**options, "nargs": 0, "default": argparse.SUPPRESS}
        super().__init__(option_strings, argparse.SUPPRESS, **told)

    def __call__(self, *_: Any) -> None:
        streams.set_level(self.const)


class _Version(argparse.Action):
    """`--version`: of kerasdl and of what computes; the packages' metadata, none is imported."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        told = {**options, "nargs": 0, "default": argparse.SUPPRESS}
        super().__init__(option_strings, argparse.SUPPRESS, **told)

    def __call__(self, *_: Any) -> None:
        from importlib import metadata

        parts = [f"kerasdl {__version__}"]
        for title, name in (("Keras", "keras"), ("TensorFlow", "tensorflow")):
            try:
                parts.append(f"{title} {metadata.version(name)}")
            except metadata.PackageNotFoundError:
                parts.append(f"{title}: not installed")
        parts.append(f"Python {sys.version.partition(' ')[0]}")
        streams.write(", ".join(parts))
        raise SystemExit(0)


def fail(prog: str, error: BaseException | str, code: int = 2, *, after: str = "") -> int:
    """Says what went wrong in one line, with `-v` also where; returns the exit code.

    Args:
        prog: The program's name.
        error: What went wrong, in words or as the exception that says it.
        code: The exit code.
        after: A further sentence.
    """
    if streams.level == streams.VERBOSE and isinstance(error, BaseException):
        streams.complain("".join(traceback.format_exception(error)).rstrip())
    line = f"{prog}: error: {error}{after}"
    # A file's name may hold what moves a terminal's cursor.
    streams.complain("".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in line))
    return code


def entry(main: Callable[P, int]) -> Callable[P, int]:
    """Makes a command of a function that returns an exit code.

    The outermost one opens streams that are closed, and says that it was interrupted or that
    nobody reads standard output any more, where the function does not.
    """

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        if streams.commanding:
            return main(*args, **kwargs)
        streams.commanding = True
        try:
            streams.open_closed()
            streams.set_level(streams.NORMAL)
            code = main(*args, **kwargs)
            streams.flush()
            return code
        except SystemExit as end:
            if end.code != streams.OUTPUT_CLOSED:
                streams.flush()  # --help, too, may be read in part
            raise
        except KeyboardInterrupt:
            streams.complain("kerasdl: interrupted")
            return INTERRUPTED
        finally:
            streams.commanding = False

    return run


def count(text: str) -> int:
    """Reads a number of 1 or more for argparse.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    if re.fullmatch("[0-9]{1,4}", text) and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number of 1 or more. Received: {text!r}")
