"""Sizes of files in words: 8 GB is 8 000 000 000 bytes, as disks are sold."""

import argparse
import re

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(text: str) -> int:
    """Returns the bytes of a size such as "8GB", "500 MB" or "0".

    Args:
        text: A number, and B, kB, MB, GB or TB.

    Raises:
        ValueError: If it is no such size.
    """
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)b?\s*", text, re.IGNORECASE)
    if found is None:
        raise ValueError(f"expected a size such as 8GB or 500MB. Received: {text!r}")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def size_option(text: str) -> int:
    """Returns the bytes of a size that is a command's option, as `parse_size`.

    Raises:
        argparse.ArgumentTypeError: If it is no such size, with what is expected.
    """
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def format_size(count: int) -> str:
    """Returns a number of bytes with a unit, e.g. "1.5 GB"."""
    for unit in ("TB", "GB", "MB", "kB"):
        size = _UNITS[unit[0].lower()]
        if count >= size:
            return (
                f"{count / size:.3g} {unit}"
                if count < 999.5 * size
                else f"{count / size:.0f} {unit}"
            )
    return f"{count} B"
