"""docs/reports.md knows every row that code and records name; its links and commands are right."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["CONTRIBUTING.md", "docs/architecture.md", "docs/reports.md"]
REPORTS = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")


def rows():
    """The number of each row and its report, as the page has them."""
    found = {}
    for report, part in re.findall(
        r"^## ([A-E])\n(.*?)(?=^## )", REPORTS, re.DOTALL | re.MULTILINE
    ):
        found.update(dict.fromkeys(re.findall(r"^\| (\d+) \|", part, re.MULTILINE), report))
    return found


def test_every_row_that_is_named_is_in_the_page():
    known = rows()
    assert list(known) == [str(number) for number in range(1, 18)]
    named = set()
    for room in ("kerasdl", "apps", "tuning"):
        for path in (ROOT / room).rglob("*"):
            if path.suffix in (".py", ".md"):
                text = path.read_text(encoding="utf-8")
                named.update(re.findall(r"\b([A-E])(?:'s|,) row (\d+)", text))
                named.update((known[row], row) for row in re.findall(r"\b[Rr]ow (\d+) of", text))
    assert len(named) > 8
    assert {(report, row) for report, row in named if known.get(row) != report} == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target


COMMANDS = sorted(set(re.findall(r"`python -m (kerasdl\.[^`]+)`", REPORTS)))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command, capsys):
    module, *arguments = shlex.split(command)
    if module == "kerasdl.export":
        module = "kerasdl.export.__main__"
    # Only what is there by intent is not understood: nothing runs.
    with pytest.raises(SystemExit) as end:
        importlib.import_module(module).main([*arguments, "--no-such-option"])
    assert end.value.code == 2
    assert "unknown option '--no-such-option'" in capsys.readouterr().err
