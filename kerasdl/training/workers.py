"""The workers' line to each other: who is there, what the chief says, who is gone.

TensorFlow's collectives carry the training; here goes what must be known before
and beside them, as lines of JSON over one TCP connection from each worker to the
chief. A worker that is missing at the start, was started with another recipe or
dies shows at once and by name, and what only the chief does (scoring, writing)
may take as long as it likes. docs/distributed.md says what is to be expected.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from kerasdl.training.cluster import Cluster
from kerasdl.training.rendezvous import LIMIT, Sockets, meet, send

GRACE = 20.0
"""A process that has lost a worker and does not come to its end in so many seconds is ended."""

HEARTBEAT = 5.0
"""Every so many seconds a process says that it lives; the system cannot tell a frozen one."""

SILENCE = 120.0
"""A worker that says nothing for so many seconds is taken for lost: loading TensorFlow from a slow
disk may hold up all of a process's threads, the heartbeat's too, for a while."""

_ADVICE = "this worker stops too; start all workers again, as many as you like"


class Workers:
    """This process among the workers of a training.

    Args:
        cluster: Who they are.
        sockets: The chief's connections by rank; another worker's to rank 0. Empty
            for a process that trains alone.
    """

    def __init__(self, cluster: Cluster, sockets: Sockets) -> None:
        self.cluster, self._sockets = cluster, sockets
        self.on_loss: Callable[[], None] | None = None
        """Called in another thread when a worker is lost, to wake one that waits for it."""
        self._inbox: dict[int, queue.SimpleQueue[Any]] = {}
        self._lost: str | None = None
        self._timer: threading.Timer | None = None
        self._told = self._closed = False
        self._lock, self._sending = threading.Lock(), threading.Lock()
        for rank, connection in sockets.items():
            self._inbox[rank] = queue.SimpleQueue()
            connection.settimeout(SILENCE)
            threading.Thread(target=self._read, args=(rank, connection), daemon=True).start()
        if sockets:
            threading.Thread(target=self._beat, daemon=True).start()

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.cluster.is_chief

    @property
    def size(self) -> int:
        """The number of workers."""
        return len(self.cluster.addresses)

    def gather(self, value: Any) -> list[Any]:
        """Returns every worker's value, by rank. Every worker calls this at the same point.

        Args:
            value: Plain data that JSON can say.

        Raises:
            ConnectionError: If a worker is gone.
        """
        if not self._sockets:
            return [value]
        if not self.is_chief:
            self._send(0, {"value": value})
            values: list[Any] = self._receive(0)
            return values
        values = [value, *(self._receive(rank) for rank in sorted(self._sockets))]
        for rank in self._sockets:
            self._send(rank, {"value": values})
        return values

    def share(self, value: Any) -> Any:
        """Returns the chief's value; the others' do not matter. Every worker calls this."""
        return self.gather(value)[0]

    def check(self) -> None:
        """Raises ConnectionError if a worker is gone."""
        if self._lost is not None:
            self._told = True
            raise ConnectionError(f"{self._lost}: {_ADVICE}")

    def explain(self, error: BaseException) -> None:
        """Raises ConnectionError in place of an error of TensorFlow that a lost worker caused.

        Args:
            error: What a training raised.
        """
        if type(error).__module__.partition(".")[0] != "tensorflow":
            return
        # TensorFlow may see it first, by a broken connection of its own.
        for _ in range(20):
            self.check()
            time.sleep(0.1)
        if type(error).__name__ in ("UnavailableError", "AbortedError", "DeadlineExceededError"):
            raise ConnectionError(f"a worker does not answer: {_ADVICE}")

    def finish(self) -> None:
        """Waits until every worker has come here; then nobody is missed any more."""
        self.gather(None)
        self._closed = True
        for connection in self._sockets.values():
            with contextlib.suppress(OSError):
                self._say(connection, {"bye": True})

    def leave(self, reason: str) -> None:
        """Tells the others that this worker goes before the end, and why.

        Args:
            reason: Continues the worker's name, e.g. "was interrupted".
        """
        # Whoever leaves because another has, names that one: it may be the first to tell.
        text = self._lost or f"{self.cluster.name(self.cluster.rank)} {reason}"
        for connection in self._sockets.values():
            with contextlib.suppress(OSError):
                self._say(connection, {"gone": text[:300]})
        self.close()

    def close(self) -> None:
        """Closes the connections; from now on nobody is missed."""
        with self._lock:  # a loss that is just being noticed has set its timer, or never will
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        for connection in self._sockets.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    @property
    def is_open(self) -> bool:
        """Whether the others are still expected to be there."""
        return not self._closed

    def _send(self, rank: int, message: Any) -> None:
        self.check()
        try:
            self._say(self._sockets[rank], message)
        except OSError:
            self._lose(f"{self.cluster.name(rank)} is gone")
            self.check()

    def _say(self, connection: socket.socket, message: Any) -> None:
        with self._sending:  # several threads speak, each in whole lines
            send(connection, message)

    def _beat(self) -> None:
        while not self._closed:
            for connection in self._sockets.values():
                with contextlib.suppress(OSError):
                    self._say(connection, {"alive": True})
            time.sleep(HEARTBEAT)

    def _receive(self, rank: int) -> Any:
        while True:
            # In short turns, so that Ctrl-C is heard.
            with contextlib.suppress(queue.Empty):
                return self._inbox[rank].get(timeout=0.2)
            self.check()

    def _read(self, rank: int, connection: socket.socket) -> None:
        """Sorts what a worker sends, until the connection ends."""
        lost = f"{self.cluster.name(rank)} is gone"
        try:
            with connection.makefile("rb") as lines:
                while line := lines.readline(LIMIT):
                    message = json.loads(line)
                    if "bye" in message:
                        self._closed = True
                    if "gone" in message:
                        lost = str(message["gone"])
                        break
                    if "value" in message:
                        self._inbox[rank].put(message["value"])
        except TimeoutError:
            lost = f"{self.cluster.name(rank)} has said nothing for {SILENCE:g} s"
        except (OSError, ValueError, TypeError, RecursionError):
            pass  # gone, or no worker any more
        self._lose(lost)

    def _lose(self, text: str) -> None:
        with self._lock:
            if self._closed or self._lost is not None:
                return
            self._lost = text
            self._timer = threading.Timer(GRACE, self._end)
            self._timer.daemon = True
            self._timer.start()
        for connection in self._sockets.values():  # the chief tells the others
            with contextlib.suppress(OSError):
                self._say(connection, {"gone": text})
        if self.on_loss is not None:
            self.on_loss()

    def _end(self) -> NoReturn:
        """Ends a process whose main thread waits inside a library for a worker that is gone."""
        if not self._told:
            print(f"kerasdl: error: {self._lost}: {_ADVICE}", file=sys.stderr, flush=True)
        os._exit(1)


ALONE = Workers(Cluster(("",), 0), {})
"""A process that trains by itself."""


_ends_at_once = False


def has_collectives() -> None:
    """Notes that TensorFlow has connected this process to other workers, for `end`."""
    global _ends_at_once
    _ends_at_once = True


def end(code: int) -> int:
    """Returns `code`, or ends a process that TensorFlow has connected to others with it.

    Python's own exit takes 13 seconds there, for connections that nobody needs.

    Args:
        code: The exit code.
    """
    if _ends_at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


@contextlib.contextmanager
def joined(
    cluster: Cluster | None, greeting: Mapping[str, Any], timeout: float
) -> Iterator[Workers]:
    """Waits for all workers, and keeps them together inside the block.

    At the end of the block each waits for the others, unless `finish` was called. A
    worker that leaves it by an exception tells the others, whose next `gather` (or
    collective) then raises.

    Args:
        cluster: Who they are; None, or one worker, for a process that trains alone.
        greeting: What must be the same on all of them, as plain data.
        timeout: How long to wait for the others, in seconds.

    Raises:
        ValueError: If workers were started differently, or the own port is taken.
        TimeoutError: If one does not come in time.
        ConnectionError: If one is lost.
    """
    if cluster is None or len(cluster.addresses) == 1:
        yield ALONE
        return
    workers = Workers(cluster, meet(cluster, greeting, timeout))
    try:
        try:
            yield workers
            if workers.is_open:
                workers.finish()
        except Exception as error:
            workers.explain(error)
            raise
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        reason = "was interrupted" if interrupted else f"stopped ({_first_line(error)})"
        workers.leave(reason)
        raise
    finally:
        workers.close()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
