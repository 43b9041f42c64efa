"""Serves the models of a folder: `python -m kerasdl.serving saved_models`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kerasdl import command_line, recipe
from kerasdl.serving.options import Options


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog="python -m kerasdl.serving",
        usage="%(prog)s FOLDER [options]",
        description="Serves every model and version of a folder (FOLDER/NAME/VERSION/) over "
        "TensorFlow Serving's REST and gRPC, with a page at /.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the models, NAME/VERSION/ in it")
    recipe.add_options(parser, Options, title="options")
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0 after a graceful stop, 2 for a user's mistake.
    """
    parser = make_parser()
    arguments = vars(parser.parse_args(argv))
    try:
        chosen = recipe.chosen(Options, arguments)
        options = recipe.from_dict(chosen, Options, where="the command line")
        folder = Path(arguments["folder"])
        if not folder.is_dir():
            there = "a file" if folder.exists() else "no such folder"
            raise FileNotFoundError(
                f"expected a folder with models, NAME/VERSION/ in it. Received: {folder}, {there}"
            )
        # Imported late: --help should not wait for NumPy.
        from kerasdl.serving import app

        return app.serve(folder, options)
    except (ValueError, OSError) as error:
        return command_line.fail(parser.prog, error)


if __name__ == "__main__":
    sys.exit(main())
