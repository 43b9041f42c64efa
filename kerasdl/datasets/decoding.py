"""Image files as pixels on all cores: in threads, or many files in processes.

Chunks of files go to whoever is free. The images of a chunk whose images are all small
are decoded when they are first opened, and stay where they were decoded until the size
that all are brought to is known; so each file is opened once. Larger images are opened
for their size, and again for their pixels, which are decoded at that size straight away:
at their own they would not fit into memory.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import kerasdl
from kerasdl.datasets.decode_worker import Decoder, Pixels
from kerasdl.datasets.image import Size

PROCESS_FILES = 2000
"""From so many files on processes are worth their start, a fifth of a second."""
PROCESS_CHUNK, THREAD_CHUNK = 64, 16
"""Files; threads end after the chunk that they are at, and an interruption waits for that."""
MAX_WORKERS = 16
KEPT_BYTES = 256 * 2**20
"""What is kept of images of different sizes; the others are opened again."""
POLL_SECONDS = 0.1

Put = Callable[[int, Pixels], None]
Show = Callable[[int], None]


class Decoding:
    """Decodes files; a context manager, in which first `sizes` and then `pixels` are called.

    Args:
        files: Their paths.
        max_bytes: Images that would take more, with three channels, are not kept.
        show: Called in this thread, often, with how many images are decoded.
    """

    def __init__(self, files: Sequence[str], max_bytes: int, show: Show) -> None:
        self._files, self._max_bytes, self._show = files, max_bytes, show
        cores = _available_cores()
        in_processes = len(files) >= PROCESS_FILES and cores > 1
        self._chunk = PROCESS_CHUNK if in_processes else THREAD_CHUNK
        self._lock = threading.Lock()
        self._sizes: Counter[Size] = Counter()
        self._kept_bytes = self._done = 0
        self._failures: dict[int, Exception] = {}
        self._stopped = False
        self._workers: list[Any] = []
        try:
            for _ in range(min(cores, MAX_WORKERS)):
                self._workers.append(_Process() if in_processes else Decoder())
        except BaseException:
            self._close()
            raise
        self._owned: list[list[int]] = [[] for _ in self._workers]

    def __enter__(self) -> "Decoding":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the processes."""
        self._close()

    def sizes(self) -> Counter[Size]:
        """Opens every file.

        Returns:
            How many images there are of each height and width.

        Raises:
            ValueError, OSError: The error of the first file that cannot be read.
        """
        self._left = list(range(-(-len(self._files) // self._chunk)))[::-1]
        self._shared: list[int] = []
        self._in_threads(self._look)
        return self._sizes

    def pixels(self, size: Size, put: Put) -> None:
        """Brings every image to one size.

        Args:
            size: Height and width.
            put: Called from several threads, one at a time, with the place of a chunk's
                first file among all files and its pixels, uint8 (n, h, w, 1 or 3).

        Raises:
            ValueError, OSError: The error of the first file that cannot be read.
        """
        self._left = sorted(self._shared, reverse=True)
        self._size, self._put = size, put
        self._in_threads(self._fetch)

    def _look(self, place: int) -> None:
        """Opens files until none is left, with the worker at `place`."""
        while (number := self._next(())) is not None:
            with self._lock:
                keep = self._is_kept()
            files = self._chunk_files(number)
            try:
                sizes, kept = self._workers[place].look(number, files, keep)
            except Exception as error:
                self._fail(number, error)
                continue
            with self._lock:
                self._sizes.update(sizes)
                self._kept_bytes += kept
                self._done += len(files) if kept else 0
            (self._owned[place] if kept else self._shared).append(number)

    def _is_kept(self) -> bool:
        """Whether there is room for the next chunk's pixels until the final size is known."""
        if len(self._sizes) > 1:
            return self._kept_bytes < KEPT_BYTES
        return all(
            len(self._files) * height * width * 3 <= self._max_bytes
            for height, width in self._sizes
        )

    def _fetch(self, place: int) -> None:
        """Gets pixels until none are left: what the worker at `place` keeps, then the others."""
        owned = sorted(self._owned[place], reverse=True)
        was_kept = set(owned)
        while (number := self._next(owned)) is not None:
            files = self._chunk_files(number)
            try:
                pixels = self._workers[place].pixels(number, files, self._size)
                with self._lock:
                    self._put(number * self._chunk, pixels)
                    self._done += 0 if number in was_kept else len(files)
            except Exception as error:
                self._fail(number, error)

    def _fail(self, number: int, error: Exception) -> None:
        with self._lock:
            self._failures[number] = error

    def _next(self, owned: Any) -> int | None:
        """Returns the number of the next chunk, or None: of `owned`, then of all that are left.

        After a failure only earlier chunks are finished, which may hold an earlier one: so
        the same file is named whichever thread is faster.
        """
        with self._lock:
            last = -1 if self._stopped else min(self._failures, default=len(self._files))
            for numbers in (owned, self._left):
                if numbers and numbers[-1] <= last:
                    return int(numbers.pop())
        return None

    def _chunk_files(self, number: int) -> Sequence[str]:
        return self._files[number * self._chunk : (number + 1) * self._chunk]

    def _in_threads(self, run: Callable[[int], None]) -> None:
        """Calls `run` with the place of every worker, each in a thread, and shows progress."""
        with ThreadPoolExecutor(len(self._workers)) as pool:
            try:
                futures = [pool.submit(run, place) for place in range(len(self._workers))]
                while wait(futures, POLL_SECONDS).not_done:
                    self._show(self._done)
                for future in futures:
                    future.result()
            except BaseException:
                # A thread that waits for a process goes on when that is gone.
                self._close()
                raise
        self._show(self._done)
        if self._failures:
            raise self._failures[min(self._failures)]

    def _close(self) -> None:
        self._stopped = True
        for worker in self._workers:
            if isinstance(worker, _Process):
                worker.kill()


class _Process:
    """A `Decoder` in a process of its own; where none can be started, in this one."""

    def __init__(self) -> None:
        self._here: Decoder | None = None
        self._greeted = False
        root = str(Path(kerasdl.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        try:
            self._process = subprocess.Popen(
                # -P: a random.py in the current folder is not Python's.
                [sys.executable, "-P", "-m", "kerasdl.datasets.decode_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # OpenBLAS would start a thread a core with NumPy, for nothing.
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                # Ctrl-C is the parent's, which ends its workers.
                start_new_session=True,
            )
        except OSError:
            self._here = Decoder()
            return
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)

    def look(self, number: int, files: Sequence[str], keep: bool) -> tuple[list[Size], int]:
        """See `Decoder.look`."""
        result: tuple[list[Size], int] = self._call("look", number, files, keep)
        return result

    def pixels(self, number: int, files: Sequence[str], size: Size) -> Pixels:
        """See `Decoder.pixels`."""
        result: Pixels = self._call("pixels", number, files, size)
        return result

    def kill(self) -> None:
        """Ends the process, at once."""
        if self._here is not None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()

    def _call(self, method: str, number: int, files: Sequence[str], last: Any) -> Any:
        """Calls a method of the decoder, there or here."""
        self._greet()
        if self._here is not None:
            return getattr(self._here, method)(number, files, last)
        try:
            pickle.dump((method, (number, files, last)), self._requests, protocol=5)
            self._requests.flush()
            result, error = pickle.load(self._answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise ChildProcessError(
                "A process that decodes images must go on to the last. Received: exit code "
                f"{self._process.wait()}, at one of the files {files[0]} to {files[-1]}"
            ) from None
        if error is not None:
            raise error
        return result

    def _greet(self) -> None:
        """Waits until the process is there, once."""
        if self._greeted or self._here is not None:
            return
        try:
            pickle.load(self._answers)
            self._greeted = True
        except (EOFError, OSError, pickle.UnpicklingError):
            # An application may have a Python that finds no kerasdl, or none at all.
            self.kill()
            self._here = Decoder()


def _available_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
