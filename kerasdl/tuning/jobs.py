"""One search in several processes, by KerasTuner's own chief and workers.

`run` starts a chief, which has the oracle, and workers, which train, as children of this
process, and ends them all. Across machines, start the same command on each with KerasTuner's
environment variables (KERASTUNER_TUNER_ID, _ORACLE_IP, _ORACLE_PORT) and a shared folder.
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
"""What tells a process that it takes part in a search, and as what."""

POLL_SECONDS = 0.2
RESTARTS = 2
"""How often a worker that died is started again, with the trials that it had."""

ENDING_SECONDS = 10.0
"""How long a child may take to end after SIGTERM."""

LATE_SECONDS = 3.0
"""How long a worker may take to end when the search is over."""

USER_ERROR = 2
"""The exit code of a child that says what is wrong and would say it again."""


def serve(oracle: Any) -> None:
    """Serves an oracle to workers until all of them have been told that the search is over.

    As KerasTuner's chief does, which looks only every 20 seconds whether it is done.

    Args:
        oracle: The search's.
    """
    import grpc  # type: ignore[import-untyped, unused-ignore]
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer, exit_chief

    address = f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"expected a free address for the chief. Received: {address}") from error
    server.start()
    try:
        while not (servicer.stop_triggered and exit_chief(oracle)):
            time.sleep(POLL_SECONDS)
    finally:
        # The last answer is still on its way.
        server.stop(grace=2.0).wait()


def run(command: Sequence[str], jobs: int, *, cores: int) -> int:
    """Runs a command as a chief and `jobs` workers, and ends them all.

    Args:
        command: What each runs: a program and its arguments, the search in a folder of its own.
            Its standard input is a pipe that closes when this process ends, however it ends.
        jobs: The number of workers, >= 1.
        cores: Processor cores to share among the workers.

    Returns:
        0 when the search is finished.

    Raises:
        ValueError: If one of them ends with code 2, a user's mistake.
        ChildProcessError: If the chief died, or a worker died more than RESTARTS times.
    """
    threads = str(max(1, cores // jobs))
    names = [f"worker{number}" for number in range(jobs)]
    with _port() as port, _children() as children:
        common = {
            **os.environ,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
            "TF_NUM_INTRAOP_THREADS": threads,
            "OMP_NUM_THREADS": threads,
        }
        for name in ("chief", *names):
            children[name] = _start(command, name, common)
        restarts = dict.fromkeys(names, RESTARTS)
        while (code := children["chief"].poll()) is None:
            for name in names:
                ended = children[name].poll()
                if ended == USER_ERROR:
                    raise ValueError(f"{name} could not take part in the search, see above")
                if ended in (None, 0):
                    continue
                if not restarts[name]:
                    raise ChildProcessError(f"{name} of the search ended with code {ended}")
                restarts[name] -= 1
                children[name].stdin.close()
                # The oracle still has its trials under its name.
                children[name] = _start(command, name, common)
            time.sleep(POLL_SECONDS)
        if code == USER_ERROR:
            raise ValueError("the search could not begin, see above")
        if code:
            raise ChildProcessError(f"the chief of the search ended with code {code}")
        # All trials are finished. A worker that came too late would wait for a chief for an hour.
        _end(children.values(), LATE_SECONDS)
        return 0


def _start(command: Sequence[str], name: str, common: Mapping[str, str]) -> Any:
    # In a session of its own: Ctrl-C is this process's, which ends the others.
    return subprocess.Popen(
        command,
        env={**common, "KERASTUNER_TUNER_ID": name},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


@contextlib.contextmanager
def _children() -> Iterator[dict[str, Any]]:
    """Yields a place for children by name; ends those that are left, also after Ctrl-C."""
    children: dict[str, Any] = {}

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield children
    finally:
        for child in children.values():
            if child.poll() is None:
                child.terminate()
        _end(children.values(), ENDING_SECONDS)
        signal.signal(signal.SIGTERM, before)


def _end(children: Iterable[Any], seconds: float) -> None:
    """Waits until processes have ended; kills those that have not by then."""
    deadline = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdin.close()


@contextlib.contextmanager
def _port() -> Iterator[int]:
    """Yields a port of this machine that others do not get by chance, but the chief may take."""
    with socket.socket() as holder:
        if hasattr(socket, "SO_REUSEPORT"):
            # gRPC's servers share ports, too; who does not listen gets no connections.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        port = int(holder.getsockname()[1])
        if not hasattr(socket, "SO_REUSEPORT"):
            holder.close()
        yield port


def end_with_parent() -> None:
    """Ends this process when its standard input, a pipe from its parent, closes."""

    def watch() -> None:
        # Not through sys.stdin, which is locked at the interpreter's end.
        while os.read(0, 1):
            pass
        # At once, in whatever state the main thread is: the files are whole at any moment.
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
