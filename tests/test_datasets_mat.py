import io
import struct
import zlib

import datasets_fakes as fakes
import numpy as np
import pytest
from scipy.io import savemat

from kerasdl.datasets import mat


def parse(content, max_items=100, limit=10**6):
    return mat.parse(content, "some.mat", max_items=max_items, limit=limit)


def with_element(content, kind, payload):
    return content[:128] + struct.pack("<2I", kind, len(payload)) + payload


@pytest.mark.parametrize("compress", [True, False])
def test_images_keep_their_order_and_label_10_becomes_0(compress):
    content, images, labels = fakes.mat(12, compress=compress)
    assert 10 in labels
    got_images, got_labels = parse(content)
    np.testing.assert_array_equal(got_images, images)
    np.testing.assert_array_equal(got_labels, labels % 10)
    assert got_labels.dtype == np.int32


def test_labels_saved_as_doubles_are_read():
    content, _, labels = fakes.mat(12, y=np.arange(1.0, 13.0)[:, None] % 10 + 1)
    _, got = parse(content)
    assert got.tolist() == [int(k % 10 + 1) % 10 for k in range(1, 13)]
    assert len(labels) == 12


@pytest.mark.parametrize("label", [0, 11])
def test_labels_out_of_range_are_refused(label):
    y = np.full((12, 1), 3, np.uint8)
    y[4] = label
    with pytest.raises(ValueError, match=r"some.mat: the labels y must be integers 1\.\.10"):
        parse(fakes.mat(12, y=y)[0])


def test_fractional_labels_are_refused():
    with pytest.raises(ValueError, match=r"integers 1\.\.10"):
        parse(fakes.mat(12, y=np.full((12, 1), 2.5))[0])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 4), np.uint8)}, r"y, numbers \(4, 1\). Received: uint8 .12, 1"),
        ({"X": np.zeros((28, 28, 3, 12), np.uint8)}, r"X, uint8 .32, 32, 3, n.*\(28, 28, 3, 12"),
        ({"X": np.zeros((32, 32, 3, 12))}, "X, uint8.*Received: double"),
        ({"X": np.zeros((32, 32, 3, 101), np.uint8)}, "1 to 100 images. Received: 101"),
        ({"y": np.array([[{"a": 1}] * 12], object)}, "y, numbers.*Received: cell"),
    ],
)
def test_wrong_variables_are_refused_before_they_are_read(variables, message):
    with pytest.raises(ValueError, match=f"some.mat.*{message}"):
        parse(fakes.mat(12, **variables)[0])


def test_a_missing_variable_is_named():
    file = io.BytesIO()
    savemat(file, {"X": np.zeros((32, 32, 3, 2), np.uint8)})
    with pytest.raises(ValueError, match=r"must hold y.*Received: missing"):
        parse(file.getvalue())


@pytest.mark.parametrize("cut", [0, 5, 127, 130, 135, 300, -1])
def test_truncated_files_are_refused(cut):
    with pytest.raises(ValueError, match=r"some.mat"):
        parse(fakes.mat(12)[0][:cut])


def test_other_formats_are_refused():
    with pytest.raises(ValueError, match="MATLAB 5 file, which begins with"):
        parse(b"\x89PNG\r\n" + bytes(500))
    with pytest.raises(ValueError, match="Save it in MATLAB with -v7"):
        parse(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(500))


def test_a_zlib_bomb_is_not_unpacked_past_the_limit():
    content = fakes.mat(12)[0]
    bomb = zlib.compress(struct.pack("<2I", 14, 10**8) + bytes(10**8), 9)
    assert len(bomb) < 10**6
    with pytest.raises(ValueError, match=r"some.mat must unpack to at most 1000000"):
        parse(with_element(content, 15, bomb))


def test_a_compressed_element_that_lies_about_its_size_is_refused():
    content = fakes.mat(12)[0]
    packed = zlib.compress(struct.pack("<2I", 14, 2**31) + bytes(100))
    with pytest.raises(ValueError, match="one matrix in each compressed element"):
        parse(with_element(content, 15, packed))


def test_elements_that_are_no_matrix_are_refused():
    with pytest.raises(ValueError, match="Received: an element of type 9"):
        parse(with_element(fakes.mat(12)[0], 9, bytes(8)))


def test_dimensions_that_the_data_do_not_have_are_refused():
    content = fakes.mat(12, compress=False)[0]
    dims = struct.pack("<4i", 32, 32, 3, 12)
    assert content.count(dims) == 1
    lying = content.replace(dims, struct.pack("<4i", 32, 32, 3, 99))
    lying = lying.replace(struct.pack("<2i", 12, 1), struct.pack("<2i", 99, 1))
    with pytest.raises(ValueError, match=r"some.mat"):
        parse(lying)
