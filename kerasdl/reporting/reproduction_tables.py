"""A repeated experiment or search beside its record, on the console."""

from kerasdl.evaluation.agreement import Figure
from kerasdl.evaluation.agreement_tables import Compared
from kerasdl.evaluation.reproduction import Verdict
from kerasdl.reporting import text

SHOWN = 12
"""Lines of one kind at most; reproduction.json has all."""


def sentence(verdict: Verdict, found: Compared) -> str:
    """Returns the verdict in one or two sentences.

    Args:
        verdict: What `reproduction.decide_tables` says.
        found: The comparison.
    """
    outside = [one.name for one in found.judged if one.inside is False]
    if verdict == "not reproduced":
        return f"NOT reproduced: outside the prediction interval of the record: {_some(outside)}."
    if verdict == "not confirmed":
        return (
            "NOT confirmed: what differs has no spread in the record to judge it by: "
            f"{_some([f'{cell.table}: {cell.row}: {cell.column}' for cell in found.differing])}."
        )
    if not found.judged and not found.differing:
        return (
            f"Reproduced: {text.count(found.equal)} of {text.count(found.equal)} cells are equal."
        )
    return (
        f"Reproduced: {text.count(found.equal)} cells are equal, and {len(found.judged)} numbers "
        "lie where the spread of the record lets one expect them."
    )


def lines(found: Compared) -> list[str]:
    """Returns what is not equal, a line each; the longest lists are cut.

    Args:
        found: The comparison.
    """
    told = [_judged(one) for one in sorted(found.judged, key=lambda one: one.inside is True)]
    rest = [
        f"differs: {cell.table}: {cell.row}: {cell.column}: {_value(cell.record)} -> "
        f"{_value(cell.now)}"
        for cell in found.differing
    ]
    return [*_cut(told), *_cut(rest)]


def _judged(one: Figure) -> str:
    word = {True: "inside", False: "OUTSIDE", None: "not known"}[one.inside]
    low, high = one.interval or (float("nan"), float("nan"))
    return (
        f"{word}: {one.name}: {one.record.mean:.4g} -> {one.now.mean:.4g} "
        f"(expected {low:.4g} to {high:.4g})"
    )


def _value(value: object) -> str:
    if value is None:
        return text.NOTHING
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _cut(told: list[str]) -> list[str]:
    more = len(told) - SHOWN
    return told if more <= 0 else [*told[:SHOWN], f"... and {more} more in reproduction.json"]


def _some(names: list[str]) -> str:
    more = len(names) - 3
    return "; ".join(names[:3]) + (f"; and {more} more" if more > 0 else "")
