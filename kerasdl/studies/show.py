"""What a study says on the console before and after."""

from pathlib import Path
from typing import Any

from kerasdl.record import Record

_TABLE = 60
"""Columns from which on a table shows its figures; on fewer, a line for each model does."""


def banner(console: Any, label: str, synthetic: bool) -> None:
    """Says which images these are, loudly where they are rendered."""
    from rich.panel import Panel
    from rich.text import Text

    if synthetic:
        text = f"{label}\nThe images are rendered: no figure of this run speaks of real data."
        console.print(Panel(Text(text), border_style="bold red", title="synthetic data"))
    else:
        console.print(Text(label, style="bold"))


def show_results(console: Any, result: Record, folder: Path) -> None:
    """Prints the table of a comparison, who beats whom, and where the report is."""
    from rich.table import Table

    from kerasdl.reporting.text import percent_spread

    table = Table(title=result.dataset.label, title_justify="left")
    table.add_column("model")
    for heading in ("parameters", "test accuracy", "seeds", "training"):
        table.add_column(heading, justify="right")
    for row in result.summary:
        table.add_row(
            row.title,
            f"{row.parameters:,}",
            f"{percent_spread(row.test_accuracy)} %",
            str(row.test_accuracy.n),
            f"{row.train_seconds.mean:.0f} s",
        )
    if console.width >= _TABLE:
        console.print(table)
    else:
        for row in result.summary:
            score = f"{percent_spread(row.test_accuracy)} %"
            console.print(f"{row.title}: {score}", highlight=False, markup=False, soft_wrap=True)
    for comparison in result.comparisons:
        console.print(comparison.verdict, highlight=False, markup=False, soft_wrap=True)
    for section in result.sections:
        for claim in section.claims:
            text = f"{claim.report}: {claim.claim} -> {claim.verdict}: {claim.measured}"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Report: {folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True
    )
