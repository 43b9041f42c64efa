"""What others may send instead of a message."""

import contextlib
import socket
import threading
import time

import pytest

from kerasdl.training import rendezvous
from kerasdl.training.cluster import Cluster
from kerasdl.training.workers import Workers


def test_who_sends_without_end_costs_no_more_than_the_time_given():
    here, there = socket.socketpair()

    def flood():
        with contextlib.suppress(OSError):
            there.sendall(b"x" * 2 * rendezvous.LIMIT)

    sender = threading.Thread(target=flood)
    sender.start()
    started = time.monotonic()
    with here, there:
        assert rendezvous._read(here, 0.3) is None
        assert time.monotonic() - started < 5.0
        here.shutdown(socket.SHUT_RDWR)
        sender.join()


@pytest.mark.parametrize("line", [b"5\n", b"no JSON\n", b"[" * 10**5 + b"\n"])
def test_a_worker_that_talks_nonsense_is_lost(line):
    here, there = socket.socketpair()
    with there:
        workers = Workers(Cluster(("a:1", "b:1"), 0), {1: here})
        there.sendall(line)
        with pytest.raises(ConnectionError, match=r"worker 1 \(b:1\) is gone"):
            for _ in range(100):
                workers.check()
                time.sleep(0.05)
        workers.close()
