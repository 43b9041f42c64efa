"""The page at /: the files of a folder beside this one, from memory."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "page"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
"""The page needs nothing from outside, and nothing from outside may use it."""


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str


def read_files(folder: Path = FOLDER) -> dict[str, File]:
    """Returns the files by their path in a URL; "/" is index.html.

    Only what was in the folder at the start is ever sent: a request's path is looked up.
    """
    files = {
        f"/{path.relative_to(folder).as_posix()}": File(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }
    if "/index.html" in files:
        files["/"] = files["/index.html"]
    return files
