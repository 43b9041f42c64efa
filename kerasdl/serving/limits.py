"""How much the server takes on: requests at once, bytes of their bodies, what JSON may hold."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import orjson

from kerasdl.serving.errors import Failure, invalid

Receive = Callable[[], Awaitable[Any]]

_CHECKED_FROM = 2**20
_TREE = 2**28
_MEMBERS = 16
_COSTS = {b"[": 88, b"{": 240, b",": 32}
"""Bytes that a list, an object and a value take in memory once parsed (CPython 3.11)."""


class Gate:
    """Counts what is being worked on, and turns away what is too much.

    Args:
        requests: Most requests at once.
        total: Most bytes of their bodies at once.
    """

    def __init__(self, requests: int, total: int) -> None:
        self.most = requests
        self.total = total
        self.requests = 0
        self.bytes = 0
        self.refused = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for another request."""
        return self.requests >= self.most

    def enter(self) -> None:
        """Lets a request in.

        Raises:
            Failure: If there are too many; HTTP 503.
        """
        if self.full:
            self.refused += 1
            raise busy()
        self.requests += 1

    def leave(self) -> None:
        """A request has been answered."""
        self.requests -= 1

    def hold(self, size: int) -> None:
        """Accounts for bytes of a body that is kept; `release` them again.

        Raises:
            Failure: If there is too much of them; HTTP 503.
        """
        if self.bytes and self.bytes + size > self.total:
            self.refused += 1
            raise busy()
        self.bytes += size

    def release(self, size: int) -> None:
        """The bytes of a body are no longer kept."""
        self.bytes -= size


def busy() -> Failure:
    """Returns the failure of a request for which there is no room."""
    return Failure("UNAVAILABLE", "the server is busy; try again in a second")


class Gone(Exception):
    """The client closed the connection."""


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    most: int,
    gate: Gate,
    deadline: float,
) -> bytes:
    """Reads a request's body, and undoes gzip.

    Args:
        receive: ASGI's.
        headers: The request's, with lower-case names.
        most: Most bytes, as sent and after gzip.
        gate: Holds the bytes while they come in.
        deadline: When the body must be there, by `time.monotonic`.

    Raises:
        Failure: If it is too large (HTTP 413), too slow (408), in an encoding other than
            gzip (415), or no gzip (400).
        Gone: If the client left.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"gzip", b"x-gzip", b""):
        raise Failure(
            "INVALID_ARGUMENT",
            f"Content-Encoding may be gzip. Received: {encoding.decode('latin-1')[:50]}",
            415,
        )
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest(receive, body, most, gate, deadline)
    if len(body) > most:
        raise _too_large(most)
    return _gunzip(body, most) if encoding.endswith(b"gzip") else body


async def _rest(receive: Receive, first: bytes, most: int, gate: Gate, deadline: float) -> bytes:
    chunks, size = [first], len(first)
    gate.hold(size)
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                chunk = message.get("body", b"")
                gate.hold(len(chunk))
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Failure("DEADLINE_EXCEEDED", "the request's body came in too slowly", 408) from None
    finally:
        gate.release(size)
    return b"".join(chunks)


def _gunzip(body: bytes, most: int) -> bytes:
    """Undoes gzip, of one or several members, without ever holding more than `most` bytes."""
    parts: list[bytes] = []
    left = most
    for _ in range(_MEMBERS):
        if not body:
            return b"".join(parts)
        inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            part = inflater.decompress(body, left + 1)
        except zlib.error as error:
            raise invalid(f"the body is not gzip: {error}") from None
        left -= len(part)
        if left < 0:
            raise _too_large(most)
        if not inflater.eof:
            raise invalid("the body's gzip ends too early")
        parts.append(part)
        body = inflater.unused_data
    # Each member copies the rest: thousands of empty ones would take minutes.
    raise invalid(f"the body's gzip has more than {_MEMBERS} members")


class Text(NamedTuple):
    """What is known of a JSON text.

    Args:
        size: Its bytes.
        literals: Whether true, false or null may occur in it.
    """

    size: int
    literals: bool


def parse_json(body: bytes) -> tuple[dict[str, Any], Text]:
    """Parses a request's JSON; NaN, Infinity and -Infinity are numbers.

    Args:
        body: The text, at most 1024 levels deep.

    Returns:
        The object, and what is known of its text.

    Raises:
        Failure: If it is no JSON object, or would take too much memory.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    if len(body) > _CHECKED_FROM:
        tree = sum(cost * body.count(character) for character, cost in _COSTS.items())
        if tree > _TREE:
            raise Failure(
                "INVALID_ARGUMENT",
                "the JSON has too many lists or values to be read; send images as "
                '{"b64": ...}, or fewer at once',
                413,
            )
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        document = _parse_with_nan(body, error)
    if not isinstance(document, dict):
        from kerasdl.serving.exact_json import quoted

        raise invalid(f"JSON Value: {quoted(document)} Is not object")
    literals = any(word in body for word in (b"true", b"false", b"null"))
    return document, Text(len(body), literals)


def _parse_with_nan(body: bytes, error: orjson.JSONDecodeError) -> Any:
    """The standard library reads NaN and infinities, which orjson does not, but slowly."""
    if b"NaN" in body or b"Infinity" in body:
        import json

        try:
            return json.loads(body.decode())
        except (ValueError, RecursionError):
            pass  # orjson's message names the place as well
    raise invalid(f"JSON Parse error: Invalid value. {error}") from None


def _too_large(most: int) -> Failure:
    return Failure(
        "INVALID_ARGUMENT", f"a request may have at most {most} bytes, also without gzip", 413
    )
