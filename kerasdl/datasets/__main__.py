"""Data sets on this machine: where they would come from, whether they are sound, importing them.

python -m kerasdl.datasets where [--json]
python -m kerasdl.datasets verify [NAME ...]
python -m kerasdl.datasets import DIR
"""

import sys
from collections.abc import Sequence

from kerasdl import command_line

PROGRAM = "python -m kerasdl.datasets"


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0, 1 when `verify` found a difference, 2 for a user's mistake or a bad file.
    """
    arguments = make_parser().parse_args(argv)
    # Imported late: --help should not wait for NumPy and Pillow.
    from kerasdl.datasets import commands

    try:
        if arguments.command == "where":
            return commands.where(arguments.data, as_json=arguments.json)
        if arguments.command == "verify":
            return commands.verify(arguments.names, arguments.data, as_json=arguments.json)
        return commands.import_folder(arguments.folder)
    except (ValueError, OSError) as error:
        return command_line.fail(PROGRAM, error)


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog=PROGRAM,
        description="Says where data sets would come from, checks them, and imports them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = {
        "metavar": "DIR",
        "help": "the folder with official files, DIR/NAME/...; default: $KERASDL_DATA",
    }
    where = commands.add_parser("where", lists=True, help="which source would serve each data set")
    where.add_argument("--data", **data)  # type: ignore[arg-type]
    verify = commands.add_parser(
        "verify",
        lists=True,
        help="check checksums, counts, labels and duplicates of the sets at hand",
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="which sets; default: all")
    verify.add_argument("--data", **data)  # type: ignore[arg-type]
    importing = commands.add_parser(
        "import", help="read official files or archives in DIR and keep them in the store"
    )
    importing.add_argument(
        "folder",
        metavar="DIR",
        help="a data set's official files or archive, or folders of them named as the sets "
        "(DIR/mnist/..., DIR/cifar10/...)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
