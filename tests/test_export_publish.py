"""A version appears whole or not at all, once."""

import pytest

from kerasdl.export import publish


def write(folder, text="x"):
    (folder / "variables").mkdir()
    (folder / "variables" / "data").write_text(text)


def test_versions_follow_each_other_and_others_are_left_alone(tmp_path):
    base = tmp_path / "saved_models" / "svhn"
    for expected in ("1", "2"):
        with publish.staging(base) as folder:
            assert folder.parent == base
            assert not folder.name.isdigit()  # no server takes it for a version
            write(folder)
            published = publish.publish(folder, None)
        assert published == base / expected
    (base / "notes").mkdir()
    (base / "2x").mkdir()
    (base / "7").mkdir()
    assert publish.versions(base) == [1, 2, 7]
    assert publish.choose_version(base, None) == 8
    assert (base / "1" / "variables" / "data").read_text() == "x"
    assert (base / "1").stat().st_mode & 0o777 == (base / "notes").stat().st_mode & 0o777


def test_a_version_is_never_overwritten(tmp_path):
    (tmp_path / "3").mkdir()
    with pytest.raises(ValueError, match=r"is there already.*leave --version out for 4"):
        publish.choose_version(tmp_path, 3)
    with publish.staging(tmp_path) as folder:
        write(folder)
        (tmp_path / "4").mkdir()  # another export, meanwhile; empty, so that a rename would do
        with pytest.raises(ValueError, match="is there already"):
            publish.publish(folder, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]
    assert list((tmp_path / "4").iterdir()) == []


@pytest.mark.parametrize("version", [0, -1, 2**63])
def test_a_version_is_a_positive_number(tmp_path, version):
    with pytest.raises(ValueError, match="a version is a number from 1"):
        publish.choose_version(tmp_path, version)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "x" * 62, "é", "a\n"])
def test_a_name_is_part_of_a_path_and_of_a_url(name):
    with pytest.raises(ValueError, match="a model's name has letters"):
        publish.check_name(name)


def test_a_failure_leaves_nothing(tmp_path):
    base = tmp_path / "saved_models" / "svhn"

    def fail():
        with publish.staging(base) as folder:
            write(folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
    base.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(base.iterdir()) == []


def test_what_a_killed_export_left_is_removed_and_a_living_one_is_not(tmp_path):
    left = tmp_path / f"{publish.STAGING}dead"
    left.mkdir()
    write(left)
    with publish.staging(tmp_path) as first, publish.staging(tmp_path) as second:
        assert first != second
        assert sorted(tmp_path.iterdir()) == sorted([first, second])
