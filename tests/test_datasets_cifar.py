import pickle
import struct

import datasets_fakes as fakes
import numpy as np
import pytest

from kerasdl.datasets import cifar


def test_a_python2_batch_gives_images_and_labels():
    content, images, labels = fakes.batch(20)
    got_images, got_labels = cifar.parse(content, "b")
    np.testing.assert_array_equal(got_images, images)
    np.testing.assert_array_equal(got_labels, labels)
    assert got_labels.dtype == np.int32
    assert got_images.flags.c_contiguous


def test_a_foreign_global_is_named_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"some_batch.*global (posix|nt|os)\.system.*not run"):
        cifar.parse(fakes.evil_pickle(), "some_batch")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["eval", "getattr", "__import__"])
def test_builtins_are_foreign_too(name):
    content = f"\x80\x02cbuiltins\n{name}\nU\x0112\x85R.".encode("latin-1")
    with pytest.raises(ValueError, match="b must be a CIFAR-10 python batch"):
        cifar.parse(content, "b")


def test_a_memo_index_of_gigabytes_is_not_followed():
    content = b"\x80\x02}r\xff\xff\xff\x7f."
    with pytest.raises(ValueError, match="memo index 2147483647"):
        cifar.parse(content, "b")


def test_numpy_is_not_asked_for_other_dtypes():
    content = fakes.batch(2)[0].replace(b"U\x02u1", b"U\x02O8")
    with pytest.raises(ValueError, match="unsigned bytes"):
        cifar.parse(content, "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "python batch"),
        (b"hello", "python batch"),
        (fakes.batch(3)[0][:-200], "python batch"),
        (pickle.dumps([1, 2], protocol=2), "pickled dict.*Received: list"),
        (pickle.dumps({"labels": [1]}, protocol=2), "`data` must be.*Received: NoneType"),
        (fakes.python2_batch(np.zeros((2, 3071), np.uint8), [1, 2]), r"Received: uint8 \(2, 3071"),
        (fakes.python2_batch(np.zeros((2, 3072), np.uint8), [1]), "list of 2.*Received: 1 labels"),
        (fakes.python2_batch(np.zeros((2, 3072), np.uint8), [1, 10]), r"0\.\.9. Received: 10"),
    ],
)
def test_other_content_is_refused_by_name(content, message):
    with pytest.raises(ValueError, match=f"some_batch.*{message}"):
        cifar.parse(content, "some_batch")


def test_a_shape_the_bytes_do_not_have_is_refused():
    content = fakes.batch(2)[0]
    wrong = content.replace(b"M" + struct.pack("<H", 2) + b"M", b"M\xff\xffM")
    assert wrong != content
    with pytest.raises(ValueError, match="damaged pickle"):
        cifar.parse(wrong, "b")


def test_more_images_than_a_batch_has_are_refused():
    with pytest.raises(ValueError, match="n from 1 to 3"):
        cifar.parse(fakes.batch(4)[0], "b", max_items=3)
