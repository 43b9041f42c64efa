"""Sections as templates show them: every text made safe, numbers written for people."""

from collections.abc import Sequence
from typing import Any

from kerasdl.reporting import text
from kerasdl.reporting.tables import Table
from kerasdl.sections import Figure, Section
from kerasdl.sections import Table as Data


def shown(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Returns what templates need of each section.

    Args:
        sections: The sections, in the order of the report.
    """
    return [
        {
            "title": text.plain(section.title),
            "text": [text.plain(paragraph) for paragraph in section.text],
            "claims": claims(section),
            "tables": [
                (text.plain(one.title), table(one), text.plain(one.note) if one.note else "")
                for one in section.tables
            ],
            "figures": section.figures,
        }
        for section in sections
    ]


def claims(section: Section) -> Table | None:
    """Returns the claims of a section with their verdicts; None where there are none."""
    if not section.claims:
        return None
    rows = [
        [text.plain(part) for part in (one.report, one.claim, one.measured, one.verdict)]
        for one in section.claims
    ]
    return Table(
        header=["Report", "Claimed", "Measured here", "The claim is"],
        rows=rows,
        strong=frozenset((i, 3) for i in range(len(rows))),
        words=frozenset({1, 2, 3}),
    )


def table(data: Data) -> Table:
    """Returns a table with its cells as text.

    Args:
        data: The table; a column with a word below its title is set flush left.
    """
    rows = [[_cell(value, data.digits) for value in row] for row in data.rows]
    words = {
        j
        for j in range(1, len(data.columns))
        if any(isinstance(row[j], str) and not _numeric(row[j]) for row in data.rows)
    }
    return Table(
        header=[text.plain(title) for title in data.columns], rows=rows, words=frozenset(words)
    )


def inlined(sections: Sequence[Section]) -> list[Figure]:
    """Returns all figures of the sections."""
    return [figure for section in sections for figure in section.figures]


def _cell(value: str | float | int | None, digits: int) -> str:
    if value is None:
        return text.NOTHING
    if isinstance(value, str):
        return text.plain(value)
    if isinstance(value, int):
        return text.count(value)
    small = value != 0 and abs(value) < 0.5 * 10**-digits
    if small or abs(value) >= 1e7:
        return f"{value:.2e}".replace("-", text.MINUS)
    return f"{value:.{digits}f}".replace("-", text.MINUS)


def _numeric(value: object) -> bool:
    """Whether a text is a number with its spread, e.g. "91.2 ± 0.3", set like a number."""
    return bool(value) and not any(letter.isalpha() for letter in str(value))
