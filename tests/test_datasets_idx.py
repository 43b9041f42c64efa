import gzip
import lzma

import datasets_fakes as fakes
import numpy as np
import pytest

from kerasdl.datasets import idx, npz
from kerasdl.datasets.compressed import read_unpacked


def parse(content, item_shape=(28, 28), max_items=100):
    return idx.parse(content, "some-file", item_shape=item_shape, max_items=max_items)


def test_values_and_shape_come_back():
    images, labels = fakes.digits(5, (28, 28))
    np.testing.assert_array_equal(parse(fakes.idx(images)), images)
    np.testing.assert_array_equal(parse(fakes.idx(labels), ()), labels)


def test_header_is_what_stands_before_the_values():
    images, _ = fakes.digits(5, (28, 28))
    assert fakes.idx(images) == idx.header(images.shape) + images.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Received: an empty file"),
        (b"\x89PNG" + bytes(100), "begins with 00000803. Received: 89504e47"),
        (fakes.idx(np.zeros(5, np.uint8)), "begins with 00000803. Received: 00000801"),
        (fakes.idx(np.zeros((5, 28, 28), np.uint8))[:10], "truncated: an idx header has 16"),
        (fakes.idx(np.zeros((5, 28, 28), np.uint8))[:-1], "truncated.*3920.*Received: 3919"),
        (fakes.idx(np.zeros((5, 28, 28), np.uint8)) + b"x", "bytes after its end"),
        (fakes.idx(np.zeros((5, 14, 56), np.uint8)), "Received: 5 items of shape .14, 56"),
        (fakes.idx(np.zeros((101, 28, 28), np.uint8)), "1 to 100 items.*Received: 101"),
        (idx.header((2**32 - 1, 28, 28)), "1 to 100 items"),
        (fakes.idx(np.zeros((0, 28, 28), np.uint8)), "1 to 100 items.*Received: 0"),
    ],
)
def test_other_files_are_refused_by_name(content, message):
    with pytest.raises(ValueError, match=f"some-file(?s:.)*{message}"):
        parse(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_the_compression_is_told_by_the_content_not_the_name(tmp_path, pack):
    path = tmp_path / "x.gz"
    path.write_bytes(pack(b"abc" * 1000))
    assert read_unpacked(path, 3000) == b"abc" * 1000


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_bomb_is_not_unpacked_past_the_limit(tmp_path, pack):
    path = tmp_path / "x"
    path.write_bytes(pack(bytes(10**6)))
    with pytest.raises(ValueError, match=r"x must hold at most 999999 bytes"):
        read_unpacked(path, 10**6 - 1)
    assert len(read_unpacked(path, 10**6)) == 10**6


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_truncated_and_damaged_files_are_named(tmp_path, pack):
    packed = pack(np.random.default_rng(0).bytes(100_000))
    path = tmp_path / "x"
    path.write_bytes(packed[:-30_000])
    with pytest.raises(ValueError, match="x is truncated"):
        read_unpacked(path, 10**6)
    path.write_bytes(packed[:50_000] + bytes(1000) + packed[51_000:])
    with pytest.raises(ValueError, match=r"x (cannot be unpacked|is truncated)"):
        read_unpacked(path, 10**6)


def test_npz_arrays_come_back_in_either_order(tmp_path):
    values = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    np.savez_compressed(tmp_path / "a.npz", a=values, b=np.asfortranarray(values))
    arrays = npz.read_npz(tmp_path / "a.npz", ["a", "b"], 10_000)
    np.testing.assert_array_equal(arrays["a"], values)
    np.testing.assert_array_equal(arrays["b"], values)


def test_npz_with_python_objects_is_not_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", a=np.array([fakes.Evil()], object))
    with pytest.raises(ValueError, match="array of numbers"):
        npz.read_npz("a.npz", ["a"], 10_000)
    assert not (tmp_path / "kerasdl-was-here").exists()


def test_npz_too_large_missing_and_damaged(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.zeros(10**6, np.uint8))
    with pytest.raises(ValueError, match=r"at most 1000 bytes. Received: 1000128"):
        npz.read_npz(path, ["a"], 1000)
    with pytest.raises(ValueError, match=r"must hold the arrays b.*Received: .*a.npy"):
        npz.read_npz(path, ["b"], 10**7)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"must be a .npz file"):
        npz.read_npz(path, ["a"], 10**7)


def test_an_announced_shape_that_the_bytes_do_not_have_is_refused_before_allocation(tmp_path):
    import io
    import zipfile

    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", file.getvalue() + b"abc")
    with pytest.raises(ValueError, match=r"1099511627776 bytes. Received: 3 bytes"):
        npz.read_npz(tmp_path / "a.npz", ["a"], 10_000)
