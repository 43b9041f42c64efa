import os

import pytest

from kerasdl import files


def test_a_written_file_has_the_content_and_usual_permissions(tmp_path):
    path = tmp_path / "new folder" / "a.txt"
    files.write_text(path, "zwölf\n")
    assert path.read_text(encoding="utf-8") == "zwölf\n"
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    assert path.stat().st_mode == plain.stat().st_mode
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), files.atomic_open(path, "wb") as file:
        file.write(b"ne")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_name_appears_only_when_the_content_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    with files.atomic_open(path) as file:
        file.write("x")
        file.flush()
        assert not path.exists()
    assert path.exists()


def test_a_temporary_path_keeps_the_suffix(tmp_path):
    with files.atomic_path(tmp_path / "figure.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")


def test_a_mode_that_is_not_for_writing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: 'a'"), files.atomic_open(tmp_path / "a", "a"):
        pass


def test_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert files.sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
