"""What can go wrong with a request, as TensorFlow's status codes, in HTTP and in gRPC."""

import re
from typing import Any

HTTP_STATUS = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""As in TensorFlow Serving's model_servers/http_server.cc."""

_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
NUMBERS = {code: number for number, code in enumerate(_CODES)}
"""The numbers of google.rpc.Code, which error_code of a model's status holds."""

_LONGEST = 2000
_NODE = re.compile(r"\s*(\[\[)?\{\{.*?\}\}(\]\])?\s*")


class Failure(Exception):
    """A request that gets an error instead of an answer.

    Args:
        code: A key of `HTTP_STATUS`.
        message: What the client reads.
        http: The HTTP status where HTTP distinguishes more finely than the code does.
    """

    def __init__(self, code: str, message: str, http: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http = http or HTTP_STATUS[code]

    def __str__(self) -> str:
        return self.message


def invalid(*parts: object) -> Failure:
    """Returns the failure of a request that is itself wrong: HTTP 400."""
    return Failure("INVALID_ARGUMENT", "".join(map(str, parts)))


def from_exception(error: BaseException) -> Failure:
    """Returns what an exception out of TensorFlow, or out of anything else, is to the client.

    TensorFlow's messages hold where in the graph, and in whose files, the error arose;
    only the sentence about the data is passed on.
    """
    if isinstance(error, Failure):
        return error
    number: Any = getattr(error, "error_code", None)
    if isinstance(number, int) and 0 < number < len(_CODES):
        return Failure(_CODES[number], _sentence(str(getattr(error, "message", error))))
    return Failure("INTERNAL", _sentence(f"{type(error).__name__}: {error}"))


def _sentence(message: str) -> str:
    """Cuts the frame of a graph's error: names of nodes, stack traces, names of functions."""
    lines = [
        line
        for line in _NODE.sub("", message).splitlines()
        if line.strip()
        and not line.startswith(("Graph execution error", "Detected at node", "<stack traces"))
        and not line.lstrip().startswith(("File ", "[[", "Original stack"))
    ]
    text = " ".join(" ".join(lines).split())
    return re.sub(r"\s*\[Op:[\w<>]+\]( name:.*)?$", "", text)[:_LONGEST] or "the model failed"
