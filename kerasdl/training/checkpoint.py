"""Checkpoints: the state of a training in one file, whole or not there at all.

A file is a line `kerasdl-checkpoint 1 <SHA-256 of the rest>`, a line of JSON
(what and where it is, the arrays' shapes) and the arrays' bytes. It is written
under another name, flushed to the disk and then renamed, so that a process
killed at any moment leaves the earlier files as they were; the checksum finds
what a disk or a copy has damaged. Nothing in it can run code.
"""

import contextlib
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasdl import files

KEEP = 2
"""So many of the latest checkpoints stay: one may turn out to be damaged."""

SECONDS = 10.0
"""A killed training loses about so much work, more where writing is slow."""

COST = 0.02
"""Largest share of the time that goes into writing checkpoints."""

_HEADER = re.compile(rb"kerasdl-checkpoint 1 ([0-9a-f]{64})\n")
_NAME = re.compile(r"epoch(\d{5,})-step(\d{7,})\.ckpt")


class Checkpoint(NamedTuple):
    """The state of a training between two steps.

    Args:
        epoch: Finished epochs.
        step: Finished steps of the next epoch.
        arrays: Every variable and every array of a callback, in the engine's order.
        state: All else, as JSON can say it.
    """

    epoch: int
    step: int
    arrays: Sequence[npt.NDArray[Any]]
    state: Mapping[str, Any]


class CheckpointStore:
    """The checkpoints of one training, in a folder of their own.

    Args:
        folder: Made when missing.
        identity: Plain data that decides the training (recipe, seed, images,
            versions). A checkpoint of another identity is foreign and not used.
        seconds: Save when the last checkpoint is so old, >= 0; 0 after every call.
        write: False for workers that only read: one of them writes.
        notify: Gets one line for each file that cannot be used.

    Raises:
        OSError: If the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        *,
        seconds: float = SECONDS,
        write: bool = True,
        notify: Callable[[str], None] = print,
    ) -> None:
        self.folder, self.seconds, self.write = folder, seconds, write
        # As it comes back from a file: tuples are lists there.
        self.identity = json.loads(json.dumps(identity))
        self._notify = notify
        self._saved, self._cost = time.monotonic(), 0.0
        if write:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(".epoch*"):  # a write that was killed
                left.unlink(missing_ok=True)

    def beside(self, name: str) -> "CheckpointStore":
        """Returns the store of another phase of the same training, in a folder beside this one.

        Args:
            name: The phase, part of the folder's name and of the identity.
        """
        return CheckpointStore(
            self.folder.with_name(f"{self.folder.name}-{name}"),
            {**self.identity, "phase": name},
            seconds=self.seconds,
            write=self.write,
            notify=self._notify,
        )

    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough for a new one to be worth its time."""
        age = time.monotonic() - self._saved
        return age >= max(self.seconds, self._cost / COST if self.seconds else 0.0)

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint and removes all but the last two.

        Raises:
            OSError: If it cannot be written; the earlier ones are left as they were.
        """
        started = time.monotonic()
        if self.write:
            name = f"epoch{checkpoint.epoch:05d}-step{checkpoint.step:07d}.ckpt"
            if not self.folder.is_dir():
                # atomic_path would make it anew, in a place that someone has just emptied.
                raise FileNotFoundError(
                    f"the folder {self.folder} of the running training was removed or renamed; "
                    "start again with the same command"
                )
            with files.atomic_open(self.folder / name, "wb") as file:
                for part in _encode(checkpoint, self.identity):
                    file.write(part)
            for old in self._paths()[KEEP:]:
                old.unlink(missing_ok=True)
        self._saved = time.monotonic()
        self._cost = self._saved - started

    def latest(self) -> Checkpoint | None:
        """Returns the latest checkpoint that is whole and of this training, or None.

        What cannot be used is named through `notify` and set aside as `*.unusable`.

        Raises:
            OSError: If a file cannot be read (permissions): that is no reason to start anew.
        """
        for path in self._paths():
            try:
                return _decode(path.read_bytes(), self.identity)
            except ValueError as error:
                self._notify(f"{path} cannot be used: {error}; looking for an older one")
                if self.write:
                    path.replace(path.with_suffix(".unusable"))
        return None

    def clear(self) -> None:
        """Removes the checkpoints of a training that is finished and stored."""
        for path in (*self._paths(), *self.folder.glob("*.unusable")):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files in it, or gone already
            self.folder.rmdir()
            self.folder.parent.rmdir()

    def _paths(self) -> list[Path]:
        """The checkpoints' files, the latest first."""
        found = [(_NAME.fullmatch(path.name), path) for path in self.folder.glob("*.ckpt")]
        named = [(int(match[1]), int(match[2]), path) for match, path in found if match]
        return [path for _, _, path in sorted(named, reverse=True)]


def _encode(checkpoint: Checkpoint, identity: Any) -> list[bytes]:
    arrays = [np.asarray(array) for array in checkpoint.arrays]
    meta = {
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "identity": identity,
        "state": checkpoint.state,
        "arrays": [[array.dtype.name, list(array.shape)] for array in arrays],
    }
    parts = [json.dumps(meta).encode() + b"\n", *(array.tobytes() for array in arrays)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return [f"kerasdl-checkpoint 1 {digest.hexdigest()}\n".encode(), *parts]


def _decode(content: bytes, identity: Any) -> Checkpoint:
    """Raises ValueError if the content is damaged or of another training."""
    header = _HEADER.match(content)
    if header is None:
        raise ValueError("it is no checkpoint, or its beginning is damaged")
    rest = memoryview(content)[header.end() :]
    if hashlib.sha256(rest).hexdigest().encode() != header[1]:
        raise ValueError("its checksum is wrong: it is torn, cut short or damaged")
    try:
        return _read(content, header.end(), identity)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"its description is not one of a checkpoint ({error!r})") from None


def _read(content: bytes, start: int, identity: Any) -> Checkpoint:
    end = content.index(b"\n", start)
    meta = json.loads(content[start:end])
    changed = _differences(meta["identity"], identity)
    if changed:
        raise ValueError(f"it is of another training: {'; '.join(changed)}")
    arrays, position = [], end + 1
    for name, shape in meta["arrays"]:
        dtype, count = np.dtype(name), math.prod(shape)
        if position + count * dtype.itemsize > len(content):
            raise ValueError("it is shorter than it says")
        # A copy: variables may keep what they are given, and this view is read-only.
        array = np.frombuffer(content, dtype, count, position).reshape(shape).copy()
        arrays.append(array)
        position += array.nbytes
    epoch, step, state = meta["epoch"], meta["step"], meta["state"]
    if type(epoch) is not int or type(step) is not int or not isinstance(state, dict):
        raise TypeError(f"{epoch!r}, {step!r}, {type(state).__name__}")
    return Checkpoint(epoch, step, arrays, state)


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        prefix = f"{name}." if name else ""
        return [
            line
            for key in keys
            for line in _differences(old.get(key), new.get(key), f"{prefix}{key}")
        ]
    return [] if old == new else [f"{name}: {old} -> {new}"]
