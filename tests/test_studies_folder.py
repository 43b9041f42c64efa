"""The run folder after a kill at a bad moment."""

import contextlib

import pytest

from kerasdl import files
from kerasdl.studies.folder import choose, locked


def leave_half(path):
    """Leaves what a process leaves that is killed while it writes `path`."""
    with contextlib.suppress(RuntimeError), files.atomic_path(path) as temporary:
        copy = temporary.read_bytes()
        raise RuntimeError
    temporary.write_bytes(copy)  # an exception, unlike a kill, has removed it
    return temporary


@pytest.mark.parametrize("name", ["recipe.toml", "results.json"])
def test_a_run_killed_in_its_first_write_goes_on_in_its_folder(tmp_path, name):
    out = tmp_path / "run"
    left = leave_half(out / name)
    assert left.exists()
    assert choose(str(out), "svhn", {}, "") == out
    with locked(out):
        assert not left.exists()


def test_half_files_are_removed_and_nothing_else(tmp_path):
    mine = [tmp_path / ".vscode.settings.json", tmp_path / ".results.json", tmp_path / "models"]
    mine[2].mkdir()
    for path in mine[:2]:
        path.write_text("mine")
    half = [
        leave_half(tmp_path / name)
        for name in ("predictions.npz", "README.md", "models/a-seed0.keras", "figures/a.png")
    ]
    with locked(tmp_path):
        assert not any(path.exists() for path in half)
    assert all(path.exists() for path in mine)
    with pytest.raises(ValueError, match="new or empty folder"):
        choose(str(tmp_path), "svhn", {}, "")
