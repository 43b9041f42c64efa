"""uvicorn, with limits that it does not have and an end that drops nothing."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kerasdl.serving.options import Options

_MAX_HEAD = 64 * 1024
_SETTLE = 0.5
"""Seconds that open connections get for a request that is already on its way."""


class Protocol(HttpToolsProtocol):
    """A connection whose request heads are limited in size, and in the time they take."""

    seconds = 30.0
    """Set for all connections before the first."""

    def connection_made(self, transport: Any) -> None:
        """A client has come; it has that long for its first request."""
        super().connection_made(transport)
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self._head = 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._count(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._stop_waiting()
        super().on_headers_complete()

    def _count(self, *pieces: bytes) -> None:
        self._head += sum(map(len, pieces)) + 4
        if self._head > _MAX_HEAD:
            # The parser turns it into 400 and the end of the connection.
            raise ValueError(f"a request's head may have at most {_MAX_HEAD} bytes")

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers; see `stop`."""

    def __init__(self, app: Any, options: Options) -> None:
        Protocol.seconds = options.timeout
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=max(1, round(options.grace_seconds)),
                ssl_certfile=options.tls_certificate or None,
                ssl_keyfile=options.tls_key or None,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the process: it has more to stop than this."""
        yield

    async def start(self, listener: socket.socket) -> "asyncio.Task[None]":
        """Starts to accept; returns the task that ends when the server has stopped."""
        task = asyncio.create_task(self.serve(sockets=[listener]))
        while not self.started and not task.done():
            await asyncio.sleep(0.01)
        return task

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops to accept, and lets every request that was sent be answered.

        Closing a port resets the connections that the kernel has made and nobody accepted
        yet; they are accepted first. Closing an idle connection loses a request that is on
        its way; every answer since the stop asked its client to close, so those that stay
        get a moment and are idle then.
        """
        loop = asyncio.get_running_loop()
        config = self.config
        for listener in sockets or []:
            for connection in _pending(listener):
                await loop.connect_accepted_socket(
                    lambda: Protocol(config, self.server_state, self.lifespan.state),
                    connection,
                    ssl=config.ssl,
                )
        for server in self.servers:
            server.close()
        until = loop.time() + _SETTLE
        while self.server_state.connections and loop.time() < until:
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)


def _pending(listener: socket.socket) -> list[socket.socket]:
    """Accepts the connections that wait, without waiting for more."""
    listener.setblocking(False)
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            found.append(connection)
    return found
