"""ruff and mypy are clean, the package's data files are in the wheel, versions agree."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

import kerasdl

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_checkers_are_clean(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_templates_and_the_type_marker_are_package_data():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options.package_data"]["kerasdl"].split()
    found = {
        path.relative_to(ROOT / "kerasdl").as_posix()
        for path in (ROOT / "kerasdl").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    matched = {
        path.relative_to(ROOT / "kerasdl").as_posix()
        for pattern in listed
        for path in (ROOT / "kerasdl").glob(pattern)
    }
    assert found == matched


def test_the_changelog_has_this_version():
    assert f"## {kerasdl.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_files_stay_readable():
    for path in (ROOT / "kerasdl").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= 320, f"{path.name} has {lines} lines: split it"
