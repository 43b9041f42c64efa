"""The workers' line: who is there, who differs, who is gone; no TensorFlow in it."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from patience import PATIENCE, hear_ctrl_c, wait_until

from kerasdl.training import workers as module
from kerasdl.training.cluster import Cluster
from kerasdl.training.workers import ALONE, joined


def addresses(number):
    """Ports that nobody has at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)


def together(names, work, greetings=None, ranks=None, timeout=PATIENCE):
    """Runs `work(workers)` as every rank in a thread; returns results or exceptions by rank."""

    def run(rank, greeting):
        try:
            with joined(Cluster(names, rank), greeting, timeout) as workers:
                return work(workers)
        except Exception as error:
            return error

    ranks = range(len(names)) if ranks is None else ranks
    greetings = greetings or [{"recipe": {"seeds": 1}}] * len(ranks)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(run, ranks, greetings))


def test_alone_hears_itself():
    with joined(None, {}, 1.0) as workers:
        assert workers is ALONE
        assert workers.is_chief
        assert workers.gather((1,)) == [(1,)]
        assert workers.share("a") == "a"
    with joined(Cluster(("a:1",), 0), {}, 1.0) as workers:
        assert workers.size == 1


def test_all_hear_all_and_what_the_chief_says():
    def work(workers):
        rank = workers.cluster.rank
        # Numbers arrive to the last bit, and lists may be long.
        values = workers.gather({"rank": rank, "loss": 0.1 + 0.2, "long": ["x"] * 10_000})
        chief = workers.share(f"of {rank}")
        return [value["rank"] for value in values], values[1]["loss"], chief

    assert together(addresses(3), work) == [([0, 1, 2], 0.1 + 0.2, "of 0")] * 3


def test_a_missing_worker_is_named_after_the_time_given():
    names = addresses(3)
    chief, other = together(names, None, ranks=[0, 2], timeout=3.0)
    missing = rf"^worker 1 \({names[1]}\) did not come within 3 s: .*--worker-timeout"
    with pytest.raises(TimeoutError, match=missing):
        raise chief
    with pytest.raises(ValueError, match=rf"worker 0 \({names[0]}\) stopped: worker 1"):
        raise other


def test_a_missing_chief_is_named_after_the_time_given():
    names = addresses(2)
    (other,) = together(names, None, ranks=[1], timeout=1.0)
    with pytest.raises(TimeoutError, match=r"^worker 0 .*, the chief, did not answer within 1 s"):
        raise other


def test_a_worker_with_another_recipe_is_refused_with_the_difference():
    names = addresses(2)
    greetings = [{"recipe": {"seeds": 1}}, {"recipe": {"seeds": 2}}]
    for error in together(names, None, greetings):
        with pytest.raises(ValueError, match=r"worker 1 .* otherwise .*: recipe.seeds: 1 -> 2\. "):
            raise error


def test_two_of_one_rank_are_refused():
    names = addresses(3)
    chief, *others = together(names, None, [{}] * 3, ranks=[0, 1, 1], timeout=2.0)
    assert isinstance(chief, TimeoutError)
    texts = sorted(map(str, others))
    # On one machine the second finds its port taken, if it comes while the first tries it.
    assert any("two workers with --rank 1" in text or "must listen" in text for text in texts)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        names = (f"127.0.0.1:{port}", "127.0.0.1:1")
        (error,) = together(names, None, ranks=[0])
    with pytest.raises(ValueError, match=rf"must listen on port {port}, which fails \(Address"):
        raise error


@pytest.mark.parametrize(
    "line",
    [b"\n", b"GET / HTTP/1.1\r\n\r\n", b'{"rank": 7}\n', b'{"rank": true}\n', b"[" * 9999 + b"\n",
     b'"\xff"\n', b""],
)  # fmt: skip
def test_strangers_do_not_disturb(line):
    names = addresses(2)
    host, port = names[0].split(":")

    def visited():
        with contextlib.suppress(ConnectionRefusedError):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(line)
            return True

    def knock():
        with contextlib.suppress(OSError):
            wait_until(visited)

    thread = threading.Thread(target=knock)
    thread.start()
    results = []

    def late():
        thread.join()
        results.extend(together(names, lambda w: w.share(w.size), ranks=[1]))

    other = threading.Thread(target=late)
    other.start()
    assert together(names, lambda workers: workers.share(workers.size), ranks=[0]) == [2]
    other.join()
    assert results == [2]


def test_one_that_leaves_tells_the_others_why():
    names = addresses(3)
    woken = []

    def work(workers):
        workers.on_loss = lambda: woken.append(workers.cluster.rank)
        workers.gather(None)
        if workers.cluster.rank == 1:
            raise FloatingPointError("the loss became nan\nwith details")
        return workers.gather(None)

    chief, cause, other = together(names, work)
    assert isinstance(cause, FloatingPointError)
    for error in (chief, other):
        expected = rf"^worker 1 \({names[1]}\) stopped \(the loss became nan\): this worker stops"
        with pytest.raises(ConnectionError, match=expected):
            raise error
    wait_until(lambda: len(woken) == 2)  # it is another thread that calls
    assert sorted(woken) == [0, 2]


CHILD = """
    import sys, time
    from kerasdl.training import workers as module
    from kerasdl.training.cluster import find_cluster
    module.GRACE, module.HEARTBEAT, module.SILENCE = 1.0, 0.2, 5.0
    with module.joined(find_cluster("auto", sys.argv[1], int(sys.argv[2]), {}), {}, 600) as workers:
        print("there", flush=True)
        time.sleep(600)  # a library that does not hear
"""


@pytest.mark.parametrize(
    ("how", "what"),
    [
        (signal.SIGKILL, "is gone"),
        (signal.SIGINT, "was interrupted"),
        (signal.SIGSTOP, "has said nothing for 5 s"),
    ],
)
@pytest.mark.parametrize("victim", [0, 1])
def test_a_dead_worker_is_named_and_a_process_that_cannot_hear_is_ended(how, what, victim):
    names = addresses(2)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), ",".join(names), str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_ctrl_c,
        )
        for rank in (0, 1)
    ]
    try:
        for child in children:
            assert child.stdout.readline() == "there\n"
        children[victim].send_signal(how)
        other = children[1 - victim]
        _, errors = other.communicate(timeout=PATIENCE)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert other.returncode == 1
    name = f"worker {victim} ({names[victim]})"
    assert errors == f"kerasdl: error: {name} {what}: {module._ADVICE}\n"


def test_an_error_that_a_lost_worker_caused_is_told_as_that():
    class UnavailableError(Exception):
        __module__ = "tensorflow.errors"

    def work(workers):
        if workers.cluster.rank == 1:
            time.sleep(0.3)
            workers.leave("was interrupted")
            return None
        raise UnavailableError("Collective ops is aborted by: ... " + json.dumps({}))

    chief, _ = together(addresses(2), work)
    with pytest.raises(ConnectionError, match=r"^worker 1 .* was interrupted"):
        raise chief


def test_other_errors_of_tensorflow_stay_what_they_are():
    class ResourceExhaustedError(Exception):
        __module__ = "tensorflow.errors"

    def work(workers):
        if workers.cluster.rank == 0:
            raise ResourceExhaustedError("no memory")
        return workers.gather(None)

    chief, other = together(addresses(2), work)
    assert isinstance(chief, ResourceExhaustedError)
    assert "stopped (no memory)" in str(other)
