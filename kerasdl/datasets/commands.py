"""What `python -m kerasdl.datasets` does."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from kerasdl import streams
from kerasdl.datasets import catalog, local, official, store, tfds
from kerasdl.datasets.catalog import Entry
from kerasdl.datasets.dataset import Dataset
from kerasdl.datasets.duplicates import find_duplicates
from kerasdl.datasets.load import data_folder
from kerasdl.suggest import hint
from kerasdl.terminal import Console, show_list


def where(data_dir: str | None, *, as_json: bool = False) -> int:
    """Prints which source would serve each data set, and what the store holds."""
    folder = data_folder(data_dir)
    rows = [
        (entry.name, entry.title, *_source(entry, folder)) for entry in catalog.ENTRIES.values()
    ]
    root = store.store_folder()
    files = [path for path in sorted(root.rglob("*.npz")) if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    prepared = [path.stem for path in files if path.parent == root]
    note = (
        f"Store: {root}, {size / 1e6:.1f} MB, {len(prepared)} imported or downloaded "
        f"({', '.join(prepared) or 'none'}), {len(files) - len(prepared)} kept from slow folders"
    )
    show_list(
        lambda: _table(("set", "title", "would come from", "where"), rows),
        data={
            "datasets": [
                dict(zip(("name", "title", "source", "where"), row, strict=True)) for row in rows
            ],
            "store": {"folder": str(root), "bytes": size, "prepared": prepared},
        },
        names=[row[0] for row in rows],
        as_json=as_json,
        notes=[note],
    )
    return 0


def verify(names: list[str], data_dir: str | None, *, as_json: bool = False) -> int:
    """Checks the sets at hand; see `main` for what is returned."""
    entries = [_entry(name) for name in names] or list(catalog.ENTRIES.values())
    folder = data_folder(data_dir)
    status = 0
    rows: list[tuple[str, ...]] = []
    for entry in entries:
        try:
            found = _at_hand(entry, folder)
        except (ValueError, OSError) as error:
            streams.complain(f"error: {entry.name}: {error}")
            status = 2
            continue
        if found is None:
            if names:
                raise local.missing(entry, folder) if folder else _not_at_hand(entry)
            continue
        dataset, source = found
        checksums, sound = _checksums(entry, dataset)
        labels, balanced = _labels(entry, dataset)
        if not (sound and balanced):
            status = max(status, 1)
        train = _count(len(dataset.train), entry.num_train)
        test = _count(len(dataset.test), entry.num_test)
        duplicates = str(find_duplicates(dataset))
        rows.append((entry.name, source, train, test, checksums, labels, duplicates))
    if rows:
        columns = ("set", "source", "train", "test", "checksums", "labels", "duplicates")
        show_list(
            lambda: _table(columns, rows),
            data=[dict(zip(columns, row, strict=True)) for row in rows],
            names=[row[0] for row in rows],
            as_json=as_json,
        )
    elif status == 0:
        streams.complain("No data set is at hand. Name their folder with --data or KERASDL_DATA.")
        return 2
    return status


def import_folder(name: str) -> int:
    """Reads every data set that `name` holds, and keeps it in the store."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"DIR must be a folder. Received: {folder}")
    places = [local.find(entry, folder) for entry in catalog.ENTRIES.values()]
    imported = _unambiguous([found for found in places if found is not None])
    for found in imported:
        dataset = official.read(found, Console(stderr=True))
        path = store.path_of(found.entry.name)
        store.save(dataset, path)
        state = "verified" if dataset.verified else "not the official checksums"
        streams.write(f"{dataset.label}: {found.folder} -> {path} ({state})")
    if not imported:
        wanted = "; ".join(
            f"{entry.name}: {local.wanted_files(entry)}" for entry in catalog.ENTRIES.values()
        )
        raise FileNotFoundError(
            f"{folder} must hold official files of a data set, directly or in a folder named as "
            f"the set. Looked for: {wanted}"
        )
    return 0


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _unambiguous(places: list[local.Found]) -> list[local.Found]:
    """Refuses files that could be of two sets, unless the folder's name tells which.

    MNIST's and Fashion-MNIST's files have the same names, and a part of either
    has no known checksum.
    """
    chosen = []
    for found in places:
        same = [other for other in places if other.files and other.files == found.files]
        if len(same) < 2 or found.folder.resolve().name == found.entry.name:
            chosen.append(found)
        elif all(other.folder.resolve().name != other.entry.name for other in same):
            names = " or ".join(other.entry.name for other in same)
            raise ValueError(
                f"The files in {found.folder} must be in a folder named as their data set: "
                f"{names}. Received: files with these sets' common names and neither's checksums."
            )
    return chosen


def _source(entry: Entry, folder: Path | None) -> tuple[str, str]:
    """Returns the source that would serve a set and where that is."""
    if folder is not None:
        found = local.find(entry, folder)
        if found is None:
            return "nothing: the folder does not have it", str(folder)
        return "official files", str(found.folder)
    path = store.path_of(entry.name)
    if path.exists():
        try:
            store.describe(path)
        except ValueError:
            return "nothing: the store's file is damaged", str(path)
        return "the store", str(path)
    if tfds.is_prepared(entry):
        return "TensorFlow Datasets, prepared", str(tfds.data_dir())
    if entry.tfds_url:
        return "TensorFlow Datasets, a download; without network synthetic", entry.tfds_url
    return "synthetic digits in its place", entry.homepage


def _at_hand(entry: Entry, folder: Path | None) -> tuple[Dataset, str] | None:
    """Returns a set that can be had without the network, and where it was."""
    if folder is not None:
        found = local.find(entry, folder)
        if found is None:
            return None
        return official.read(found, Console(stderr=True)), str(found.folder)
    path = store.path_of(entry.name)
    return (store.load(path), str(path)) if path.exists() else None


def _not_at_hand(entry: Entry) -> FileNotFoundError:
    return FileNotFoundError(
        f"{entry.title} must be in a folder (--data or KERASDL_DATA) or in the store, "
        f"{store.path_of(entry.name)}. Received: neither."
    )


def _entry(name: str) -> Entry:
    known = catalog.canonical(name)
    if known not in catalog.ENTRIES:
        meant = hint(name, catalog.ENTRIES)
        raise ValueError(
            f"NAME must be one of {', '.join(catalog.ENTRIES)}. Received: {name!r}.{meant}"
        )
    return catalog.ENTRIES[known]


def _checksums(entry: Entry, dataset: Dataset) -> tuple[str, bool]:
    if dataset.verified:
        # Sets of single images have no checksum of the publisher's.
        return ("as published" if entry.content_sha256 else "official"), True
    if dataset.partial or dataset.partial_test:
        return "a part: none to compare with", True
    if dataset.source == "tfds":
        return "other order: none to compare with", True
    return "NOT the official ones", False


def _labels(entry: Entry, dataset: Dataset) -> tuple[str, bool]:
    """Says how many images each class has, and whether every class is there."""
    counts = Counter(np.concatenate([dataset.train.labels, dataset.test.labels]).tolist())
    missing = [name for label, name in enumerate(entry.class_names) if not counts[label]]
    if missing:
        return f"NONE of {', '.join(missing)}", False
    return f"{len(counts)} classes of {min(counts.values())} to {max(counts.values())}", True


def _count(count: int, whole: int) -> str:
    return official.partial(count, whole) or str(count)
