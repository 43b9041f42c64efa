"""Is a version what was written? Its files against the checksums that were written with them."""

from pathlib import Path, PurePosixPath
from typing import Any

from kerasdl import files
from kerasdl.serving import card, scan

_FIELDS = {"saved_model_checksum": scan.FILE, "checkpoint_hash": "variables/variables.index"}


def check(folder: Path, its_card: dict[str, Any] | None) -> None:
    """Checks a version's files.

    A model card of kerasdl's has the SHA-256 of every file. Any SavedModel has, since
    TensorFlow 2.11, fingerprint.pb with hashes of its graph and of its weights' index; the
    index in turn has checksums of the weights, which TensorFlow compares when it loads, while
    nothing looks at the others: a flipped bit in saved_model.pb would be served as another
    model.

    Args:
        folder: The version's folder.
        its_card: Its model card, as from `card.read`.

    Raises:
        ValueError: If a file is not what was written, or is missing.
        OSError: If one cannot be read.
    """
    if its_card is not None:
        _check_card(folder, its_card)
    _check_fingerprint(folder)


def _check_card(folder: Path, its_card: dict[str, Any]) -> None:
    listed = its_card.get("sha256")
    if not isinstance(listed, dict) or scan.FILE not in listed:
        raise ValueError(f"{card.NAME} must list the SHA-256 of {scan.FILE}. Received: {listed}")
    for name, expected in listed.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{card.NAME} may list files of its folder only. Received: {name}")
        if files.sha256(folder / name) != expected:
            raise ValueError(f"{name} is not what was written: its SHA-256 is not {card.NAME}'s")


def _check_fingerprint(folder: Path) -> None:
    path = folder / "fingerprint.pb"
    if not path.exists():
        return
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import fingerprint_pb2
    from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

    try:
        saved = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
        now = fingerprint_pb2.FingerprintDef.FromString(
            fingerprinting.CreateFingerprintDef(str(folder))
        )
    except DecodeError as error:
        raise ValueError(f"fingerprint.pb cannot be read: {error}") from None
    for field, name in _FIELDS.items():
        if getattr(saved, field) != getattr(now, field):
            raise ValueError(
                f"{name} is not what was saved: its checksum differs from fingerprint.pb"
            )
