"""What a model of any finished run sees in a person's pictures.

python -m kerasdl predict photos/*.png --run runs/svhn
"""

import sys
from collections.abc import Sequence

from kerasdl import command_line
from kerasdl.studies import predict


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    return predict.make_parser(None)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    return predict.main(None, argv)


if __name__ == "__main__":
    sys.exit(main())
