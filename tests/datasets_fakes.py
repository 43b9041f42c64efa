"""Tiny made-up data sets in the publishers' formats, for the tests of kerasdl.datasets."""

import gzip
import pickle
import struct

import numpy as np
from PIL import Image


def digits(count, shape, seed=0):
    """Random uint8 images (count, *shape) and labels of which each of 0..9 occurs."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return images, (np.arange(count) * 7 % 10).astype(np.uint8)


def idx(array):
    """The bytes of an idx file."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx_set(folder, train=30, test=20, pack=gzip.compress, suffix=".gz"):
    """Writes the four files of MNIST; returns ((images, labels), (images, labels))."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = digits(train, (28, 28), 1), digits(test, (28, 28), 2)
    for name, (images, labels) in zip(("train", "t10k"), parts, strict=True):
        for what, array in (("images-idx3", images), ("labels-idx1", labels)):
            (folder / f"{name}-{what}-ubyte{suffix}").write_bytes(pack(idx(array)))
    return parts


def python2_batch(data, labels):
    """The bytes that Python 2 wrote for {"data": uint8 array, "labels": list}, protocol 2."""

    def string(text):
        return b"U" + bytes([len(text)]) + text

    array = b"".join(
        (
            b"cnumpy.core.multiarray\n_reconstruct\n",
            b"cnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R",
            b"(K\x01M" + struct.pack("<H", data.shape[0]) + b"M" + struct.pack("<H", data.shape[1]),
            b"\x86cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R",
            b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<i", data.size) + data.tobytes() + b"tb",
        )
    )
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    items = string(b"labels") + listed + string(b"data") + array
    return b"\x80\x02}(" + items + b"u."


def batch(count=20, seed=0):
    """One CIFAR-10 batch: (bytes, images (count, 32, 32, 3), labels)."""
    images, labels = digits(count, (32, 32, 3), seed)
    planes = images.transpose(0, 3, 1, 2).reshape(count, -1)
    return python2_batch(planes, labels.tolist()), images, labels


def write_cifar(folder, batches=(1, 2, 3, 4, 5), count=20):
    """Writes CIFAR-10 batches and the test batch."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in batches:
        (folder / f"data_batch_{number}").write_bytes(batch(count, number)[0])
    (folder / "test_batch").write_bytes(batch(count, 9)[0])


def mat(count=12, seed=0, compress=True, **variables):
    """The bytes of an SVHN file, with its images (32, 32, 3, n) and labels 1..10."""
    import io

    from scipy.io import savemat

    images, labels = digits(count, (32, 32, 3), seed)
    labels[labels == 0] = 10
    content = {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None], **variables}
    file = io.BytesIO()
    savemat(file, content, do_compression=compress)
    return file.getvalue(), images, labels


class Evil:
    """Pickles to a call of os.system."""

    def __reduce__(self):
        import os

        return os.system, ("touch kerasdl-was-here",)


def evil_pickle():
    """A pickle in place of a batch that would run a command."""
    return pickle.dumps({"data": Evil(), "labels": [1]}, protocol=2)


def write_bands(root, parts, side, suffix="png"):
    """Writes folders of gray images of three classes: the class is where the bright band is.

    Args:
        root: Gets a folder for each part, with one for each class.
        parts: Images of each class, by the name of the part.
        side: Height and width in pixels.
        suffix: The files' format.
    """
    generator = np.random.default_rng(0)
    band = side // 3
    for part, count in parts.items():
        for label in range(3):
            folder = root / part / str(label)
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 120, (side, side), dtype=np.uint8)
                pixels[band * label : band * (label + 1)] += 100
                Image.fromarray(pixels).save(folder / f"{i}.{suffix}")
    return root
