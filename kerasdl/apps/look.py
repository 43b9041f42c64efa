"""What is in a data set, and what is wrong with it, before anything is trained on it.

python -m kerasdl look photos/
python -m kerasdl look svhn --data DIR --out look.html    # with samples, plain and augmented
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerasdl import command_line, streams

if TYPE_CHECKING:
    from rich.table import Table

    from kerasdl.face.look import Look

PROGRAM = "kerasdl look"
ROWS = 40
"""The most classes, sizes and copies that are listed; unreadable files are all listed."""


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog=PROGRAM,
        description="Look at a data set: images of each class, sizes, every file that cannot be "
        "read, exact duplicates, also of test images among the training's, and unequal classes.",
    )
    parser.add_argument(
        "dataset", metavar="DATA", help="a folder with one folder of images per class, or a name"
    )
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets' files")
    parser.add_argument(
        "--out", metavar="FILE.html", help="write a page with samples, as they are and augmented"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0; 1 when files cannot be read; 2 for a user's mistake.
    """
    options = make_parser().parse_args(argv)
    # Imported late: --help should not wait for NumPy.
    from kerasdl import files
    from kerasdl.face.look import look

    try:
        found = look(options.dataset, data_dir=options.data, quiet=options.json)
        if options.out is not None:
            files.write_text(options.out, _page(found))
    except (ValueError, OSError) as error:
        return command_line.fail(PROGRAM, error)
    if options.json:
        import json

        streams.write(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show(found, options.out)
    return 1 if len(found.unreadable) else 0


def _page(found: "Look") -> str:
    import html

    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" '
        f'content="width=device-width">\n<title>{html.escape(found.title)}</title>\n'
        "<style>body{font-family:sans-serif;margin:2em auto;max-width:70em;padding:0 1em}"
        "td,th{padding:.2em .6em;text-align:right}</style>\n</head>\n"
        f"<body>\n{found._repr_html_()}\n</body>\n</html>\n"
    )


def _show(found: "Look", page: str | None) -> None:
    from rich.markup import escape

    from kerasdl.reporting.text import plain
    from kerasdl.terminal import Console

    console = Console()
    counts = found.counts
    rows = [[plain(str(name)), *map(_number, row)] for name, row in
            zip(counts.index, counts.itertuples(index=False), strict=True)]  # fmt: skip
    rows.append(["all", *(_number(total) for total in counts.sum())])
    console.print(_table(escape(plain(found.title)), ["class", *counts.columns], rows))
    rows = [
        [f"{one.height} x {one.width}", _number(one.images)] for one in found.sizes.itertuples()
    ]
    console.print(_table("Sizes", ["height x width", "images"], rows))
    if len(found.duplicates):
        copies = found.duplicates
        rows = [[str(row[0]), *map(plain, row[1:])] for row in copies.itertuples(index=False)]
        console.print(_table("Equal images", list(copies.columns), rows))
    for row in found.unreadable.itertuples(index=False):
        line = plain(f"{row[0]} {row[2]}")
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    for note in found.notes:
        console.print(f"- {plain(note)}", highlight=False, markup=False, soft_wrap=True)
    if page is not None:
        console.print(f"Page: {page}", highlight=False, markup=False, soft_wrap=True)


def _number(count: int) -> str:
    return f"{count:,}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    shown = rows if len(rows) <= ROWS else [*rows[: ROWS - 1], rows[-1]]
    for row in shown:
        table.add_row(*map(escape, row))
    if len(shown) < len(rows):
        table.caption = f"{len(rows) - len(shown):,} more: --json or --out has all"
    return table


if __name__ == "__main__":
    sys.exit(main())
