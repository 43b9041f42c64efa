import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import datasets_fakes as fakes
import numpy as np
import pytest

from kerasdl.datasets import archive


def tar(members, mode="w:gz"):
    """The bytes of a tar of {name or TarInfo: content}."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as written:
        for name, content in members.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            written.addfile(info, io.BytesIO(content))
    return file.getvalue()


def special(name, kind, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def read(content, name="a.tar.gz", **wanted):
        (tmp_path / name).write_bytes(content)
        return archive.read_members(tmp_path / name, wanted or {"a": 100})

    return read


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_wanted_members_are_found_in_any_folder_of_a_tar(read, mode):
    content = tar({"x/a": b"1", "x/y/b": b"22", "c": b"333"}, mode)
    assert read(content, "a.tar", a=10, b=10, z=10) == {"a": b"1", "b": b"22"}


def test_wanted_members_are_found_in_a_zip(read):
    assert read(zipped({"x/a": b"1", "c": b"333"}), "a.zip", a=10) == {"a": b"1"}


@pytest.mark.parametrize("name", ["../a", "/etc/a", "x/../../a", "C:\\a", "..\\a"])
def test_members_that_would_leave_the_folder_are_refused(read, name):
    with pytest.raises(ValueError, match="would be written elsewhere"):
        read(tar({name: b"1"}))
    with pytest.raises(ValueError, match="would be written elsewhere"):
        read(zipped({name: b"1"}), "a.zip")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(read, kind):
    with pytest.raises(ValueError, match="'evil', a link, a device"):
        read(tar({special("evil", kind, "/etc/passwd"): b"", "a": b"1"}))


def test_a_link_in_a_zip_is_refused(read):
    info = zipfile.ZipInfo("evil")
    info.external_attr = 0o120777 << 16
    with pytest.raises(ValueError, match="'evil', a link"):
        read(zipped({info: b"/etc/passwd"}), "a.zip")


@pytest.mark.parametrize(("pack", "name"), [(tar, "a.tar.gz"), (zipped, "a.zip")])
def test_a_wanted_member_above_its_limit_is_refused(read, pack, name):
    with pytest.raises(ValueError, match=r"'a' must have at most 100 bytes\. Received: 101"):
        read(pack({"a": bytes(101)}), name)


def test_a_bomb_in_an_unwanted_member_is_not_unpacked(read, monkeypatch):
    monkeypatch.setattr(archive, "OTHER_BYTES", 10**6)
    with pytest.raises(ValueError, match="at most 1000100 bytes when unpacked"):
        read(tar({"bomb": bytes(10**7), "a": b"1"}))


def test_too_many_members_are_refused(read, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    many = {f"m{number}": b"" for number in range(4)}
    for content, name in ((tar(many), "a.tar"), (zipped(many), "a.zip")):
        with pytest.raises(ValueError, match="at most 3 members"):
            read(content, name)


def test_a_member_that_stands_twice_is_refused(read):
    with pytest.raises(ValueError, match="must hold a once"):
        read(tar({"x/a": b"1", "y/a": b"2"}))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
def test_a_truncated_tar_is_refused_by_name(read, pack):
    noise = np.random.default_rng(0).bytes(50_000)
    content = pack(tar({"a": noise}, "w"))[:-30_000]
    with pytest.raises(ValueError, match=r"a\.tar\.gz"):
        read(content, a=10**5)


@pytest.mark.parametrize("content", [b"", b"hello" * 1000, bz2.compress(b"x" * 1000)])
def test_other_files_are_refused_by_name(read, content):
    with pytest.raises(ValueError, match=r"a\.tar\.gz must be a tar archive"):
        read(content)
    with pytest.raises(ValueError, match=r"a\.zip must be a zip archive"):
        read(content, "a.zip")


def test_a_damaged_zip_member_is_refused_by_name(read):
    content = bytearray(zipped({"a": np.random.default_rng(0).bytes(90)}, zipfile.ZIP_STORED))
    content[60] ^= 255
    with pytest.raises(ValueError, match=r"a\.zip must be a zip archive that can be read"):
        read(bytes(content), "a.zip")


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.xz", "zip"])
def test_cifar10_is_read_from_its_archive(tmp_path, suffix):
    from kerasdl.datasets.load import load

    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    members = {
        f"cifar-10-batches-py/{name}": fakes.batch(20, number)[0]
        for number, name in enumerate(names, 1)
    }
    mode = {"tar.gz": "w:gz", "tar.xz": "w:xz"}.get(suffix)
    content = tar(members, mode) if mode else zipped(members)
    (tmp_path / f"cifar-10-python.{suffix}").write_bytes(content)
    data = load("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(data.train.images[20:40], fakes.batch(20, 2)[1])
    np.testing.assert_array_equal(data.test.images, fakes.batch(20, 6)[1])
    assert data.partial == "100 of 50000"
    assert not data.verified
