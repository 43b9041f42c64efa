"""What a mistyped name was meant to be: one rule for commands, options and values."""

import difflib
from collections.abc import Iterable


def nearest(received: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Returns the known name that is most like a received one, or None if none is.

    Args:
        received: What was typed, in any case, with `-` or `_`.
        known: The names that there are.
        cutoff: How alike they must be, 0..1, as for `difflib.get_close_matches`.
    """
    names = {_plain(name): name for name in known}
    typed = _plain(received)
    if not typed:
        return None
    near = difflib.get_close_matches(typed, names, n=1, cutoff=cutoff)
    if near:
        return names[near[0]]
    # A beginning that only one name has: `--batch` for `--batch-size`.
    begun = [name for plain, name in names.items() if plain.startswith(typed)]
    return begun[0] if len(begun) == 1 else None


def hint(received: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns " Did you mean 'NAME'?", or nothing where no name is near.

    Args:
        received: As for `nearest`.
        known: As for `nearest`.
        cutoff: As for `nearest`.
    """
    near = nearest(received, known, cutoff)
    return "" if near is None else f" Did you mean {near!r}?"


def _plain(name: str) -> str:
    return str(name).lower().strip("-").replace("_", "-")
