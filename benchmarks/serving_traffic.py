"""Clients for the benchmarks of the server: HTTP over kept connections."""

import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

Check = Callable[[int, bytes], bool]
"""Says whether an answer belongs to the request with that number."""


class Result:
    """What became of the requests.

    Attributes:
        statuses: How many answers had each HTTP status; "wrong" counts answers of another
            request, "lost" connections that ended without an answer.
        seconds: Of each request that was answered with 200, from its time to be sent.
        took: Seconds that all of it took.
    """

    def __init__(self) -> None:
        self.statuses: Counter[int | str] = Counter()
        self.seconds: list[float] = []
        self.took = 0.0

    @property
    def rate(self) -> float:
        """Answers with 200 in a second."""
        return self.statuses[200] / self.took if self.took else 0.0

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the good answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def __str__(self) -> str:
        middle = 1000 * statistics.median(self.seconds or [0])
        last = 1000 * self.percentile(0.99)
        return (
            f"{self.rate:.0f}/s, median {middle:.1f} ms, p99 {last:.1f} ms, {dict(self.statuses)}"
        )


class Connection:
    """One HTTP connection, opened when it is first used and again after it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Sends a request; returns status and body."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        lowered = answer.lower()
        start = lowered.index(b"content-length:") + 15
        length = int(lowered[start : lowered.index(b"\r\n", start)])
        content = await self._reader.readexactly(length)
        if b"connection: close" in lowered:
            self.close()
        return status, content

    def close(self) -> None:
        """Closes it."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def closed_loop(
    port: int,
    path: str,
    body: Callable[[int], bytes],
    *,
    clients: int,
    requests: int | None = None,
    seconds: float | None = None,
    check: Check | None = None,
) -> Result:
    """`clients` that each send the next request when they have their answer.

    Args:
        port: REST's.
        path: Of the requests.
        body: Makes the body of the request with that number.
        clients: How many at once.
        requests: End after so many, or
        seconds: after so long.
        check: For answers with 200.
    """
    result = Result()

    async def run() -> None:
        began = time.perf_counter()
        end = began + seconds if seconds else float("inf")
        numbers = iter(range(requests or sys.maxsize))

        async def one() -> None:
            connection = Connection(port)
            for number in numbers:
                if time.perf_counter() >= end:
                    break
                if not await ask(connection, path, number, body, check, result):
                    break
            connection.close()

        await asyncio.gather(*(one() for _ in range(clients)))
        result.took = time.perf_counter() - began

    uvloop.run(run())
    return result


def open_loop(
    port: int,
    path: str,
    body: Callable[[int], bytes],
    *,
    rate: float,
    seconds: float,
    check: Check | None = None,
    seed: int = 0,
) -> Result:
    """Requests at random times, `rate` a second, whether or not earlier ones are answered."""
    result = Result()
    chance = random.Random(seed)

    async def run() -> None:
        began = due = time.perf_counter()
        free: list[Connection] = []
        tasks: set[asyncio.Task[None]] = set()
        number = 0

        async def one(number: int, due: float) -> None:
            connection = free.pop() if free else Connection(port)
            if await ask(connection, path, number, body, check, result, due):
                free.append(connection)

        while due < began + seconds:
            due += chance.expovariate(rate)
            wait = due - time.perf_counter()
            await asyncio.sleep(max(0.0, wait))
            task = asyncio.create_task(one(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)
        for connection in free:
            connection.close()
        result.took = time.perf_counter() - began

    uvloop.run(run())
    return result


async def ask(
    connection: Connection,
    path: str,
    number: int,
    body: Callable[[int], bytes],
    check: Check | None,
    result: Result,
    due: float | None = None,
) -> bool:
    """Sends one request and notes its end; returns whether the connection can be used again."""
    content = body(number)
    began = time.perf_counter() if due is None else due
    try:
        status, answer = await connection.post(path, content)
    except ConnectionRefusedError:
        result.statuses["refused"] += 1
        return False
    except (OSError, asyncio.IncompleteReadError):
        result.statuses["lost"] += 1
        connection.close()
        return False
    result.statuses[status] += 1
    if status == 200:
        result.seconds.append(time.perf_counter() - began)
        if check is not None and not check(number, answer):
            result.statuses["wrong"] += 1
    return True
