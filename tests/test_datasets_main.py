import datasets_fakes as fakes
import numpy as np
import pytest

from kerasdl.datasets import store, tfds
from kerasdl.datasets.__main__ import main
from kerasdl.datasets.load import load


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(tfds, "is_reachable", lambda url: False)
    monkeypatch.setenv("COLUMNS", "400")


def test_help_is_fast_and_needs_nothing(run_python):
    process = run_python("-X", "importtime", "-m", "kerasdl.datasets", "--help")
    assert process.returncode == 0
    assert "where" in process.stdout
    for module in ("tensorflow", "keras", "scipy", "numpy", "PIL"):
        assert f" {module}\n" not in process.stderr


def test_where_names_source_and_store(tmp_path, capsys):
    fakes.write_idx_set(tmp_path / "data" / "mnist")
    assert main(["where", "--data", str(tmp_path / "data")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("MNIST" in line and "official files" in line for line in lines)
    assert any("svhn" in line and "does not have it" in line for line in lines)
    assert str(store.store_folder()) in lines[-1]
    assert "0.0 MB" in lines[-1]


def test_where_without_a_folder_looks_in_the_store_and_does_not_download(capsys, monkeypatch):
    monkeypatch.setattr(tfds, "is_reachable", lambda url: pytest.fail("asked the network"))
    store.store_folder().mkdir(parents=True)
    store.path_of("svhn").write_bytes(b"torn")
    assert main(["where"]) == 0
    out = capsys.readouterr().out
    assert "TensorFlow Datasets, a download" in out
    assert "the store's file is damaged" in out


def test_import_prepares_the_store(tmp_path, capsys):
    fakes.write_idx_set(tmp_path / "data" / "mnist")
    fakes.write_cifar(tmp_path / "data" / "cifar10")
    assert main(["import", str(tmp_path / "data")]) == 0
    out = capsys.readouterr().out
    assert "MNIST, partial: 30 of 60000" in out
    data = load("mnist")
    assert (data.source, len(data.train), data.partial) == ("store", 30, "30 of 60000")
    assert load("cifar10").source == "store"
    assert main(["where"]) == 0
    assert "2 imported or downloaded (cifar10, mnist)" in capsys.readouterr().out


def test_import_of_a_bad_file_leaves_the_store_as_it_was(tmp_path, capsys):
    fakes.write_idx_set(tmp_path / "mnist", pack=bytes, suffix="")
    assert main(["import", str(tmp_path)]) == 0
    before = store.path_of("mnist").read_bytes()
    path = tmp_path / "mnist" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    capsys.readouterr()
    assert main(["import", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"python -m kerasdl.datasets: error: {path} is truncated")
    assert captured.err.count("\n") == 1
    assert store.path_of("mnist").read_bytes() == before
    assert [file.name for file in store.store_folder().iterdir()] == ["mnist.npz"]


def test_import_does_not_guess_between_sets_with_the_same_file_names(tmp_path, capsys):
    fakes.write_idx_set(tmp_path / "downloads")
    assert main(["import", str(tmp_path / "downloads")]) == 2
    assert "named as their data set: mnist or fashion_mnist" in capsys.readouterr().err
    assert not store.store_folder().exists()
    (tmp_path / "downloads").rename(tmp_path / "fashion_mnist")
    assert main(["import", str(tmp_path / "fashion_mnist")]) == 0
    assert [file.name for file in store.store_folder().iterdir()] == ["fashion_mnist.npz"]


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_import_without_data_says_what_it_looked_for(tmp_path, capsys, folder):
    (tmp_path / "empty").mkdir()
    assert main(["import", str(tmp_path / folder)]) == 2
    err = capsys.readouterr().err
    assert str(tmp_path / folder) in err
    assert folder == "nowhere" or "train_32x32.mat" in err


def test_verify_reports_counts_labels_and_duplicates(tmp_path, capsys):
    images, labels = fakes.digits(20, (28, 28))
    folder = tmp_path / "mnist"
    fakes.write_idx_set(folder, pack=bytes, suffix="")
    images[3] = images[2]
    (folder / "train-images-idx3-ubyte").write_bytes(fakes.idx(images))
    (folder / "train-labels-idx1-ubyte").write_bytes(fakes.idx(labels))
    (folder / "t10k-images-idx3-ubyte").write_bytes(fakes.idx(images[1:3]))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(fakes.idx(labels[1:3]))
    assert main(["verify", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "20 of 60000" in out
    assert "10 classes of 2 to 3" in out
    assert "1 in train, 0 in test, 2 of test in train, 1 with other labels" in out


def test_verify_finds_wrong_content_of_a_whole_set(tmp_path, capsys, monkeypatch):
    import dataclasses

    from kerasdl.datasets import catalog

    entry = dataclasses.replace(catalog.MNIST, num_train=30, num_test=20)
    monkeypatch.setitem(catalog.ENTRIES, "mnist", entry)
    fakes.write_idx_set(tmp_path)
    assert main(["verify", "mnist", "--data", str(tmp_path)]) == 1
    assert "NOT the official ones" in capsys.readouterr().out


def test_verify_misses_a_class(tmp_path, capsys):
    fakes.write_idx_set(tmp_path, pack=bytes, suffix="")
    for name, count in (("train", 30), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 9
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(fakes.idx(labels))
    assert main(["verify", "mnist", "--data", str(tmp_path)]) == 1
    assert "NONE of 9" in capsys.readouterr().out


def test_verify_names_a_bad_file_and_goes_on(tmp_path, capsys):
    fakes.write_cifar(tmp_path / "cifar10")
    fakes.write_idx_set(tmp_path / "mnist", pack=bytes, suffix="")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(b"oops")
    assert main(["verify", "--data", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "error: mnist: " in captured.err
    assert "train-labels-idx1-ubyte" in captured.err
    assert "cifar10" in captured.out


def test_verify_of_what_is_not_at_hand(tmp_path, capsys):
    assert main(["verify"]) == 2
    assert main(["verify", "svhn"]) == 2
    assert main(["verify", "svhn", "--data", str(tmp_path)]) == 2
    assert main(["verify", "shvn"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "No data set is at hand" in lines[0]
    assert "SVHN" in lines[1]
    assert "train_32x32.mat" in lines[2]
    assert "NAME must be one of mnist" in lines[3]


def test_verify_reads_the_store(tmp_path, capsys):
    fakes.write_idx_set(tmp_path / "mnist")
    main(["import", str(tmp_path)])
    assert main(["verify"]) == 0
    assert str(store.path_of("mnist")) in capsys.readouterr().out.replace("\n", "")


def test_an_unknown_command_is_refused_by_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["polish"])
    assert caught.value.code == 2
    assert "where" in capsys.readouterr().err
