"""HTTP to the server, and what can go wrong with it as one sentence."""

import http.client
import json
import time
from typing import Any
from urllib.parse import quote, urlsplit

LARGEST = 2**26
"""Bytes of an answer."""

_TRIES = 4
_LONGEST_WAIT = 5.0


class Connection:
    """A connection that is kept open between requests.

    Args:
        url: Of the server, e.g. http://127.0.0.1:8501; a path in it is put before all others.
        key: The API key; "" for none.
        timeout: Seconds that the server may be silent.

    Raises:
        ValueError: If it is no such URL.
    """

    def __init__(self, url: str, key: str, timeout: float) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise ValueError(
                f"expected the server's URL, e.g. http://127.0.0.1:8501. Received: {url}"
            )
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(host, port, timeout=timeout)
        self._url = url
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def call(self, path: str, body: Any = None) -> Any:
        """GETs a path, or POSTs a body as JSON; waits and tries again while the server is busy.

        Returns:
            The parsed answer.

        Raises:
            ValueError: If the server says that the request is wrong (4xx).
            ConnectionError: If it does not answer, or cannot (5xx).
        """
        for attempt in range(_TRIES):
            status, wait, content = self._request(path, body)
            if status not in (429, 503) or attempt == _TRIES - 1:
                break
            time.sleep(min(_LONGEST_WAIT, wait))
        if status == 200:
            try:
                return json.loads(content)
            except (ValueError, RecursionError):
                raise ConnectionError(f"the answer of {self._url} is not JSON") from None
        message = f"{self._url} refused the request ({status}): {_said(content)}"
        if status == 401:
            message += "; give it with --key-file"
        raise (ValueError if 400 <= status < 500 and status != 429 else ConnectionError)(message)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _request(self, path: str, body: Any) -> tuple[int, float, bytes]:
        method = "GET" if body is None else "POST"
        data = None if body is None else json.dumps(body).encode()
        fresh = self._connection.sock is None
        try:
            self._connection.request(method, self._prefix + path, data, self._headers)
            response = self._connection.getresponse()
            content = response.read(LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if not fresh and not isinstance(error, TimeoutError):
                # The server may end a connection that was idle; asking twice does no harm.
                return self._request(path, body)
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ConnectionError(f"{self._url} does not answer: {reason}") from None
        if len(content) > LARGEST:
            self._connection.close()
            raise ConnectionError(f"{self._url} answers with more than {LARGEST} bytes")
        wait = response.headers.get("Retry-After", "")
        return response.status, float(wait) if wait.isdecimal() else 1.0, content


def place(model: str, version: int | None) -> str:
    """Returns the path of a model, or of one of its versions; any name is only a name in it."""
    where = "" if version is None else f"/versions/{version}"
    return f"/v1/models/{quote(model, safe='')}{where}"


def _said(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])[:500]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "without a reason"
