"""SLURM's notations: lists of hosts and of tasks per node."""

import re
from typing import Any

MAX_HOSTS = 4096
"""More than anyone has; a hostile list must not fill the memory."""


def expand_hosts(text: str) -> list[str]:
    """Expands SLURM's list of hosts, e.g. "n[08-10,12],gpu1" or "rack[0-1]n[1-2]".

    Raises:
        ValueError: If it is no such list, or has more than MAX_HOSTS hosts.
    """
    hosts: list[str] = []
    for part in re.split(r",(?![^\[]*\])", text):
        if not re.fullmatch(r"(?:[A-Za-z0-9_.-]|\[[0-9,-]+\])+", part):
            raise ValueError(f"SLURM: expected hosts such as n[1-3],m5. Received: {short(text)}")
        names = [""]
        for literal, ranges in re.findall(r"([A-Za-z0-9_.-]+)|\[([0-9,-]+)\]", part):
            endings = [literal] if literal else _numbers(ranges, text)
            if len(hosts) + len(names) * len(endings) > MAX_HOSTS:
                raise ValueError(
                    f"SLURM: expected at most {MAX_HOSTS} hosts. Received: {short(text)}"
                )
            names = [left + right for left in names for right in endings]
        hosts += names
    return hosts


def expand_counts(text: str, name: str) -> list[int]:
    """Expands SLURM's tasks per node, e.g. "2(x3),1" to [2, 2, 2, 1].

    Raises:
        ValueError: If it is no such list, or has more than MAX_HOSTS entries.
    """
    counts: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,5})(?:\(x([0-9]{1,5})\))?", part)
        if match is None or len(counts) + int(match[2] or 1) > MAX_HOSTS:
            raise ValueError(f"{name}: expected counts such as 2(x3),1. Received: {short(text)}")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _numbers(ranges: str, text: str) -> list[str]:
    """Returns every number of "08-10,12", with its zeros."""
    found: list[str] = []
    for part in ranges.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if match is None or not 0 <= last - first < MAX_HOSTS - len(found):
            raise ValueError(f"SLURM: expected ranges such as [08-10,12]. Received: {short(text)}")
        found += [str(number).zfill(len(match[1])) for number in range(first, last + 1)]
    return found


def short(value: Any) -> str:
    """Returns a value as a message may show it, however long it is."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
