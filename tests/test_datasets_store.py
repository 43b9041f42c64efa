import dataclasses
import json
import multiprocessing
import os
import time
from pathlib import Path

import datasets_fakes as fakes
import numpy as np
import pytest
from patience import PATIENCE

from kerasdl.datasets import store
from kerasdl.datasets.dataset import Dataset, Examples, content_sha256


def make(seed=0, count=30, **fields):
    parts = []
    for offset in (0, 1):
        images, labels = fakes.digits(count, (8, 8, 3), seed + offset)
        parts.append(Examples(images, labels.astype(np.int32)))
    names = tuple("0123456789")
    data = Dataset(
        "toy", "Toy – ½", *parts, names, "local", True, None, content_sha256(*parts), notes=("n",)
    )
    return dataclasses.replace(data, **fields)


def assert_same(first, second):
    for field in dataclasses.fields(Dataset):
        if field.name not in store.PARTS:
            assert getattr(first, field.name) == getattr(second, field.name), field.name
    for part in store.PARTS:
        one, other = getattr(first, part), getattr(second, part)
        if one is None:
            assert other is None
        else:
            np.testing.assert_array_equal(one.images, other.images)
            np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("validation", [False, True])
def test_a_data_set_comes_back_whole(validation):
    data = make()
    if validation:
        data = dataclasses.replace(
            data,
            validation=data.test,
            sha256=content_sha256(data.train, data.test, data.test),
            partial="30 of 40",
            partial_test="30 of 50",
        )
    store.save(data, store.path_of("toy"))
    assert_same(store.load(store.path_of("toy")), data)


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASDL_HOME", str(tmp_path / "home"))
    assert store.store_folder() == tmp_path / "home" / "datasets"
    monkeypatch.delenv("KERASDL_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert store.store_folder() == tmp_path / "xdg" / "kerasdl" / "datasets"


def damaged(path, how):
    content = path.read_bytes()
    if how == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "flipped":
        at = len(content) // 2
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    elif how == "foreign":
        np.savez(path, weights=np.zeros(3))
    elif how == "other version":
        description = np.frombuffer(json.dumps({"kerasdl_dataset": 99}).encode(), np.uint8)
        np.savez(path, description=description)
    elif how == "other pixels":  # a sound .npz with another content than its checksum says
        arrays = dict(np.load(path))
        arrays["train_images"] = arrays["train_images"] ^ 1
        np.savez(path, **arrays)
    elif how == "wrong shape":
        arrays = dict(np.load(path))
        arrays["train_images"] = arrays["train_images"][0]
        np.savez(path, **arrays)


DAMAGES = ["torn", "empty", "flipped", "foreign", "other version", "other pixels", "wrong shape"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_or_foreign_file_is_named_and_refused(how):
    path = store.path_of("toy")
    store.save(make(), path)
    damaged(path, how)
    with pytest.raises(ValueError, match=rf"{path} must be a data set prepared.*Delete the file"):
        store.load(path)


class Slow:
    """Builds a data set, counts how often, and makes it appear slow."""

    def __init__(self, monkeypatch, *, slow=True):
        self.calls = 0
        monkeypatch.setattr(store, "SLOW_SECONDS", 0.0 if slow else 100.0)

    def __call__(self):
        self.calls += 1
        return make(self.calls)


@pytest.fixture
def source(tmp_path):
    """A file that was written a minute ago."""
    path = tmp_path / "source"
    path.write_bytes(b"1")
    return path


@pytest.fixture
def settled(monkeypatch):
    monkeypatch.setattr(store, "SETTLED_SECONDS", 0.0)


@pytest.mark.usefixtures("settled")
def test_what_was_slow_is_read_once(monkeypatch, source):
    build = Slow(monkeypatch)
    first = store.cached("k", lambda: [source], build, print)
    again = store.cached("k", lambda: [source], build, print)
    assert build.calls == 1
    assert_same(first, again)
    store.cached("other", lambda: [source], build, print)
    assert build.calls == 2


@pytest.mark.usefixtures("settled")
def test_what_was_fast_is_not_kept(monkeypatch, source):
    build = Slow(monkeypatch, slow=False)
    store.cached("k", lambda: [source], build, print)
    assert not store.store_folder().exists()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", ["content", "same size and time", "another file"])
def test_a_changed_source_is_read_again(monkeypatch, source, change):
    build = Slow(monkeypatch)
    files = [source]
    store.cached("k", lambda: files, build, print)
    before = source.stat()
    if change == "content":
        source.write_bytes(b"12")
    elif change == "same size and time":
        time.sleep(0.02)  # the change of the inode must get another time stamp
        source.write_bytes(b"2")
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        files.append(source.with_name("second"))
        files[-1].write_bytes(b"3")
    store.cached("k", lambda: files, build, print)
    assert build.calls == 2
    store.cached("k", lambda: files, build, print)
    assert build.calls == 2
    assert len(list((store.store_folder() / "cache").iterdir())) == 1


def test_files_that_changed_a_moment_ago_are_not_trusted(monkeypatch, source):
    build = Slow(monkeypatch)
    source.write_bytes(b"2")
    for _ in range(2):
        store.cached("k", lambda: [source], build, print)
    assert build.calls == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_kept_file_is_told_and_made_again(monkeypatch, source, how):
    build = Slow(monkeypatch)
    store.cached("k", lambda: [source], build, print)
    (path,) = (store.store_folder() / "cache").iterdir()
    damaged(path, how)
    told = []
    store.cached("k", lambda: [source], build, told.append)
    assert build.calls == 2
    assert str(path) in told[0]
    store.cached("k", lambda: [source], build, told.append)
    assert build.calls == 2


@pytest.mark.usefixtures("settled")
def test_a_failed_build_keeps_nothing(monkeypatch, source):
    def fail():
        raise ValueError("broken")

    monkeypatch.setattr(store, "SLOW_SECONDS", 0.0)
    with pytest.raises(ValueError, match="broken"):
        store.cached("k", lambda: [source], fail, print)
    assert not store.store_folder().exists()


@pytest.mark.usefixtures("settled")
def test_a_store_that_cannot_be_written_is_told_and_does_without(monkeypatch, source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KERASDL_HOME", str(tmp_path / "file"))
    told = []
    build = Slow(monkeypatch)
    assert store.cached("k", lambda: [source], build, told.append).name == "toy"
    assert "the store cannot be written" in told[0]


def prepare(home, source, ready):
    """Prepares the same data set as the other process, as nearly at once as possible."""
    os.environ["KERASDL_HOME"] = home
    store.SLOW_SECONDS = store.SETTLED_SECONDS = 0.0
    ready.wait(PATIENCE)
    for number in range(10):
        data = store.cached(f"k{number}", lambda: [Path(source)], lambda: make(count=2000), print)
        assert data.sha256 == make(count=2000).sha256
        store.save(data, store.path_of("toy"))
        assert store.load(store.path_of("toy")).sha256 == data.sha256


def test_two_processes_preparing_at_once_do_no_harm(source):
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    home = os.environ["KERASDL_HOME"]
    processes = [context.Process(target=prepare, args=(home, source, ready)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0, 0]
    files = [path for path in Path(home).rglob("*") if path.is_file()]
    assert len(files) == 11  # and nothing half-written beside them
    for path in files:
        assert_same(store.load(path), make(count=2000))
