import multiprocessing
import os
import threading
import time

import numpy as np
import pytest
from patience import PATIENCE

from kerasdl.training.features import cache as module
from kerasdl.training.features import entry
from kerasdl.training.features.cache import FeatureCache, default_folder, default_limit
from kerasdl.training.sizes import format_size, parse_size

KEY = {"network": {"base": "toy"}, "images": 1}
ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


class Source:
    """Gives rows four at a time, and counts."""

    def __init__(self, rows=ROWS, fail_at=None, error=KeyboardInterrupt):
        self.rows, self.fail_at, self.error = rows, fail_at, error
        self.begun, self.given = [], 0

    def __call__(self, first):
        self.begun.append(first)
        for start in range(first, len(self.rows), 4):
            if start == self.fail_at:
                raise self.error("stopped")
            self.given += 4
            yield self.rows[start : start + 4]


@pytest.fixture(autouse=True)
def forget_what_was_verified():
    module._verified.clear()


@pytest.fixture
def said():
    return []


@pytest.fixture
def cache(tmp_path, said):
    return FeatureCache(tmp_path / "features", notify=said.append)


def get(cache, source, key=KEY):
    return cache.get(key, source.rows.dtype.name, source.rows.shape, source)


def only_file(cache):
    (one,) = cache.entries()
    return one.path


@pytest.mark.parametrize("dtype", entry.DTYPES)
def test_features_are_computed_once_and_mapped(cache, dtype):
    source = Source(ROWS.astype(entry.dtype_of(dtype)))
    first, again = get(cache, source), get(cache, source)
    assert source.begun == [0]
    for found in (first, again):
        assert found.dtype == source.rows.dtype
        np.testing.assert_array_equal(found.astype(np.float32), ROWS)
        assert not found.flags.writeable
        assert not found.flags.owndata
    assert only_file(cache).stat().st_size % entry.ALIGNMENT == ROWS.size * first.itemsize % 64


def test_another_key_is_another_entry(cache):
    other = Source(ROWS + 1)
    get(cache, Source())
    np.testing.assert_array_equal(get(cache, other, {**KEY, "images": 2}), ROWS + 1)
    assert len(cache.entries()) == 2
    assert cache.size == sum(path.stat().st_size for path in cache.folder.iterdir())


def damage(path, what):
    content = bytearray(path.read_bytes())
    if what == "flipped bit":
        content[-1] ^= 1
    elif what == "cut short":
        del content[-1]
    elif what == "longer":
        content += b"\0"
    elif what == "half of it zeros":
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    elif what == "empty":
        content.clear()
    elif what == "no features at all":
        content[:] = b"PK\3\4" + os.urandom(500)
    elif what == "absurd shape":
        content = content.replace(b'"shape": [20, 3]', b'"shape": [2, 30]')
    elif what == "shape of text":
        content = content.replace(b"[20, 3]", b'["20"]')
    elif what == "dtype of objects":
        content = content.replace(b"float32", b"objects")
    path.write_bytes(content)


@pytest.mark.parametrize(
    "what",
    [
        "flipped bit",
        "cut short",
        "longer",
        "half of it zeros",
        "empty",
        "no features at all",
        "absurd shape",
        "shape of text",
        "dtype of objects",
    ],
)
def test_a_damaged_file_is_computed_again_and_said_so(cache, said, what):
    get(cache, Source())
    damage(only_file(cache), what)
    module._verified.clear()  # as in the next process
    source = Source()
    np.testing.assert_array_equal(get(cache, source), ROWS)
    assert source.begun == [0]
    assert len(said) == 1
    assert "cannot be used" in said[0]
    get(cache, Source(ROWS, fail_at=0))  # whole again
    assert len(said) == 1


def test_a_file_of_another_key_under_this_name_is_computed_again(cache, said):
    get(cache, Source(ROWS + 1), {"network": "other"})
    other = only_file(cache)
    other.rename(other.with_name(f"{entry.name_of(KEY)}{entry.SUFFIX}"))
    np.testing.assert_array_equal(get(cache, Source()), ROWS)
    assert "of another key" in said[0]


def test_an_interrupt_leaves_no_entry_and_keeps_the_finished_rows(cache, said):
    with pytest.raises(KeyboardInterrupt):
        get(cache, Source(fail_at=12))
    assert [one.problem for one in cache.entries()] == ["unfinished"]
    source = Source()
    np.testing.assert_array_equal(get(cache, source), ROWS)
    assert source.begun == [12]
    assert source.given == 8
    assert [one.problem for one in cache.entries()] == [""]
    assert len(list(cache.folder.iterdir())) == 1
    assert not said


@pytest.mark.parametrize("torn", ["last block", "log", "first line", "everything behind it"])
def test_rows_that_a_power_cut_tore_are_computed_again(cache, torn):
    with pytest.raises(KeyboardInterrupt):
        get(cache, Source(fail_at=12))
    path = only_file(cache)
    log = path.with_suffix(".rows")
    content = bytearray(path.read_bytes())
    if torn == "last block":
        content[-3:] = bytes(3)
    elif torn == "first line":
        content[0] ^= 1
    elif torn == "everything behind it":
        content += os.urandom(30)
    elif torn == "log":
        log.write_bytes(log.read_bytes()[:-80])
    path.write_bytes(content)
    source = Source()
    np.testing.assert_array_equal(get(cache, source), ROWS)
    expected = {"last block": 8, "log": 4, "first line": 0, "everything behind it": 12}
    assert source.begun == [expected[torn]]


@pytest.mark.parametrize("error", [ValueError, FloatingPointError, OSError])
def test_an_error_leaves_nothing(cache, error):
    with pytest.raises(error):
        get(cache, Source(fail_at=8, error=error))
    assert list(cache.folder.iterdir()) == []


def test_too_few_rows_are_an_error_that_leaves_nothing(cache):
    with pytest.raises(ValueError, match=r"expected 30 rows of features\. Received: 20"):
        cache.get(KEY, "float32", (30, 3), Source())
    assert list(cache.folder.iterdir()) == []


def test_a_full_disk_is_said_before_anything_is_computed(cache, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    source = Source()
    with pytest.raises(OSError, match="take 240 B, and the disk has 100 B"):
        get(cache, source)
    assert source.given == 0
    assert list(cache.folder.iterdir()) == []


def test_old_features_make_room_on_a_full_disk(cache, monkeypatch):
    first, second, third = ({**KEY, "images": number} for number in range(3))
    get(cache, Source(), first)
    used = get(cache, Source(), second)
    whole = cache.size + ROWS.nbytes  # no room for a header

    def usage(path):
        return type("Usage", (), {"free": whole - cache.size})

    monkeypatch.setattr(module.shutil, "disk_usage", usage)
    source = Source(ROWS + 1)
    np.testing.assert_array_equal(get(cache, source, third), ROWS + 1)
    kept = [one.header.key["images"] for one in cache.entries()]
    assert sorted(kept) == [1, 2]
    np.testing.assert_array_equal(used, ROWS)
    # What would not fit into an empty one leaves all as it is.
    with pytest.raises(OSError, match="and the disk has"):
        get(cache, Source(np.zeros((400, 3), np.float32)), first)
    assert len(cache.entries()) == 2


def test_the_oldest_go_before_new_ones_are_written(cache):
    get(cache, Source(), {**KEY, "images": 0})
    cache.limit = cache.size + 100
    sizes = []
    source = Source()

    def compute(begin):
        sizes.append(len(list(cache.folder.glob("*.features"))))
        yield from source(begin)

    cache.get({**KEY, "images": 1}, "float32", ROWS.shape, compute)
    assert sizes == [0]


def test_a_disk_that_gets_full_meanwhile_leaves_nothing(run_python, tmp_path):
    program = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from kerasdl.training.features.cache import FeatureCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
rows = np.zeros((1000, 10), np.float32)
cache = FeatureCache(Path(sys.argv[1]))
blocks = (rows[first : first + 100] for first in range(0, 1000, 100))
try:
    cache.get({}, "float32", rows.shape, lambda first: blocks)
except OSError as error:
    print(error)
"""
    pytest.importorskip("resource")  # not on Windows
    done = run_python("-c", program, tmp_path)
    assert str(tmp_path) in done.stdout, done.stderr
    assert "too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_features_beyond_the_limit_are_refused_before_anything_is_computed(cache):
    cache.limit = 200
    source = Source()
    with pytest.raises(ValueError, match=r"Raise the limit \(--cache-limit"):
        get(cache, source)
    assert source.begun == []
    assert not cache.folder.exists()


def age(cache, key, seconds):
    path = cache.folder / f"{entry.name_of(key)}{entry.SUFFIX}"
    when = time.time() - seconds
    os.utime(path, (when, when))


def test_the_longest_unused_are_removed_and_those_in_use_stay(cache):
    keys = [{"number": number} for number in range(4)]
    used = get(cache, Source(), keys[0])
    for number, key in enumerate(keys[1:], start=1):
        get(cache, Source(), key)
        age(cache, key, 100 * number)
    age(cache, keys[0], 1000)
    get(cache, Source(), keys[3])  # the oldest but one is used once more
    cache.limit = 3 * only_size(cache)
    get(cache, Source(), {"number": 4})
    left = {one.header.key["number"] for one in cache.entries()}
    assert left == {0, 3, 4}
    np.testing.assert_array_equal(used, ROWS)
    del used
    age(cache, keys[0], 1000)
    assert [one.header.key["number"] for one in cache.trim(2 * only_size(cache))] == [0]


def only_size(cache):
    (size,) = {one.size for one in cache.entries()}
    return size


def test_clear_removes_all_but_what_is_in_use(cache):
    used = get(cache, Source())
    get(cache, Source(), {"number": 1})
    with pytest.raises(KeyboardInterrupt):
        get(cache, Source(fail_at=8), {"number": 2})
    assert len(cache.clear()) == 2
    assert [one.header.key for one in cache.entries()] == [KEY]
    assert len(list(cache.folder.iterdir())) == 1
    del used
    cache.clear()
    assert list(cache.folder.iterdir()) == []


def compute_slowly(folder, number, results):
    def compute(first):
        results.put(("computes", number))
        for start in range(first, len(ROWS), 4):
            time.sleep(0.05)
            yield ROWS[start : start + 4]

    cache = FeatureCache(folder, notify=lambda text: results.put(("waits", number)))
    found = cache.get(KEY, "float32", ROWS.shape, compute)
    results.put(("has", float(found.sum())))


def test_two_processes_compute_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=compute_slowly, args=(tmp_path, number, results))
        for number in range(2)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=PATIENCE)]
    while sum(what == "has" for what, _ in found) < 2:
        found.append(results.get(timeout=PATIENCE))
    for worker in workers:
        worker.join(PATIENCE)
    assert sum(what == "computes" for what, _ in found) == 1
    assert {value for what, value in found if what == "has"} == {float(ROWS.sum())}
    assert [path.suffix for path in tmp_path.iterdir()] == [entry.SUFFIX]


def compute_and_hang(folder, ready):
    def compute(first):
        yield ROWS[:8]
        ready.set()
        time.sleep(PATIENCE)

    FeatureCache(folder).get(KEY, "float32", ROWS.shape, compute)


def test_a_killed_process_leaves_its_rows_to_the_next(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    worker = context.Process(target=compute_and_hang, args=(tmp_path, ready))
    worker.start()
    assert ready.wait(PATIENCE)
    worker.kill()
    worker.join(PATIENCE)
    source = Source()
    np.testing.assert_array_equal(get(FeatureCache(tmp_path), source), ROWS)
    assert source.begun == [8]


def test_threads_wait_for_each_other_too(cache):
    source, found = Source(), []
    threads = [
        threading.Thread(target=lambda: found.append(get(cache, source).sum())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert source.begun == [0]
    assert found == [ROWS.sum()] * 4


def test_folder_and_limit_follow_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASDL_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "features"
    assert default_limit() == 8_000_000_000
    monkeypatch.setenv("KERASDL_CACHE_LIMIT", "1.5 GB")
    assert FeatureCache().limit == 1_500_000_000
    monkeypatch.setenv("KERASDL_CACHE_LIMIT", "much")
    with pytest.raises(ValueError, match=r"KERASDL_CACHE_LIMIT: expected .* Received: 'much'"):
        FeatureCache()
    with pytest.raises(ValueError, match="at least 0"):
        FeatureCache(limit=-1)


def test_sizes():
    assert [parse_size(text) for text in ("0", "12", "3kB", "1.5 mb", "8GB", "2T")] == [
        0,
        12,
        3_000,
        1_500_000,
        8_000_000_000,
        2_000_000_000_000,
    ]
    for text in ("", "GB", "-1", "1e9", "1 PB", "nan", "9" * 40):
        with pytest.raises(ValueError, match="expected a size"):
            parse_size(text)
    assert [format_size(count) for count in (0, 999, 1_234, 153_600_000, 8 * 10**9)] == [
        "0 B",
        "999 B",
        "1.23 kB",
        "154 MB",
        "8 GB",
    ]
