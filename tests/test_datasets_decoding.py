"""Many image files: opened once, the same from threads and processes, nothing left behind."""

import builtins
import io
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from patience import hear_ctrl_c, wait_until
from PIL import Image
from rich.console import Console

import kerasdl
from kerasdl import console_progress
from kerasdl.datasets import decode_worker, decoding, image
from kerasdl.datasets.folder import read_folder
from kerasdl.datasets.folder_files import all_files, list_classes
from kerasdl.datasets.plain_png import decode_plain_png

ROOT = Path(kerasdl.__file__).parent.parent


def write_folder(root, count=40, *, sizes=((20, 16),), modes=("L",), suffixes=("png",)):
    """Writes images of noise in two class folders; returns the folder."""
    generator = np.random.default_rng(0)
    for number in range(count):
        size, mode = sizes[number % len(sizes)], modes[number % len(modes)]
        path = root / "ab"[number % 2] / f"{number}.{suffixes[number % len(suffixes)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
    return root


def use_processes(monkeypatch):
    """Small folders are read by two processes too, in chunks of four."""
    monkeypatch.setattr(decoding, "PROCESS_FILES", 1)
    monkeypatch.setattr(decoding, "PROCESS_CHUNK", 4)
    monkeypatch.setattr(decoding, "_available_cores", lambda: 2)


@pytest.fixture
def two_processes(monkeypatch):
    use_processes(monkeypatch)


def read_with_processes(monkeypatch, root):
    with monkeypatch.context() as patch:
        use_processes(patch)
        return read_folder(root)


@pytest.mark.parametrize("sizes", [((20, 16),), ((20, 16), (50, 41), (9, 70))])
def test_each_small_file_is_opened_once(tmp_path, monkeypatch, sizes):
    root = write_folder(tmp_path, sizes=sizes, modes=("L", "RGB", "P"), suffixes=("png", "bmp"))
    opened = []

    def counted(function):
        def call(path, *arguments, **keywords):
            if str(path).startswith(str(root)):
                opened.append(str(path))
            return function(path, *arguments, **keywords)

        return call

    monkeypatch.setattr(os, "open", counted(os.open))
    monkeypatch.setattr(builtins, "open", counted(builtins.open))
    read_folder(root)
    assert sorted(opened) == sorted(all_files(root))


@pytest.mark.parametrize(
    ("sizes", "modes", "kept"),
    [
        (((20, 16),), ("L",), 2**28),
        (((20, 16),), ("L", "L", "L", "L", "L", "RGB"), 2**28),
        (((20, 16), (50, 41), (9, 70)), ("L", "RGB"), 2**28),
        (((20, 16), (50, 41), (9, 70)), ("L", "RGB"), 5000),
        # Two of them are decoded at a half and a quarter of their size.
        (((160, 200), (210, 220), (16, 16), (17, 20), (300, 260)), ("RGB",), 2**28),
    ],
)
def test_processes_threads_and_one_file_after_the_other_agree(
    tmp_path, monkeypatch, sizes, modes, kept
):
    root = write_folder(tmp_path, sizes=sizes, modes=modes, suffixes=("png", "jpg", "webp"))
    monkeypatch.setattr(decoding, "KEPT_BYTES", kept)
    threads, processes = read_folder(root), read_with_processes(monkeypatch, root)
    assert threads.sha256 == processes.sha256
    assert threads.notes == processes.notes
    expected = []
    for file in all_files(root):
        pixels = image.read_image(file, threads.image_shape[:2])
        whole = np.broadcast_to(pixels, threads.image_shape)
        expected.append(("ab".index(Path(file).parent.name), whole.tobytes()))
    received = [
        (label, pixels.tobytes())
        for part in (processes.train, processes.test)
        for label, pixels in zip(part.labels.tolist(), part.images, strict=True)
    ]
    assert sorted(received) == sorted(expected)


@pytest.mark.usefixtures("two_processes")
@pytest.mark.parametrize("sizes", [((20, 16),), ((240, 260), (250, 230))])
def test_the_first_file_that_is_broken_is_named(tmp_path, sizes):
    root = write_folder(tmp_path, sizes=sizes)
    for name in ("b/9.png", "a/12.png", "b/3.png", "b/37.png"):
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"a/12\.png must be a readable image"):
            read_folder(root)


@pytest.mark.usefixtures("two_processes")
def test_a_process_that_dies_is_an_error_with_its_files(tmp_path, monkeypatch):
    original = decoding._Process.look

    def look(self, number, files, keep):
        if number == 3:
            self._greet()
            self._process.kill()
        return original(self, number, files, keep)

    monkeypatch.setattr(decoding._Process, "look", look)
    with pytest.raises(ChildProcessError, match=r"exit code -9, at one of the files .*a/24\.png"):
        read_folder(write_folder(tmp_path))


@pytest.mark.usefixtures("two_processes")
@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/true"])
def test_without_a_python_to_start_it_is_read_here(tmp_path, monkeypatch, python):
    root = write_folder(tmp_path)
    expected = read_with_processes(monkeypatch, root).sha256
    monkeypatch.setattr(sys, "executable", python)
    assert read_folder(root).sha256 == expected


def script(tmp_path, text):
    """Writes a script that reads a folder in two processes, with no guard around it."""
    path = tmp_path / "script.py"
    path.write_text(
        textwrap.dedent("""
            import sys
            from pathlib import Path
            from kerasdl.datasets import decoding, folder
            decoding.PROCESS_FILES, decoding.PROCESS_CHUNK = 1, 4
            decoding._available_cores = lambda: 2
            print("begun", flush=True)
        """)
        + textwrap.dedent(text)
    )
    return path


def start(path, *arguments, cwd=None):
    return subprocess.Popen(
        [sys.executable, str(path), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def test_a_script_without_a_guard_runs_once_and_workers_import_no_tensorflow(tmp_path):
    root = write_folder(tmp_path / "images")
    here = tmp_path / "here"
    here.mkdir()
    (here / "random.py").write_text("raise SystemExit('not this one')")
    text = """
        workers = []
        original = decoding._Process.__init__
        def keep(self):
            original(self)
            self._greet()
            maps = Path(f"/proc/{self._process.pid}/maps")
            workers.append(maps.read_text() if maps.exists() else "")
        decoding._Process.__init__ = keep
        print(len(folder.read_folder(Path(sys.argv[1])).train))
        assert len(workers) == 2 and not any("tensorflow" in maps for maps in workers)
    """
    process = start(script(tmp_path, text), root, cwd=here)
    output, errors = process.communicate()
    assert (output, errors, process.returncode) == ("begun\n32\n", "", 0)


SLOW = """
    import threading, time
    original = decoding._Process._call
    def slow(self, *arguments):
        result = original(self, *arguments)
        print(self._process.pid, flush=True)
        time.sleep(0.2)
        return result
    decoding._Process._call = slow
    try:
        folder.read_folder(Path(sys.argv[1]))
    except KeyboardInterrupt:
        assert len(threading.enumerate()) == 1
        print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_reading_leaves_nothing_behind(tmp_path, number):
    root = write_folder(tmp_path / "images")
    shared = Path("/dev/shm")

    def held():
        # What scikit-learn holds in another process that tests is not this one's.
        return {one for one in shared.iterdir() if not one.name.startswith("sem.loky-")}

    before = held() if shared.exists() else set()
    process = start(script(tmp_path, SLOW), root)
    assert process.stdout.readline() == "begun\n"
    workers = {int(process.stdout.readline()) for _ in range(4)}
    process.send_signal(number)
    output, errors = process.communicate()
    assert errors == ""
    if number == signal.SIGINT:
        assert output.endswith("interrupted\n")
        assert process.returncode == 0
    wait_until(lambda: not any(map(is_running, workers)))
    if shared.exists():
        assert held() <= before


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    # A container's first process may not take the ended ones away.
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_log_file_gets_lines_and_a_terminal_a_bar(tmp_path, monkeypatch):
    root = write_folder(tmp_path / "pets")
    monkeypatch.setattr(decoding, "POLL_SECONDS", 0.01)
    for quiet, line, terminal, expected in (
        (0, 0, False, "Reading pets: 40 of 40 images"),
        (0, 20, False, ""),
        (2, 0, False, ""),
        (0, 20, True, "40 of 40 images"),
        (2, 20, True, ""),
    ):
        monkeypatch.setattr(console_progress, "QUIET_SECONDS", quiet)
        monkeypatch.setattr("kerasdl.terminal.LINE_SECONDS", line)
        file = io.StringIO()
        read_folder(root, console=Console(file=file, width=200, force_terminal=terminal))
        assert expected in file.getvalue()
        assert bool(expected) == bool(file.getvalue())


def test_a_line_says_how_long_it_will_take(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console_progress.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with console_progress.CountProgress(Console(file=file), "Reading", 4000, "images") as progress:
        for now[0], done in ((101, 0), (119, 900), (121, 1000), (130, 2000), (142, 3000)):
            progress.show(done)
    assert file.getvalue().splitlines() == [
        "Reading: 1,000 of 4,000 images, about 63 s left",
        "Reading: 3,000 of 4,000 images, about 14 s left",
    ]


def test_an_interruption_while_the_bar_starts_is_the_one_that_is_raised(monkeypatch):
    monkeypatch.setattr(console_progress, "QUIET_SECONDS", 0)
    console = Console(file=io.StringIO(), force_terminal=True)

    def interrupt(hook):
        raise KeyboardInterrupt

    monkeypatch.setattr(console, "push_render_hook", interrupt)
    with (
        pytest.raises(KeyboardInterrupt),
        console_progress.CountProgress(console, "Reading", 10, "images") as progress,
    ):
        progress.show(1)
    assert console.file.getvalue().endswith("\x1b[?25h")  # the cursor is there again


def test_a_worker_forgets_what_it_hands_over(tmp_path):
    files = [str(path) for path in write_folder(tmp_path, sizes=((32, 32),)).rglob("*.png")]
    decoder = decode_worker.Decoder()
    assert decoder.look(0, files, True)[1] == 40 * 32 * 32
    assert decoder.pixels(0, files, (32, 32)).shape == (40, 32, 32, 1)
    assert not decoder._kept


def test_large_images_are_not_kept(tmp_path):
    files = [str(path) for path in write_folder(tmp_path, sizes=((20, 225),)).rglob("*.png")]
    decoder = decode_worker.Decoder()
    assert decoder.look(0, files, True) == ([(20, 225)] * 40, 0)
    assert decoder.pixels(0, files, (16, 16)).shape == (40, 16, 16, 1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_plain_png_is_what_pillow_makes_of_it(tmp_path, mode):
    generator = np.random.default_rng(1)
    for size in ((1, 1), (28, 28), (3, 224)):
        pixels = generator.integers(0, 256, (*size, 3), np.uint8)
        path = tmp_path / "a.png"
        Image.fromarray(pixels).convert(mode).save(path)
        decoded = decode_plain_png(path.read_bytes(), 224)
        with Image.open(path) as expected:
            np.testing.assert_array_equal(
                np.squeeze(decoded, 2) if mode == "L" else decoded, expected
            )
        assert decode_plain_png(path.read_bytes(), max(size) - 1) is None


def test_any_other_file_is_left_to_pillow(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (12, 12, 3), np.uint8)
    source = Image.fromarray(pixels)
    path = tmp_path / "a.png"
    for mode in ("1", "P", "LA", "RGBA", "I;16"):
        (source.convert("L").convert(mode) if mode != "RGBA" else source.convert(mode)).save(path)
        assert decode_plain_png(path.read_bytes(), 224) is None
    source.save(path, dpi=(72, 72))
    assert decode_plain_png(path.read_bytes(), 224) is None
    source.save(path)
    content = path.read_bytes()
    assert decode_plain_png(content, 224) is not None
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        assert decode_plain_png(bytes(damaged), 224) is None
        assert decode_plain_png(content[:place], 224) is None


def test_names_are_in_natural_order_below_folders_too(tmp_path):
    for name in ("b10.png", "b9.png", "10.png", "9.png", "x/1.png", "a.png", "-1.png", "A2.png"):
        path = tmp_path / "c 7" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    os.symlink("loop", tmp_path / "c 7" / "loop")
    assert [os.path.relpath(file, tmp_path / "c 7") for file in list_classes(tmp_path)["c 7"]] == [
        "9.png", "10.png", "-1.png", "A2.png", "a.png", "b9.png", "b10.png", "x/1.png"
    ]  # fmt: skip
