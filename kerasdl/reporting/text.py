"""How numbers and names are written for people.

Names of classes and folders come from strangers: they may hold HTML, Markdown,
control characters, or scripts that change the direction of the line.
"""

import math
import re
import unicodedata

from kerasdl.record import Spread

THIN = "\u202f"  # narrow no-break space, between groups of digits
MINUS = "\u2212"
NOTHING = "\u2013"

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&!$@])")


def plain(name: str) -> str:
    """Returns a name as one line without control characters.

    Args:
        name: Any text; line breaks become spaces, other control characters and
            those that turn the direction of writing become the replacement
            character.
    """
    kept = []
    for character in _BREAKS.sub(" ", name).strip(" "):
        category = unicodedata.category(character)
        bidi = unicodedata.bidirectional(character) in _DIRECTION
        kept.append("\ufffd" if category in ("Cc", "Cs") or bidi else character)
    return "".join(kept) or NOTHING


# Not all white space: narrow no-break spaces belong to our own numbers.
_BREAKS = re.compile("[\\t\\n\\v\\f\\r\\x1c-\\x1f\\x85\\u2028\\u2029 ]+")
_DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def shorten(name: str, limit: int) -> str:
    """Returns `name` cut to at most `limit` characters, with an ellipsis where cut."""
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "\u2026"


def markdown(text: str) -> str:
    """Returns text that Markdown shows as it is, on one line, also in a table's cell."""
    return _MARKDOWN.sub(r"\\\1", plain(text))


def code(words: str) -> str:
    """Returns a code span on one line that its content cannot close."""
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", words)), default=0) + 1)
    edge = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{ticks}{edge}{plain(words)}{edge}{ticks}"


def fence(code: str, language: str = "") -> str:
    """Returns a fenced code block that its content cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{code.rstrip()}\n{ticks}"


def percent(share: float) -> str:
    """Returns 0..1 as percent with two decimals, without the sign: "91.23"."""
    return f"{share * 100:.2f}"


def percent_spread(spread: Spread) -> str:
    """Returns "91.23 ± 0.14", or "91.23" for one seed."""
    if spread.std is None:
        return percent(spread.mean)
    return f"{percent(spread.mean)} ± {percent(spread.std)}"


def number_spread(spread: Spread, digits: int) -> str:
    """Returns mean ± deviation with `digits` decimals."""
    if spread.std is None:
        return f"{spread.mean:.{digits}f}"
    return f"{spread.mean:.{digits}f} ± {spread.std:.{digits}f}"


def points(difference: float) -> str:
    """Returns a difference of shares (-1..1) in percentage points, signed: "+3.10"."""
    return f"{difference * 100:+.2f}".replace("-", MINUS)


def count(value: int) -> str:
    """Returns a whole number in groups of three digits."""
    return f"{value:,}".replace(",", THIN if abs(value) >= 10_000 else "")


def quantity(value: float) -> str:
    """Returns three significant digits with a unit prefix: "555 M"."""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size * 0.9995:
            scaled = float(f"{value / size:.3g}")
            digits = max(0, 2 - math.floor(math.log10(scaled)))
            return f"{scaled:.{digits}f}{THIN}{prefix}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """Returns a time as "45.2 s", "3 min 24 s" or "1 h 02 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def p_value(p: float) -> str:
    """Returns "0.012" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def listing(names: list[str]) -> str:
    """Returns "a", "a and b" or "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
