"""Searches of hyper-parameters: their list, each by its name, and a space of your own.

python -m kerasdl search                                        # the list; --json for programs
python -m kerasdl search mnist_width --preset full
python -m kerasdl search --build mine.py:build --dataset PHOTOS # your own build(hp)
python -m kerasdl search --app svhn --space space.toml          # fields of an app's recipe
"""

import importlib
import sys
from collections.abc import Sequence

from kerasdl import command_line
from kerasdl.studies import listing

OWN = "own_model"
"""The search of a person's own space."""

PROGRAM = "kerasdl search"


def make_parser() -> command_line.Parser:
    """Returns the parser: that of a search of a recipe's fields, and what chooses another one."""
    parser: command_line.Parser = importlib.import_module("kerasdl.tuning.search").make_parser()
    parser.prog = PROGRAM
    parser.usage = "%(prog)s [NAME | --build PLACE | --app NAME --space FILE] [options]"
    parser.description = (
        "Search hyper-parameters: a ready-made search by its name (`kerasdl search NAME --help`), "
        "your own build(hp) or HyperModel (--build), or fields of an app's recipe (--app and "
        f"--space). Without arguments: the list. Ready-made: {', '.join(_names()[:-1])}."
    )
    parser.add_argument(
        "name", nargs="?", choices=_names(), metavar="NAME", help="one of the searches"
    )
    parser.add_argument(
        "--build",
        metavar="FILE.py:NAME",
        help="your build(hp), build(hp, input_shape, num_classes) or HyperModel",
    )
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if set(arguments) <= {"--json", "-q", "--quiet", "-v", "--verbose"}:
        options = command_line.Parser(prog=PROGRAM, lists=True).parse_args(arguments)
        listing.show("search", as_json=options.json)
        return 0
    if not arguments[0].startswith("-"):
        name = make_parser().parse_args(arguments[:1]).name
        module, rest = f"kerasdl.tuning.{name}", arguments[1:]
    elif any(one == "--build" or one.startswith("--build=") for one in arguments):
        module, rest = f"kerasdl.tuning.{OWN}", arguments
    else:
        if {"-h", "--help"} & set(arguments):
            make_parser().parse_args(["--help"])
        module, rest = "kerasdl.tuning.search", arguments
    return int(importlib.import_module(module).main(rest))


def _names() -> list[str]:
    """Returns the names of searches with a command of their own, that of one's own space last."""
    return [name for name in listing.SEARCHES if name not in ("search", OWN)] + [OWN]


if __name__ == "__main__":
    sys.exit(main())
