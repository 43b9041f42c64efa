"""Files inside .tar, .tar.gz, .tar.xz and .zip archives, read without extracting.

Nothing of an archive is written to the disk: the wanted members are read into
memory, each up to its own limit. Still an archive with a member that would
leave its folder, a link or a device is refused as a whole: it was not made by
a publisher of a data set.
"""

import contextlib
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from kerasdl.datasets.compressed import BoundedReader

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".zip")
MAX_MEMBERS = 10_000
OTHER_BYTES = 256 * 2**20  # for members that nobody asked for, and headers


def is_archive(path: Path) -> bool:
    """Says whether the name is one of an archive read here."""
    return path.name.lower().endswith(SUFFIXES)


def read_members(path: str | os.PathLike[str], wanted: Mapping[str, int]) -> dict[str, bytes]:
    """Reads the members whose file name, without folders, is wanted.

    Args:
        path: The archive.
        wanted: The largest size in bytes of each wanted member.

    Returns:
        The content of the members found, by file name.

    Raises:
        ValueError: If the archive is damaged or truncated, has a member that
            is no plain file or folder or that would leave its folder, has too
            many members, or a member or all of it is too large.
    """
    name = os.fspath(path)
    read = _read_zip if name.lower().endswith(".zip") else _read_tar
    return read(Path(path), wanted)


def _read_tar(path: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with _tar(path, sum(wanted.values()) + OTHER_BYTES) as archive:
        for count, member in enumerate(archive, 1):
            _check_count(path, count)
            _check_name(path, member.name)
            if not (member.isfile() or member.isdir()) or member.issparse():
                raise ValueError(
                    f"{path} must hold plain files and folders only. Received: {member.name!r}, "
                    "a link, a device or a sparse file. Do not use this archive."
                )
            base = PurePosixPath(member.name).name
            if member.isfile() and base in wanted:
                _check_size(path, member.name, member.size, wanted[base])
                file = archive.extractfile(member)
                content = file.read() if file else b""
                if len(content) != member.size:
                    raise ValueError(f"{path} is truncated within {member.name!r}. Copy it again.")
                _add(found, base, content, path)
    return found


@contextlib.contextmanager
def _tar(path: Path, limit: int) -> Iterator[tarfile.TarFile]:
    """Opens a tar as a stream of at most `limit` unpacked bytes."""
    with path.open("rb") as file:
        stream = io.BufferedReader(BoundedReader(file, os.fspath(path), limit), 1 << 20)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                yield archive
        except tarfile.TarError as error:
            raise ValueError(
                f"{path} must be a tar archive. Received: {error}. Copy or download it again."
            ) from error


def _read_zip(path: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_count(path, len(members))
            for member in members:
                _check_name(path, member.filename)
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise ValueError(
                        f"{path} must hold plain files and folders only. "
                        f"Received: {member.filename!r}, a link or a device. "
                        "Do not use this archive."
                    )
                base = PurePosixPath(member.filename).name
                if not member.is_dir() and base in wanted:
                    # zipfile stops at the declared size, whatever the data would unpack to.
                    _check_size(path, member.filename, member.file_size, wanted[base])
                    _add(found, base, archive.read(member), path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError and NotImplementedError: encrypted, or an unknown compression.
        raise ValueError(
            f"{path} must be a zip archive that can be read. Received: {error}. "
            "Copy or download it again."
        ) from error
    return found


def _add(found: dict[str, bytes], base: str, content: bytes, path: Path) -> None:
    if base in found:
        raise ValueError(
            f"{path} must hold {base} once. Received: it stands in two folders of the archive. "
            "Unpack the right one."
        )
    found[base] = content


def _check_count(path: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise ValueError(
            f"{path} must have at most {MAX_MEMBERS} members. Received: more. "
            "Unpack it yourself and give the folder."
        )


def _check_size(path: Path, member: str, size: int, limit: int) -> None:
    if size > limit:
        raise ValueError(f"{path}: {member!r} must have at most {limit} bytes. Received: {size}")


def _check_name(path: Path, member: str) -> None:
    parts = PurePosixPath(member.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (parts.parts and ":" in parts.parts[0]):
        raise ValueError(
            f"{path} must hold files below its own folder. Received: the member {member!r}, "
            "which would be written elsewhere. Do not use this archive."
        )
