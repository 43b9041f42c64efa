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

STUDIES = {
    "activations": ("cifar10", "activations of a deep perceptron"),
    "depth": ("cifar10", "how deep a perceptron still learns, and what helps"),
    "cuts": ("cifar10", "where to cut a pre-trained network (of other apps, too)"),
    "scratch": ("fashion_mnist", "one perceptron in three implementations"),
    "strengths": ("gurmukhi", "L1, L2 and dropout at many strengths"),
    "theory": ("theory", "losses, convexity and convolutions"),
}
"""Each study's app, and what it asks."""

SEARCHES = {
    "search": "fields of an app's recipe",
    "mnist_width": "the width of a perceptron on MNIST",
    "regularization": "strengths of L1, L2 and dropout",
    "transfer_head": "the head on a frozen base",
}
"""Each search's command, and what it searches."""


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog="kerasdl study",
        usage="%(prog)s [NAME [options of the study]]",
        description="List the studies and searches, or run a study: `kerasdl study NAME --help`.",
        lists=True,
    )
    parser.add_argument(
        "name", nargs="?", choices=list(STUDIES), metavar="NAME", help="one of the studies"
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
        _list(options.json)
        return 0
    app = STUDIES[options.name][0]
    own = [] if options.name == app else ["--study", options.name]
    module = importlib.import_module(f"kerasdl.apps.{app}")
    return int(module.main([*own, *arguments[1:]]))


def _list(as_json: bool) -> None:
    from rich.table import Table

    from kerasdl.terminal import show_list

    rows = [("study", name, f"study {name}", asks) for name, (_, asks) in STUDIES.items()]
    rows += [("search", name, name, searched) for name, searched in SEARCHES.items()]
    data = [
        {"kind": kind, "name": name, "command": f"kerasdl {command}", "about": about}
        for kind, name, command, about in rows
    ]

    def table() -> Table:
        made = Table()
        for heading in ("Kind", "Command", "About"):
            made.add_column(heading)
        for row in data:
            made.add_row(row["kind"], row["command"], row["about"])
        return made

    show_list(table, data=data, names=[row["name"] for row in data], as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
