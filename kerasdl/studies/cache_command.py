"""The features that are kept on this machine: what they are of, how large, when last used.

kerasdl cache                  # list them; --json for programs
kerasdl cache --limit 2GB      # remove the longest unused until they take no more
kerasdl cache --clear          # remove all
"""

import datetime
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kerasdl import command_line, streams
from kerasdl.training.sizes import format_size, size_option

if TYPE_CHECKING:
    from kerasdl.training.features.cache import Entry, FeatureCache

PROGRAM = "kerasdl cache"

_DIGEST_DIGITS = 8


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0, or 2 for a user's mistake or a folder that cannot be read.
    """
    options = make_parser().parse_args(argv)
    # Imported late: --help should not wait for NumPy.
    from kerasdl.training.features.cache import FeatureCache

    try:
        cache = FeatureCache()
        if options.clear:
            _tell(cache, cache.clear())
        elif options.limit is not None:
            _tell(cache, cache.trim(options.limit))
        else:
            _list(cache, options.json)
    except (ValueError, OSError) as error:
        return command_line.fail(PROGRAM, error)
    return 0


def words(key: Any) -> str:
    """Returns what features are of, in words.

    Args:
        key: As in a file's header, see `Extractor.key`.

    Returns:
        E.g. "base vgg16, weights_sha256 1f2e3d4c, size 32, 50000 images 9a8b7c6d, view 2 of
        seed 0 (shift 2, flip)"; the key itself where it has another form.
    """
    try:
        network, images, view = key["network"], key["images"], key["view"]
        parts = [_pair(name, value) for name, value in network.items() if value not in ("", None)]
        parts.append(f"{images['count']} images {str(images['sha256'])[:_DIGEST_DIGITS]}")
        if view is not None:
            looks = {k: v for k, v in view.items() if k not in ("seed", "number") and v}
            how = ", ".join(k if v is True else f"{k} {v}" for k, v in looks.items())
            parts.append(f"view {view['number'] + 1} of seed {view['seed']} ({how})")
        return ", ".join(parts)
    except (AttributeError, KeyError, TypeError):
        return _short(str(key))


def _pair(name: str, value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        text = text[:_DIGEST_DIGITS]
    return f"{name} {_short(text)}"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _list(cache: "FeatureCache", as_json: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from kerasdl.terminal import show_list

    entries = cache.entries()
    table = Table(title=f"Features in {escape(str(cache.folder))}", title_justify="left")
    table.add_column("Features of", overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Last use", no_wrap=True)
    data = []
    for one in entries:
        about = f"{one.path.name}: {one.problem}"
        if one.header is not None:
            shape = " × ".join(f"{side:,}" for side in one.header.shape)
            about = f"{words(one.header.key)}: {shape} {one.header.dtype}"
        table.add_row(escape(about), format_size(one.size), _when(one))
        header = None if one.header is None else msgspec.to_builtins(one.header, enc_hook=str)
        found = {"file": one.path.name, "bytes": one.size, "used": one.used, "header": header}
        data.append({**found, "problem": one.problem or None})
    total = sum(one.size for one in entries)
    show_list(
        lambda: table if entries else escape(f"No features in {cache.folder}"),
        data={"folder": str(cache.folder), "limit": cache.limit, "files": data},
        names=[one.path.name for one in entries],
        as_json=as_json,
        notes=[f"{len(entries)} files, {format_size(total)} of at most {format_size(cache.limit)}"],
    )


def _when(one: "Entry") -> str:
    return datetime.datetime.fromtimestamp(one.used).strftime("%Y-%m-%d %H:%M")


def _tell(cache: "FeatureCache", removed: "Sequence[Entry]") -> None:
    left = cache.entries()
    total = sum(one.size for one in left)
    freed = sum(one.size for one in removed)
    streams.write(
        f"Removed {len(removed)} files, {format_size(freed)}. Left: {len(left)} files, "
        f"{format_size(total)}, in {cache.folder}"
    )


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        prog=PROGRAM,
        lists=True,
        description="Lists the features of frozen networks that are kept on this machine, the "
        "lately used first. They are removed by themselves when they pass the limit: 8 GB, or "
        "KERASDL_CACHE_LIMIT. Those that a running process uses are never removed.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--clear", action="store_true", help="remove all of them")
    what.add_argument(
        "--limit",
        type=size_option,
        metavar="SIZE",
        help="remove the longest unused until all together take at most SIZE, e.g. 2GB",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
