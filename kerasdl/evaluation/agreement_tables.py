"""Do the tables of a repeated experiment or search agree with those of its record?

Every cell is compared with the cell of the same table, row and column. It is *equal* when it has
the record's words and numbers (to a relative 1e-9). Else it is judged where the record says how
it varies over the seeds: as "98.24 ± 0.04", in a column "... deviation" beside it, or as a table
with a row for each seed. Such a number must lie in the prediction interval of the record
(`evaluation.agreement`), whose level is shared out among all of these (Bonferroni), so that a
true repetition is called "not reproduced" once in twenty times at most. Further differences are
listed: ranks, p-values, words and numbers without a spread vary in no known way. Times are not
compared at all.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from kerasdl.evaluation.agreement import Figure, prediction_interval
from kerasdl.evaluation.significance import spread
from kerasdl.record import Spread
from kerasdl.sections import Section, Struct, Table

CHANCE = 0.05
"""The chance that a true repetition has a number outside."""

Value = str | float | int | None

_SPREAD = re.compile(r"\s*([+−-]?\d+(?:\.(\d+))?)\s*±\s*(\d+(?:\.\d+)?)\s*")
_TIME = re.compile(r"\b(?:seconds?|ms|wall|processor|time)\b|, s\b", re.IGNORECASE)


class Cell(Struct, frozen=True):
    """A cell that is not as in the record.

    Args:
        table: The table's name.
        row: The first cell of its row.
        column: The title of its column.
        record: What the record has; null too where it has no such cell.
        now: What it is now; likewise.
    """

    table: str
    row: str
    column: str
    record: Value
    now: Value


class Compared(Struct, frozen=True):
    """All tables, then and now.

    Args:
        equal: How many cells are the record's.
        judged: Numbers that differ and whose spread is known, inside or not; their names are
            "table: row: column".
        differing: What else differs.
    """

    equal: int
    judged: list[Figure]
    differing: list[Cell]


class _Candidate(NamedTuple):
    name: str
    record: Spread
    now: Spread


def compare(old: Sequence[Section], new: Sequence[Section], seeds: int) -> Compared:
    """Compares the tables and the verdicts of all sections.

    Args:
        old: The record's.
        new: Those of the repetition.
        seeds: Over how many seeds the record's spreads are, >= 1; with 1 none is known.
    """
    before, after = _cells(old), _cells(new)
    of_seeds = _seed_columns(old), _seed_columns(new)
    equal, differing = 0, []
    found: dict[str, _Candidate] = {}
    for place in [*before, *(place for place in after if place not in before)]:
        table, row, column = place
        if place in before and place in after and _same(before[place], after[place]):
            equal += 1
            continue
        name = f"{table}: {_label(row)}: {column}"
        one = _candidate(name, place, (before, after), seeds)
        if (table, column) in of_seeds[0] and (table, column) in of_seeds[1]:
            name = f"{table}: {column}"
            values = [part[table, column] for part in of_seeds]
            one = _Candidate(name, spread(values[0]), spread(values[1]))
        if one is not None and one.record.std:
            found[one.name] = one
        else:
            differing.append(Cell(table, _label(row), column, before.get(place), after.get(place)))
    judged = [_judge(one, 1.0 - CHANCE / len(found)) for one in found.values()]
    return Compared(equal, judged, differing)


def _judge(one: _Candidate, level: float) -> Figure:
    interval = prediction_interval(one.record, one.now.n, level=level)
    inside = None if interval is None else interval[0] <= one.now.mean <= interval[1]
    return Figure(one.name, one.record, one.now, level, interval, inside)


_Place = tuple[str, tuple[str, int], str]


def _cells(sections: Sequence[Section]) -> dict[_Place, Value]:
    """Returns all cells by table, row (its name, and which of that name) and column."""
    found: dict[_Place, Value] = {}
    for section in sections:
        for claim in section.claims:
            found["claims", (f"{claim.report}: {claim.claim}", 0), "verdict"] = claim.verdict
        for table in section.tables:
            counts: dict[str, int] = {}
            for row in table.rows:
                name = str(row[0])
                number = counts[name] = counts.get(name, -1) + 1
                for column, value in list(zip(table.columns, row, strict=True))[1:]:
                    if not _is_time(table, column):
                        found[table.name, (name, number), column] = value
    return found


def _is_time(table: Table, column: str) -> bool:
    return table.name == "time" or bool(_TIME.search(column))


def _label(row: tuple[str, int]) -> str:
    return row[0] if row[1] == 0 else f"{row[0]} ({row[1] + 1})"


def _seed_columns(sections: Sequence[Section]) -> dict[tuple[str, str], list[float]]:
    """Returns the columns of numbers of tables with a row for each seed."""
    found = {}
    for table in (table for section in sections for table in section.tables):
        if table.columns[0] != "Seed":
            continue
        for place, column in enumerate(table.columns[1:], 1):
            values = [row[place] for row in table.rows]
            numbers = [float(value) for value in values if isinstance(value, int | float)]
            if numbers and len(numbers) == len(values):
                found[table.name, column] = numbers
    return found


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other


def _candidate(
    name: str, place: _Place, values: tuple[dict[_Place, Value], dict[_Place, Value]], seeds: int
) -> _Candidate | None:
    """Returns a cell's mean and deviation, then and now; None where they are not known."""
    if seeds < 2:
        return None
    one, other = (_spread(place, cells, seeds) for cells in values)
    return None if one is None or other is None else _Candidate(name, one, other)


def _spread(place: _Place, cells: dict[_Place, Value], seeds: int) -> Spread | None:
    table, row, column = place
    value, deviation = cells.get(place), cells.get((table, row, f"{column} deviation"))
    if isinstance(value, str) and (found := _SPREAD.fullmatch(value)):
        mean, digits, std = found.groups()
        # Half a unit of the last digit was rounded away.
        rounded = 0.5 * 10.0 ** -len(digits or "")
        known = float(std)
        return Spread(float(mean.replace("−", "-")), known and known + rounded, seeds)
    if isinstance(value, int | float) and isinstance(deviation, int | float):
        return Spread(float(value), float(deviation), seeds)
    return None
