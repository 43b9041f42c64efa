"""The studies and searches: their list, and each study by its name.

    python -m kerasdl study                          # the list; --json for programs
    python -m kerasdl study depth --preset full      # as python -m kerasdl.apps.cifar10 --study ...

A study belongs to an app, whose data set it takes; `cuts` is one of several apps', and --dataset
names another data set for it.
"""

import importlib
import sys
from collections.abc import Sequence

from kerasdl import command_line
from kerasdl.studies import listing


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog="kerasdl study",
        usage="%(prog)s [NAME [options of the study]]",
        description="List the studies and searches, or run a study: `kerasdl study NAME --help`.",
        lists=True,
    )
    parser.add_argument(
        "name", nargs="?", choices=list(listing.STUDIES), metavar="NAME", help="one of the studies"
    )
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    named = bool(arguments) and not arguments[0].startswith("-")
    # What follows a study's name is the study's.
    options = make_parser().parse_args(arguments[:1] if named else arguments)
    if options.name is None:
        listing.show("study", "search", as_json=options.json)
        return 0
    app = listing.STUDIES[options.name][0]
    own = [] if options.name == app else ["--study", options.name]
    module = importlib.import_module(f"kerasdl.apps.{app}")
    return int(module.main([*own, *arguments[1:]]))


if __name__ == "__main__":
    sys.exit(main())
