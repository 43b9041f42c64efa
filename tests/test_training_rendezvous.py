"""What others may send instead of a message."""

import contextlib
import socket
import threading

import pytest
from patience import wait_until

from kerasdl.training import rendezvous
from kerasdl.training.cluster import Cluster
from kerasdl.training.workers import Workers


def test_who_sends_without_end_costs_no_more_than_the_time_given():
    here, there = socket.socketpair()

    def flood():
        with contextlib.suppress(OSError):
            while True:
                there.sendall(b"x" * 1000)

    sender = threading.Thread(target=flood)
    sender.start()
    with here, there:
        assert rendezvous._read(here, 0.3) is None
        here.shutdown(socket.SHUT_RDWR)
        sender.join()


@pytest.mark.parametrize("line", [b"5\n", b"no JSON\n", b"[" * 10**5 + b"\n"])
def test_a_worker_that_talks_nonsense_is_lost(line):
    here, there = socket.socketpair()
    with there:
        workers = Workers(Cluster(("a:1", "b:1"), 0), {1: here})
        there.sendall(line)
        with pytest.raises(ConnectionError, match=r"worker 1 \(b:1\) is gone"):
            wait_until(workers.check)
        workers.close()
