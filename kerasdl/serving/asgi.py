"""HTTP: paths to what answers them, and answers to messages of ASGI."""

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kerasdl.serving import answers_json, metrics, openapi, rest, routes, state, static
from kerasdl.serving.errors import Failure, from_exception
from kerasdl.serving.limits import Gone, Receive, busy, read_body
from kerasdl.serving.prediction import Server

log = logging.getLogger("kerasdl.serving")

Send = Callable[[Any], Awaitable[None]]
Headers = Mapping[bytes, bytes]

_JSON = "application/json"
_OPEN = frozenset(("/healthz", "/readyz"))
"""What is answered without a key, besides the page."""


class Reply:
    """An answer on its way out.

    Args:
        status: The HTTP status.
        body: The content.
        media_type: Its type.
        headers: Further headers.
    """

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        media_type: str = _JSON,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers = headers


class App:
    """The ASGI application.

    Args:
        server: What serves.
        key: The API key; "" for none.
    """

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._key = key.encode()
        self._files = static.read_files()
        self._document = openapi.document()
        self._busy = self._error(busy())

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        if self._server.gate.full and scope["method"] == "POST":
            # What overload brings most of must cost least.
            self._server.gate.refused += 1
            await self._send(self._busy, "POST", send)
            return
        began = time.monotonic()
        path = scope.get("raw_path", b"").decode("latin-1")
        method = scope["method"]
        headers = dict(scope["headers"])
        try:
            reply = await self._answer(method, path, headers, receive, began)
        except Gone:
            return
        except Failure as failure:
            reply = self._error(failure)
        except Exception as error:
            log.exception("%s %s", method, path)
            reply = self._error(from_exception(error))
        if self._server.options.log_requests:
            seconds = time.monotonic() - began
            log.info("%s %s %d %.1f ms", method, path, reply.status, 1000 * seconds)
        await self._send(reply, method, send)

    async def _answer(
        self, method: str, path: str, headers: Headers, receive: Receive, began: float
    ) -> Reply:
        """Finds what a path is for; `/v1` is TensorFlow Serving's API."""
        if method == "OPTIONS" and self._server.options.cors_origin:
            return Reply(204, b"")
        if path == "/v1" or path[:4].lower() == "/v1/":
            self._check_key(headers)
            return await self._api(method, path, headers, receive, began)
        if method not in ("GET", "HEAD"):
            known = path in self._files or path in _OPEN or path in (metrics.PATH, openapi.PATH)
            if known:
                return self._error(
                    Failure("INVALID_ARGUMENT", f"{path} is for GET only", 405), (b"allow", b"GET")
                )
        elif path in _OPEN:
            tell = state.health if path == "/healthz" else state.readiness
            good, body = tell(self._server)
            return Reply(200 if good else 503, body)
        elif path in self._files:
            file = self._files[path]
            return Reply(200, file.content, file.media_type, static.HEADERS)
        elif path == openapi.PATH:
            return Reply(200, self._document)
        elif path == metrics.PATH:
            self._check_key(headers)
            return Reply(200, state.metrics_text(self._server).encode(), metrics.CONTENT_TYPE)
        raise Failure("NOT_FOUND", f"there is nothing at {path[:500]}")

    async def _api(
        self, method: str, path: str, headers: Headers, receive: Receive, began: float
    ) -> Reply:
        server = self._server
        route = routes.parse(method, path)
        if route.action in ("predict", "classify", "regress"):
            return await self._predict(route, headers, receive, began)
        if route.action == "list":
            return Reply(200, rest.listing(server))
        tell = rest.metadata if route.action == "metadata" else rest.status
        return Reply(200, tell(server, route))

    async def _predict(
        self, route: routes.Route, headers: Headers, receive: Receive, began: float
    ) -> Reply:
        server = self._server
        deadline = began + server.options.timeout
        code = "OK"
        try:
            server.gate.enter()
            try:
                body = await read_body(
                    receive, headers, server.options.max_body, server.gate, deadline
                )
                work = rest.predict(server, route, body, deadline)
                del body
                return Reply(200, await _unless_gone(work, receive))
            finally:
                server.gate.leave()
        except Failure as failure:
            code = failure.code
            raise
        except Gone:
            code = "CANCELLED"
            raise
        except Exception as error:
            code = from_exception(error).code
            raise
        finally:
            # Names that nobody serves are not kept: anyone could make up any number of them.
            known = route.target.model in server.models.by_name
            model = route.target.model if known else ""
            server.metrics.requests.add(model, code)
            server.metrics.latency.add(time.monotonic() - began, model, route.action, "REST")

    def _check_key(self, headers: Headers) -> None:
        """Raises a failure when a key is asked for and the request has not brought it."""
        if not self._key:
            return
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = token.strip()
        if not hmac.compare_digest(given, self._key):
            raise Failure(
                "UNAUTHENTICATED",
                "this server asks for a key: Authorization: Bearer KEY, or X-Api-Key: KEY",
            )

    def _error(self, failure: Failure, *headers: tuple[bytes, bytes]) -> Reply:
        more = list(headers)
        if failure.http == 503:
            more.append((b"retry-after", b"1"))
        if failure.http == 401:
            more.append((b"www-authenticate", b"Bearer"))
        if failure.http in (408, 413):
            # The rest of the body is not read.
            more.append((b"connection", b"close"))
        return Reply(failure.http, answers_json.dumps({"error": failure.message}), _JSON, (*more,))

    async def _send(self, reply: Reply, method: str, send: Send) -> None:
        headers = [
            (b"content-type", reply.media_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            *reply.headers,
        ]
        origin = self._server.options.cors_origin
        if origin:
            headers += [
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-allow-methods", b"POST, GET"),
                (b"access-control-allow-headers", b"Content-Type, Authorization, X-Api-Key"),
            ]
        if self._server.draining:
            # The client opens its next connection to a server that stays.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})


async def _unless_gone(work: Awaitable[bytes], receive: Receive) -> bytes:
    """Awaits an answer; cancels it when the client closes the connection."""
    me = asyncio.current_task()
    left = False

    def leave(task: "asyncio.Task[Any]") -> None:
        nonlocal left
        if not task.cancelled() and me is not None:
            left = True
            me.cancel()

    async def closing() -> None:
        await receive()

    watching = asyncio.get_running_loop().create_task(closing())
    watching.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left:
            raise Gone from None
        raise
    finally:
        watching.remove_done_callback(leave)
        watching.cancel()
