"""What a URL below /v1/ asks for."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from kerasdl.serving.errors import invalid

_WHERE = r"/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(rf"/v1/models{_WHERE}:(classify|regress|predict)", re.I | re.A)
_STATUS = re.compile(rf"/v1/models(?:{_WHERE}(/metadata)?)?", re.I | re.A)
_MOST = 2**63 - 1


class Target(NamedTuple):
    """A model, or one of its versions; `version` and `label` are never both given."""

    model: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        """Names it as upstream's messages do."""
        if self.version is not None:
            return f"Specific({self.model}, {self.version})"
        return f"Latest({self.model})"


class Route(NamedTuple):
    """What to do with the target: predict, classify, regress, status, metadata or list."""

    action: str
    target: Target


def parse(method: str, path: str) -> Route:
    """Reads a request's line.

    Args:
        method: GET or POST.
        path: The path as sent, percent-encoded, without a query. Names in it are decoded
            and are only ever looked up, never part of a file's path.

    Raises:
        Failure: If it is none of the API's; HTTP 400.
    """
    match = None
    action = ""
    if method == "POST":
        match = _PREDICTION.fullmatch(path)
        action = match[4].lower() if match else ""
    elif method in ("GET", "HEAD"):
        match = _STATUS.fullmatch(path)
        if match:
            action = "list" if not match[1] else "metadata" if match[4] else "status"
    if match is None:
        raise invalid(f"Malformed request: {method} {path[:500]}")
    if match[2] and (len(match[2]) > 19 or int(match[2]) > _MOST):
        raise invalid(f"Failed to convert version: {match[2][:100]} to numeric.")
    return Route(
        action,
        Target(
            unquote(match[1] or ""),
            int(match[2]) if match[2] else None,
            unquote(match[3]) if match[3] else None,
        ),
    )
