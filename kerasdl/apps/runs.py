"""The runs in a folder: comparisons, experiments and searches.

kerasdl runs                   # those in runs/, the newest first
kerasdl runs apps --json       # for programs
kerasdl runs runs/a runs/b --out compared.html   # chosen ones on one page
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from kerasdl import command_line
from kerasdl.studies.folder import RUNS
from kerasdl.studies.run_list import ListedRun

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog="kerasdl runs",
        lists=True,
        description="List the runs in a folder and below it, the newest first: comparisons of "
        "networks, experiments and searches. --out compares them on one page.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        default=[str(RUNS)],
        help="folders of runs, or runs' own (runs)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE.html",
        help="write a page on them: scores, leaders, what differs in their recipes, curves",
    )
    return parser


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0, or 2 where there is no such folder, or nothing to make a page of.
    """
    parser = make_parser()
    options = parser.parse_args(argv)
    # Imported late: --help should not wait for rich.
    from kerasdl.face.run_list import Runs
    from kerasdl.terminal import show_list

    try:
        runs = Runs(*options.folders)
        notes = [] if options.out is None else [f"Page: {runs.write_page(options.out)}"]
    except (ValueError, OSError) as error:
        return command_line.fail(parser.prog, error)
    found = list(runs)
    show_list(
        lambda: _table(found) if found else f"No runs in {', '.join(options.folders)}",
        data=[msgspec.to_builtins(run) for run in found],
        names=[run.folder for run in found],
        as_json=options.json,
        notes=notes,
    )
    return 0


def _table(found: Sequence[ListedRun]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for heading in ("Run", "Data", "Models, the best first"):
        table.add_column(heading, overflow="fold")
    table.add_column("When", no_wrap=True)
    for run in found:
        about = Text(f"{run.folder}\n{run.kind or ''} {run.app or ''}".rstrip())
        if run.status != "complete":
            about.append(f"\n{run.status}", style="yellow")
        data = Text(run.dataset or "", style="bold red" if run.synthetic else "")
        table.add_row(about, data, _models(run), (run.when or "")[:10])
    return table


def _models(run: ListedRun) -> "Text":
    from rich.text import Text

    from kerasdl.reporting.text import plain

    if run.problem is not None:
        return Text(plain(run.problem), style="red")
    lines = []
    if run.score is not None:
        spread = "" if run.score.std is None else f" ± {100 * run.score.std:.2f}"
        seeds = f", {run.score.n} seeds" if run.score.n > 1 else ""
        lines.append(f"{run.best} {100 * run.score.mean:.2f}{spread} %{seeds}")
    others = [model for model in run.models if model != run.best]
    if others:
        lines.append(", ".join(others))
    return Text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
