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
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

POLL_SECONDS = 0.2
RESTARTS = 2
"""How often a worker that died is started again, with the trials that it had."""

ENDING_SECONDS = 10.0
"""How long a child may take to end after SIGTERM."""


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
    if not server.add_insecure_port(address):
        raise OSError(f"expected a free address for the chief. Received: {address}")
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
        jobs: The number of workers, >= 1.
        cores: Processor cores to share among the workers.

    Returns:
        0 when the search is finished.

    Raises:
        ChildProcessError: If the chief died, or a worker died more than RESTARTS times.
    """
    threads = str(max(1, cores // jobs))
    common = {
        **os.environ,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(_free_port()),
        "TF_NUM_INTRAOP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }
    names = [f"worker{number}" for number in range(jobs)]
    with _children() as children:
        for name in ("chief", *names):
            children[name] = _start(command, name, common)
        restarts = dict.fromkeys(names, RESTARTS)
        while True:
            codes = {name: child.poll() for name, child in children.items()}
            if codes["chief"] not in (None, 0):
                raise ChildProcessError(f"the chief of the search ended with code {codes['chief']}")
            for name in names:
                if codes[name] in (None, 0):
                    continue
                if not restarts[name] or codes["chief"] == 0:
                    raise ChildProcessError(f"{name} of the search ended with code {codes[name]}")
                restarts[name] -= 1
                # The oracle still has its trials under its name.
                children[name] = _start(command, name, common)
            if all(code == 0 for code in codes.values()):
                return 0
            time.sleep(POLL_SECONDS)


def _start(command: Sequence[str], name: str, common: Mapping[str, str]) -> Any:
    return subprocess.Popen(command, env={**common, "KERASTUNER_TUNER_ID": name})


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
        left = [child for child in children.values() if child.poll() is None]
        for child in left:
            child.terminate()
        deadline = time.monotonic() + ENDING_SECONDS
        for child in left:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        signal.signal(signal.SIGTERM, before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
