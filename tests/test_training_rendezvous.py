"""What strangers may send to a chief that waits for its workers."""

import contextlib
import socket
import threading
import time

from kerasdl.training import rendezvous


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
