"""What a study adds to a report in its own words: claims with verdicts, tables, figures."""

from typing import Literal

import msgspec

Verdict = Literal["right", "partly right", "wrong", "undecided", "not defined"]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all parts of a record: immutable and strict."""


class Claim(Struct, frozen=True, kw_only=True):
    """What a report claims beside what was measured, and who was right.

    Args:
        report: Where it stands, e.g. "D, row 10" (the rows of the project's seeds).
        claim: The claim in one sentence.
        measured: What was measured, with its numbers, in one to three sentences.
        verdict: Of the claim; "undecided" where noise or missing data leave it open,
            "not defined" where the claim has no meaning.
    """

    report: str
    claim: str
    measured: str
    verdict: Verdict


class Table(Struct, frozen=True, kw_only=True):
    """Rows of numbers and words.

    Args:
        name: A short name, unique in the study; also the CSV file's.
        title: What the rows are.
        columns: One title per column; the first column names the rows.
        rows: One cell per column; numbers stay numbers, null where there is none.
        note: How to read it; may be empty.
        digits: Digits after the point of the numbers that are no integers.
    """

    name: str
    title: str
    columns: list[str]
    rows: list[list[str | float | int | None]]
    note: str = ""
    digits: int = 3


class Figure(Struct, frozen=True, kw_only=True):
    """A figure that the study drew.

    Args:
        file: Its path in the run folder, with forward slashes: "figures/depth.png".
        alt: What it shows, for people who do not see it.
        caption: What to look for.
    """

    file: str
    alt: str
    caption: str


class Section(Struct, frozen=True, kw_only=True):
    """A part of a report: an answer in words, and what it rests on.

    Args:
        title: The heading.
        text: Paragraphs, the answer first.
        claims: What reports claim, with verdicts.
        tables: Numbers.
        figures: Pictures.
    """

    title: str
    text: list[str] = msgspec.field(default_factory=list)
    claims: list[Claim] = msgspec.field(default_factory=list)
    tables: list[Table] = msgspec.field(default_factory=list)
    figures: list[Figure] = msgspec.field(default_factory=list)
