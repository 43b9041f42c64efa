"""Data sets from TensorFlow Datasets, downloaded when they are not on this machine.

TensorFlow is imported only once it is known that there is something to get: a
few seconds decide that the network is out of reach.
"""

import http.client
import os
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasdl.datasets.catalog import Entry
from kerasdl.datasets.dataset import Dataset, Examples
from kerasdl.datasets.official import make_dataset

DATA_DIR_VARIABLE = "TFDS_DATA_DIR"
PROBE_SECONDS = 8.0


def data_dir() -> Path:
    """Returns the folder in which TensorFlow Datasets keeps what it prepared."""
    return Path(os.environ.get(DATA_DIR_VARIABLE) or "~/tensorflow_datasets").expanduser()


def is_prepared(entry: Entry) -> bool:
    """Says whether TensorFlow Datasets has this set on this machine already."""
    if entry.tfds_name is None:
        return False
    return any((data_dir() / entry.tfds_name).glob("*/dataset_info.json"))


def is_reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Says whether the host of `url` answers; takes at most about `seconds`.

    Asking for a name can hang in the system's resolver, where no timeout
    reaches it; so it is done in a thread that is left behind.

    Args:
        url: A file of the data set. Only its headers are asked for. Proxies are
            used as the environment says.
        seconds: How long to wait.
    """
    answers: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds):
                answers.append(True)
        except (OSError, http.client.HTTPException, ValueError):  # URLError is an OSError
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def fetch(entry: Entry, tell: Callable[[str], None]) -> Dataset | None:
    """Returns a data set from TensorFlow Datasets, or None where it cannot be had.

    Args:
        entry: The data set.
        tell: Called with one sentence on what is going on, or why it failed.

    Returns:
        The data set, source "tfds", in the order of TensorFlow Datasets; or None.
    """
    if entry.tfds_name is None or entry.tfds_url is None:
        return None
    if not is_prepared(entry):
        tell(f"Asking the host of {entry.title} whether it can be downloaded ...")
        if not is_reachable(entry.tfds_url):
            tell(f"{entry.title} cannot be downloaded: no answer from {entry.tfds_url}.")
            return None
        tell(f"Downloading {entry.title} with TensorFlow Datasets into {data_dir()} ...")
    try:
        train, test = (_read(entry.tfds_name, part) for part in ("train", "test"))
    except Exception as error:
        # Whatever a download, a disk or TensorFlow may raise: the user is told, and
        # what is shown instead is labelled.
        tell(f"TensorFlow Datasets failed on {entry.title}: {type(error).__name__}: {error}")
        return None
    # The order is not the publisher's, so that no checksum of his applies.
    return make_dataset(entry, train, test, verified=False, source="tfds")


def _read(name: str, part: str) -> Examples:
    """Returns one part as arrays."""
    import tensorflow_datasets

    data = tensorflow_datasets.load(
        name, split=part, batch_size=1024, data_dir=os.fspath(data_dir()), shuffle_files=False
    )
    batches = list(tensorflow_datasets.as_numpy(data))
    return Examples(
        np.concatenate([batch["image"] for batch in batches]),
        np.concatenate([batch["label"] for batch in batches]).astype(np.int32),
    )
