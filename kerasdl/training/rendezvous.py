"""How workers find each other: all connect to the chief, who compares what they were told to do.

It is done on the chief's own address, before TensorFlow listens there: a worker that
is missing or differs becomes one clear line, where TensorFlow would wait for an hour.
"""

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

from kerasdl import recipe
from kerasdl.training.cluster import Cluster

Sockets = dict[int, socket.socket]

LIMIT = 2**20
"""Longest line of a message in bytes: what comes from a network may be anything."""

_STEP = 5.0
"""Seconds for one attempt to connect, and for a stranger to say who it is."""


def meet(cluster: Cluster, greeting: Mapping[str, Any], timeout: float) -> Sockets:
    """Waits until every worker is there; returns the connections by rank.

    Args:
        cluster: Who they are, at least two.
        greeting: What must be the same on all of them, as nested plain data.
        timeout: How long to wait, in seconds.

    Returns:
        The chief's connections to all others, or another worker's one to the chief.

    Raises:
        ValueError: If the own port is taken or workers were started differently.
        TimeoutError: If one does not come in time.
    """
    deadline = time.monotonic() + timeout
    # As it arrives at the other end: tuples are lists there.
    told = json.loads(json.dumps({"workers": cluster.addresses, **greeting}))
    # The others try their ports too: TensorFlow would say less clearly that one is taken.
    with _listen(cluster) as listener:
        if cluster.is_chief:
            return _receive_all(listener, cluster, told, deadline, timeout)
    return {0: _call(cluster, told, deadline, timeout)}


def send(connection: socket.socket, message: Any) -> None:
    """Sends one message; raises OSError if the other side is gone."""
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive_all(
    listener: socket.socket,
    cluster: Cluster,
    told: Mapping[str, Any],
    deadline: float,
    timeout: float,
) -> Sockets:
    found: Sockets = {}
    try:
        while missing := [rank for rank in range(1, len(cluster.addresses)) if rank not in found]:
            listener.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                names = ", ".join(cluster.name(rank) for rank in missing)
                raise TimeoutError(
                    f"{names} did not come within {timeout:g} s: start the same command there "
                    "with its own --rank, or wait longer with --worker-timeout"
                ) from None
            hello = _read(connection)
            rank = hello.get("rank") if isinstance(hello, dict) else None
            if type(rank) is not int or not 1 <= rank < len(cluster.addresses):
                connection.close()  # somebody who tries ports
                continue
            differences = recipe.differences(told, _table(hello.get("told")))
            if differences:
                text = _started_otherwise(cluster, rank, differences)
                _refuse(connection, text)
                raise ValueError(text)
            if rank in found and not _is_closed(found[rank]):
                _refuse(connection, f"there are two workers with --rank {rank}")
                continue
            if rank in found:
                found[rank].close()
            found[rank] = connection
    except BaseException as error:
        for connection in found.values():
            _refuse(connection, f"{cluster.name(0)} stopped: {error}")
        raise
    for connection in found.values():
        _keep(connection)
        with contextlib.suppress(OSError):  # gone already: its reader will see
            send(connection, {"start": True})
    return found


def _call(
    cluster: Cluster, told: Mapping[str, Any], deadline: float, timeout: float
) -> socket.socket:
    host, _, port = cluster.addresses[0].rpartition(":")
    hello = {"rank": cluster.rank, "told": told}
    while (left := deadline - time.monotonic()) > 0:
        # Nobody there yet, a name that is not known yet, or another program: try again.
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection = socket.create_connection((host.strip("[]"), int(port)), min(left, _STEP))
            stack.callback(connection.close)
            send(connection, hello)
            # The chief waits for the others; it has a deadline itself.
            answer = _read(connection, left + _STEP)
            if isinstance(answer, dict) and "error" in answer:
                raise ValueError(str(answer["error"]))
            if answer == {"start": True}:
                stack.pop_all()
                _keep(connection)
                return connection
        time.sleep(0.2)
    raise TimeoutError(
        f"{cluster.name(0)}, the chief, did not answer within {timeout:g} s: start the same "
        "command there with --rank 0, or wait longer with --worker-timeout"
    )


def _refuse(connection: socket.socket, reason: str) -> None:
    with contextlib.suppress(OSError):
        send(connection, {"error": reason})
    connection.close()


def _listen(cluster: Cluster) -> socket.socket:
    """Returns a listening socket on the own port; on this machine only where that will do."""
    host, _, port = cluster.addresses[cluster.rank].rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    local = host in ("localhost", "::1") or host.startswith("127.")
    try:
        return socket.create_server((host if local else "", int(port)), family=family)
    except OSError as error:
        raise ValueError(
            f"{cluster.name(cluster.rank)} must listen on port {port}, which fails "
            f"({error.strerror}); end the process that has it, or choose another port"
        ) from None


def _read(connection: socket.socket, timeout: float = _STEP) -> Any:
    """Returns the first message, or None if there is none in time or it is no message."""
    line = bytearray()
    deadline = time.monotonic() + timeout
    # Byte by byte: what comes after the line belongs to the next reader.
    with contextlib.suppress(OSError, ValueError, RecursionError):
        while not line.endswith(b"\n") and len(line) < LIMIT:
            if (left := deadline - time.monotonic()) <= 0:
                return None
            connection.settimeout(left)
            part = connection.recv(1)
            if not part:
                return None
            line += part
        return json.loads(line)
    return None


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has gone: its process may have been started again."""
    connection.settimeout(0)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _keep(connection: socket.socket) -> None:
    """Makes a connection last: no time limit, and the system asks whether the other host lives."""
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux: after 30 s without a word ask every 10 s, give up after three.
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _started_otherwise(cluster: Cluster, rank: int, differences: list[str]) -> str:
    shown = "; ".join(text[:200] for text in differences[:5])
    return (
        f"{cluster.name(rank)} was started otherwise than {cluster.name(0)}: {shown}. "
        "Start all workers with the same command but for --rank"
    )
