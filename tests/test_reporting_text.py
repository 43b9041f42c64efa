"""How numbers and strangers' names are written."""

import markdown
import pytest

from kerasdl.record import Spread
from kerasdl.reporting import text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0.0 s"),
        (45.24, "45.2 s"),
        (59.96, "1 min 00 s"),
        (204.4, "3 min 24 s"),
        (3599.7, "1 h 00 min"),
        (3725, "1 h 02 min"),
        (90_061, "25 h 01 min"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert text.duration(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (999, "999"), (9999, "9999"), (62006, "62 006"), (23272266, "23 272 266")],
)
def test_count(value: int, expected: str) -> None:
    assert text.count(value) == expected.replace(" ", "\u202f")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12, "12"),
        (416_520, "417 k"),
        (999_900, "1.00 M"),
        (46_000_000, "46.0 M"),
        (2.519e9, "2.52 G"),
    ],
)
def test_quantity(value: float, expected: str) -> None:
    assert text.quantity(value) == expected.replace(" ", "\u202f")


def test_spreads() -> None:
    assert text.percent_spread(Spread(mean=0.91234, std=0.00138, n=3)) == "91.23 ± 0.14"
    assert text.percent_spread(Spread(mean=0.91234, std=None, n=1)) == "91.23"
    assert text.number_spread(Spread(mean=0.3456, std=0.0123, n=2), 3) == "0.346 ± 0.012"
    assert text.points(-0.0312) == "\u22123.12"
    assert text.points(0.0312) == "+3.12"
    assert [text.p_value(p) for p in (0.0004, 0.0123, 0.41)] == ["< 0.001", "0.012", "0.41"]


def test_listing() -> None:
    assert [text.listing(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_plain_takes_away_what_breaks_lines_or_turns_them() -> None:
    assert text.plain(" a\n\tb ") == "a b"
    assert text.plain("x\u202etxt.exe\x07") == "x\ufffdtxt.exe\ufffd"
    assert text.plain("ੴ 五 é") == "ੴ 五 é"
    assert text.plain("\udcff") == "\ufffd"
    assert text.plain(text.count(62006)) == "62\u202f006"
    assert text.plain("  ") == "\u2013"


HOSTILE = (
    "<b>x</b> |a| `c` *d* _e_ [f](javascript:1) ![g](h) # &amp; ~~i~~ $j$ \\ https://k.invalid"
)


def test_markdown_shows_hostile_text_as_it_is() -> None:
    import html
    import re

    shown = markdown.markdown(text.markdown(HOSTILE))
    inner = re.fullmatch(r"<p>(.*)</p>", shown, re.DOTALL)
    assert inner is not None
    # Python-Markdown keeps the backslash before characters that its dialect does not know.
    plain = re.sub(r"\\([~$@&<|])", r"\1", html.unescape(inner[1]))
    assert "<b>" not in shown
    assert "<a" not in shown
    assert "<img" not in shown
    assert plain.replace("&amp;", "&") == HOSTILE.replace("&amp;", "&")


@pytest.mark.parametrize("content", ["a", "```\nb", "`````", "c ``` d"])
def test_code_cannot_leave_its_fence(content: str) -> None:
    lines = text.fence(content, "sh").splitlines()
    ticks = lines[-1]
    assert set(ticks) == {"`"}
    assert lines[0] == ticks + "sh"
    assert ticks not in content
    span = text.code(content)
    edge = span[: len(span) - len(span.lstrip("`"))]
    assert span.count(edge) == 2
