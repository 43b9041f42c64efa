import lzma

import datasets_fakes as fakes
import numpy as np
import pytest
from PIL import Image

from kerasdl.datasets import catalog, tfds
from kerasdl.datasets.load import load


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    monkeypatch.setattr(tfds, "fetch", lambda entry, tell: pytest.fail("asked for a download"))


@pytest.mark.parametrize("pack", [(bytes, ""), (lzma.compress, ".xz"), None])
@pytest.mark.parametrize("place", ["mnist", "mnist/raw", "MNIST/raw", ""])
def test_idx_files_are_found_and_read(tmp_path, pack, place):
    pack = pack or (__import__("gzip").compress, ".gz")
    (images, labels), (test_images, _) = fakes.write_idx_set(
        tmp_path / place, pack=pack[0], suffix=pack[1]
    )
    data = load("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(data.train.images[..., 0], images)
    np.testing.assert_array_equal(data.train.labels, labels)
    np.testing.assert_array_equal(data.test.images[..., 0], test_images)
    assert (data.source, data.verified) == ("local", False)
    assert data.label == "MNIST, partial: 30 of 60000, test partial: 20 of 10000"


def test_the_environment_names_the_folder_and_the_argument_wins(tmp_path, monkeypatch):
    fakes.write_idx_set(tmp_path / "a" / "mnist", train=30)
    fakes.write_idx_set(tmp_path / "b" / "mnist", train=40)
    monkeypatch.setenv("KERASDL_DATA", str(tmp_path / "a"))
    assert len(load("mnist").train) == 30
    assert len(load("MNIST", data_dir=str(tmp_path / "b")).train) == 40


def test_names_with_a_dot_in_place_of_a_dash_are_found(tmp_path):
    fakes.write_idx_set(tmp_path, pack=bytes, suffix="")
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(load("mnist", data_dir=tmp_path).train) == 30


def npz(path, **changes):
    arrays = {}
    for part, count in (("train", 30), ("test", 20)):
        arrays[f"x_{part}"], arrays[f"y_{part}"] = fakes.digits(count, (28, 28), count)
    np.savez_compressed(path, **{**arrays, **changes})
    return arrays


def test_keras_npz_is_read(tmp_path):
    arrays = npz(tmp_path / "mnist.npz")
    data = load("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(data.train.images[..., 0], arrays["x_train"])
    np.testing.assert_array_equal(data.test.labels, arrays["y_test"])


@pytest.mark.parametrize(
    "changes",
    [
        {"x_train": np.zeros((30, 28, 28))},
        {"x_train": np.zeros((30, 28, 27), np.uint8)},
        {"y_train": np.zeros(29, np.uint8)},
        {"y_test": np.full(20, 10, np.uint8)},
        {"y_test": np.full(20, 0.5)},
    ],
)
def test_a_wrong_keras_npz_is_refused_by_name(tmp_path, changes):
    npz(tmp_path / "mnist.npz", **changes)
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        load("mnist", data_dir=tmp_path)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    fakes.write_idx_set(tmp_path, pack=bytes, suffix="")
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(fakes.idx(np.arange(19, dtype=np.uint8) % 10))
    with pytest.raises(ValueError, match=r"t10k-labels.*one label for each of 20.*Received: 19"):
        load("mnist", data_dir=tmp_path)
    path.write_bytes(fakes.idx(np.arange(20, dtype=np.uint8)))
    with pytest.raises(ValueError, match=r"t10k-labels.*labels must be 0\.\.9.*from 0 to 19"):
        load("mnist", data_dir=tmp_path)


def test_all_checksums_right_means_verified(tmp_path, monkeypatch):
    import dataclasses
    import hashlib

    parts = fakes.write_idx_set(tmp_path / "mnist")
    sums = [hashlib.sha256(fakes.idx(array)).hexdigest() for part in parts for array in part]

    def entry(sums):
        files = [
            dataclasses.replace(file, sha256=digest)
            for file, digest in zip(catalog.MNIST.files, sums, strict=True)
        ]
        counts = {"num_train": 30, "num_test": 20}
        return dataclasses.replace(
            catalog.MNIST, train_files=tuple(files[:2]), test_files=tuple(files[2:]), **counts
        )

    monkeypatch.setitem(catalog.ENTRIES, "mnist", entry(sums))
    data = load("mnist", data_dir=tmp_path)
    assert data.verified
    assert data.label == "MNIST"
    monkeypatch.setitem(catalog.ENTRIES, "mnist", entry([*sums[:3], "0" * 64]))
    assert not load("mnist", data_dir=tmp_path).verified
    # As Fashion-MNIST they are refused: they are known to be another set's.
    monkeypatch.setitem(catalog.ENTRIES, "mnist", entry(sums))
    (tmp_path / "mnist").rename(tmp_path / "fashion_mnist")
    with pytest.raises(ValueError, match="Received: the file of MNIST"):
        load("fashion_mnist", data_dir=tmp_path)
    # Without a folder of that name it is plain that the set is not there.
    with pytest.raises(FileNotFoundError, match="Fashion-MNIST must be in"):
        load("fashion_mnist", data_dir=tmp_path / "fashion_mnist")
    assert load("mnist", data_dir=tmp_path / "fashion_mnist").verified


def test_cifar10_is_a_part_when_batches_are_missing(tmp_path):
    fakes.write_cifar(tmp_path / "cifar10" / "cifar-10-batches-py", batches=(1, 3))
    data = load("cifar10", data_dir=tmp_path)
    assert data.partial == "40 of 50000"
    np.testing.assert_array_equal(data.train.images[20:], fakes.batch(20, 3)[1])


def test_svhn_is_read_in_order(tmp_path):
    for name, count in (("train", 12), ("test", 10)):
        content, images, labels = fakes.mat(count, seed=count)
        (tmp_path / f"{name}_32x32.mat").write_bytes(content)
    data = load("svhn", data_dir=tmp_path)
    np.testing.assert_array_equal(data.test.images, images)
    np.testing.assert_array_equal(data.test.labels, labels % 10)
    assert data.label == "SVHN (cropped digits), partial: 12 of 73257, test partial: 10 of 26032"


def write_gurmukhi(root, size=(32, 32)):
    for part, count in (("train", 11), ("val", 2)):
        for digit in range(10):
            (root / part / str(digit)).mkdir(parents=True)
            for number in range(1, count + 1):
                pixels = np.zeros(size, bool)
                pixels[digit * 3, :number] = True
                pixels[0, part == "val"] = True
                path = root / part / str(digit) / f"{number}.{'bmp' if digit % 2 else 'tiff'}"
                options = {} if digit % 2 else {"compression": "group4"}
                Image.fromarray(pixels).save(path, **options)


def test_gurmukhis_val_is_the_test_part_and_bits_become_bytes(tmp_path):
    write_gurmukhi(tmp_path / "gurmukhi")
    data = load("gurmukhi", data_dir=tmp_path)
    assert data.image_shape == (32, 32, 1)
    assert (len(data.train), len(data.test)) == (110, 20)
    assert set(np.unique(data.train.images)) == {0, 255}
    # Files are in the order of their numbers: "10" follows "9".
    assert (data.train.images[11:22, 3].sum((1, 2)) // 255).tolist() == list(range(1, 12))
    assert (data.source, data.verified) == ("local", False)


def test_gurmukhi_of_another_size_is_refused(tmp_path):
    write_gurmukhi(tmp_path, size=(30, 40))
    with pytest.raises(ValueError, match=r"Gurmukhi.*Received: \(30, 40, 1\)"):
        load("gurmukhi", data_dir=tmp_path)


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_a_named_folder_without_the_set_is_an_error_that_says_what_was_looked_for(tmp_path, name):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(FileNotFoundError) as caught:
        load(name, data_dir=tmp_path)
    message = str(caught.value)
    entry = catalog.ENTRIES[name]
    assert str(tmp_path / name) in message
    assert "holiday.jpg" in message
    assert all(file.name in message for file in entry.files)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load(name, data_dir=tmp_path / "nowhere")


def test_an_incomplete_set_is_not_there(tmp_path):
    fakes.write_idx_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        load("mnist", data_dir=tmp_path)


def test_a_path_is_a_folder_of_images(tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(5):
            image = Image.new("RGB", (8, 8), (number, len(name), ord(name[0])))
            image.save(tmp_path / "pets" / name / f"{number}.png")
    monkeypatch.setenv("KERASDL_DATA", "/nowhere")  # which is about the catalog's sets
    data = load(str(tmp_path / "pets"))
    assert (data.name, data.source) == ("pets", "folder")
    monkeypatch.chdir(tmp_path)
    assert load("pets").sha256 == load("./pets").sha256 == data.sha256


def test_names_are_forgiving_and_unknown_ones_are_refused(tmp_path):
    for name in ("Fashion-MNIST", "fashion mnist", "FASHION_MNIST"):
        assert catalog.canonical(name) == "fashion_mnist"
    with pytest.raises(ValueError, match=r"one of mnist,.*Received: 'shvn'. Did you mean 'svhn'"):
        load("shvn")
    with pytest.raises(FileNotFoundError, match="no/such/folder"):
        load("no/such/folder")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(FileNotFoundError, match="Received: a file"):
        load(str(tmp_path / "file.txt"))


@pytest.mark.parametrize("damage", ["truncated", "oversized", "magic"])
def test_bad_files_are_named_and_nothing_is_kept(tmp_path, monkeypatch, damage):
    from kerasdl.datasets import store

    monkeypatch.setattr(store, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(store, "SETTLED_SECONDS", 0.0)
    fakes.write_idx_set(tmp_path, pack=bytes, suffix="")
    path = tmp_path / "train-images-idx3-ubyte"
    content = path.read_bytes()
    bad = {"truncated": content[:-5], "oversized": content + b"x", "magic": b"GIF8" + content[4:]}
    path.write_bytes(bad[damage])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        load("mnist", data_dir=tmp_path)
    assert not store.store_folder().exists()
    path.write_bytes(content)
    assert len(load("mnist", data_dir=tmp_path).train) == 30
    assert store.store_folder().exists()


def test_slow_sets_are_kept_and_never_stale(tmp_path, monkeypatch):
    from kerasdl.datasets import official, store

    monkeypatch.setattr(store, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(store, "SETTLED_SECONDS", 0.0)
    fakes.write_cifar(tmp_path)
    first = load("cifar10", data_dir=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(official, "read", lambda found: pytest.fail("read again"))
        again = load("cifar10", data_dir=tmp_path)
    assert (again.sha256, again.source) == (first.sha256, "local")
    (tmp_path / "data_batch_2").write_bytes(fakes.batch(20, 77)[0])
    assert load("cifar10", data_dir=tmp_path).sha256 != first.sha256


def test_nothing_here_imports_tensorflow_or_keras(run_python):
    script = """
import importlib, pkgutil, sys
import kerasdl.datasets
for module in pkgutil.iter_modules(kerasdl.datasets.__path__):
    importlib.import_module("kerasdl.datasets." + module.name)
from kerasdl.datasets.load import load
load("synthetic", synthetic_train=10, synthetic_test=10)
print([name for name in ("tensorflow", "keras", "tensorflow_datasets", "scipy", "matplotlib.pyplot")
       if name in sys.modules])
"""
    process = run_python("-c", script)
    assert process.stdout.strip() == "[]", process.stderr
