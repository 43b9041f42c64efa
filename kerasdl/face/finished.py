"""What every finished run has in Python: its record, tables, figures and report."""

import functools
import html
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import record
from kerasdl.studies.folder import results_of
from kerasdl.studies.run_list import Kind

if TYPE_CHECKING:
    import pandas as pd

    from kerasdl.sections import Claim, Section

SHOWN = 12
"""Rows of a table that a notebook shows of a run."""


def read(folder: Path) -> record.Record | record.Findings:
    """Returns the record of a run of any kind.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If its record cannot be read.
    """
    return record.read_any(results_of(folder))


def kind_of(found: record.Record | record.Findings) -> Kind:
    """Returns what a record is of."""
    kind: Kind = found.kind
    return kind


class FinishedRun:
    """A run in its folder, whatever it was.

    Args:
        folder: The run folder.
        kind: What it must be of.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it is of another kind.
    """

    def __init__(self, folder: str | os.PathLike[str], kind: Kind) -> None:
        self.folder = Path(folder)
        found = read(self.folder)
        if kind_of(found) != kind:
            raise ValueError(
                f"expected {_WORDS[kind]}. Received: {self.folder}, {_WORDS[kind_of(found)]}; "
                "kerasdl.load_run reads every kind"
            )
        self.record: Any = found

    @property
    def sections(self) -> "Sequence[Section]":
        """What the report says besides: answers in words, claims, tables, figures."""
        return list(self.record.sections)

    @functools.cached_property
    def tables(self) -> "dict[str, pd.DataFrame]":
        """The tables of the report's sections by their names; the first column is the index."""
        import pandas as pd

        tables = [table for section in self.sections for table in section.tables]
        return {
            table.name: pd.DataFrame(table.rows, columns=table.columns).set_index(table.columns[0])
            for table in tables
        }

    @functools.cached_property
    def claims(self) -> "pd.DataFrame":
        """What other reports claim, with verdicts: report, claim, measured, verdict."""
        import pandas as pd

        names = ["report", "claim", "verdict", "measured"]
        claims: list[Claim] = [claim for section in self.sections for claim in section.claims]
        rows = [[getattr(claim, name) for name in names] for claim in claims]
        return pd.DataFrame(rows, columns=names)

    @property
    def figures(self) -> dict[str, Path]:
        """The report's figures, PNG files by their names."""
        return {path.stem: path for path in sorted((self.folder / "figures").glob("*.png"))}

    @property
    def report(self) -> Path:
        """The report, an HTML file."""
        return self.folder / "report.html"

    def _answers(self) -> list[str]:
        """Returns the first paragraph of each section."""
        return [section.text[0] for section in self.sections if section.text]

    def _head(self) -> str:
        label = "" if self.record.dataset is None else f": {self.record.dataset.label}"
        return f"<kerasdl.{type(self).__name__} {self.folder}{label}>"

    def _text(self) -> str:
        """Returns the head of a report for consoles."""
        answers = [textwrap.shorten(text, 160, placeholder=" ...") for text in self._answers()]
        return "\n".join([self._head(), *(f"  {text}" for text in answers)])

    def _html(self, title: str, frame: "pd.DataFrame | None", said: Sequence[str]) -> str:
        """Returns the head of a report for notebooks."""
        parts = [f"<p><strong>{html.escape(title)}</strong></p>"]
        if frame is not None and len(frame.columns):
            more = len(frame) - SHOWN
            parts.append(
                frame.head(SHOWN).to_html(
                    float_format=lambda value: f"{value:.4g}", na_rep="–", border=0
                )
            )
            parts += [f"<p>{more} more rows in <code>.table</code></p>"] if more > 0 else []
        parts.append(f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in said)}</ul>")
        parts.append(f"<p>{html.escape(str(self.report))}</p>")
        return "".join(parts)


_WORDS = {
    "comparison": "a comparison of networks",
    "experiment": "a study",
    "search": "a search",
}
