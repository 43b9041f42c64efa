"""New versions come, old ones go: a thread that looks, loads and hands over.

Loading and warming up happen here, beside the traffic; what the event loop does is replace
one reference. A version that leaves is dropped when its last request is through.
"""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasdl.serving import listing, loading, models
from kerasdl.serving.errors import from_exception
from kerasdl.serving.models import Model, Models, Version

log = logging.getLogger("kerasdl.serving")

_PATIENCE = 0.02


class Watcher:
    """Keeps `Models` as the folder is.

    Args:
        folder: The folder of models.
        served: What to keep; touched on the loop's thread alone.
        loop: The event loop.
        sizes: Batch sizes to warm up.
        allowed: Operations that models may have though they reach out.
        keep: Newest versions of a model to serve; 0 for all.
        seconds: Between two looks.
    """

    def __init__(
        self,
        folder: Path,
        served: Models,
        loop: asyncio.AbstractEventLoop,
        *,
        sizes: Sequence[int],
        allowed: Sequence[str],
        keep: int,
        seconds: float,
    ) -> None:
        self._folder = folder
        self._served = served
        self._loop = loop
        self._sizes = sizes
        self._allowed = allowed
        self._keep = keep
        self._seconds = seconds
        self._stopping = threading.Event()
        # What each version's files were when it was loaded or refused, or last seen.
        self._tried: dict[tuple[str, int], listing.Print] = {}
        self._seen: dict[tuple[str, int], listing.Print] = {}
        self._problems: dict[str, str] = {}
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        """Starts to look."""
        self._thread.start()

    def alive(self) -> bool:
        """Says whether it still looks."""
        return self._thread.is_alive()

    def stop(self, seconds: float) -> bool:
        """Ends it after what it loads now; returns whether it ended in time."""
        self._stopping.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _watch(self) -> None:
        first = True
        while not self._stopping.is_set():
            try:
                self._look(first)
            except OSError as error:  # the folder cannot be read now: what is served stays
                log.error("%s cannot be read: %s", self._folder, error)
            except Exception:  # a fault of ours: said, and not the end of looking
                log.exception("looking for versions failed")
            if first:
                self._on_loop(self._ready)
                first = False
            self._stopping.wait(self._seconds)

    def _look(self, first: bool) -> None:
        found = listing.models(self._folder)
        keep: set[tuple[str, int]] = set()
        for name, model in found.items():
            keep |= {(name, number) for number in self._load_wanted(name, model, first)}
            if model.problem != self._problems.get(name, ""):
                self._problems[name] = model.problem
                if model.problem:
                    log.error("%s: the labels stay as they were: %s", name, model.problem)
            if not model.problem:
                self._on_loop(self._set_labels, name, model.labels)
        for name, number in [key for key in self._tried if key not in keep]:
            self._unload(name, number)

    def _load_wanted(self, name: str, model: listing.Found, first: bool) -> set[int]:
        """Loads what is wanted of a model; returns the versions that stay.

        The newest goes first: it answers requests without a version. An older one stays
        until enough newer ones are served, not merely there.
        """
        wanted: set[int] = set()
        served = 0
        for number in sorted(model.versions, reverse=True):
            enough = self._keep and served >= self._keep
            if self._stopping.is_set() or (enough and number not in model.labels.values()):
                continue
            wanted.add(number)
            served += self._consider(name, number, model.versions[number], first)
        return set(model.versions) if self._stopping.is_set() else wanted

    def _consider(self, name: str, number: int, folder: Path, first: bool) -> bool:
        """Loads a version that is new, or was refused and changed; says whether it is served."""
        key = name, number
        now = listing.fingerprint(folder)
        version: Version = self._on_loop(self._version, name, number)
        served = version.state == models.AVAILABLE
        if self._tried.get(key) == now:
            return served
        if served:
            log.warning("%s version %d: its files changed; what was loaded stays", name, number)
            self._tried[key] = now
            return True
        if not first and self._seen.get(key) != now:
            self._seen[key] = now  # perhaps still being copied: wait until two looks agree
            return False
        self._tried[key] = now
        return self._load(version, name, folder)

    def _load(self, version: Version, name: str, folder: Path) -> bool:
        self._on_loop(self._set, version, models.LOADING, "OK", "")
        try:
            servable, seconds = loading.load(
                name, version.number, folder, self._sizes, self._allowed
            )
        except Exception as error:
            failure = from_exception(error)
            own = isinstance(error, ValueError | OSError)
            code, text = ("FAILED_PRECONDITION" if own else failure.code), str(error)
            # Clients read it too: what is the server's own path is none of their business.
            message = (text if own else failure.message).replace(str(folder), folder.name)
            log.error("%s version %d is not served: %s", name, version.number, message)
            self._on_loop(self._set, version, models.END, code, message)
            return False
        finally:
            # Loading leaves cycles. What TensorFlow itself left is frozen: this is quick.
            gc.collect()
        self._on_loop(self._serve, version, servable)
        log.info("%s version %d is served (%.1f s)", name, version.number, seconds)
        return True

    def _unload(self, name: str, number: int) -> None:
        version: Version = self._on_loop(self._version, name, number)
        servable = version.servable
        self._on_loop(self._set, version, models.UNLOADING, "OK", "")
        while servable is not None and servable.leases:
            if self._stopping.wait(_PATIENCE):
                return
        self._on_loop(self._forget, name, number)
        del self._tried[name, number], version, servable
        self._seen.pop((name, number), None)
        gc.collect()
        log.info("%s version %d is not served any more", name, number)

    def _on_loop(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function on the event loop's thread and returns its result."""

        async def call() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    # On the event loop's thread:

    def _version(self, name: str, number: int) -> Version:
        model = self._served.by_name.setdefault(name, Model(name))
        return model.versions.setdefault(number, Version(number))

    def _set(self, version: Version, state: str, code: str, message: str) -> None:
        version.state, version.code, version.message = state, code, message
        version.servable = None

    def _serve(self, version: Version, servable: loading.Servable) -> None:
        version.servable = servable
        version.state = models.AVAILABLE

    def _forget(self, name: str, number: int) -> None:
        model = self._served.by_name[name]
        del model.versions[number]
        if not model.versions:
            del self._served.by_name[name]

    def _set_labels(self, name: str, labels: dict[str, int]) -> None:
        """A label moves when the version it now names is served; till then it stays."""
        model = self._served.by_name.get(name)
        if model is None:
            return
        for label, number in labels.items():
            version = model.versions.get(number)
            if (version is not None and version.servable is not None) or label not in model.labels:
                model.labels[label] = number
        for label in [label for label in model.labels if label not in labels]:
            del model.labels[label]

    def _ready(self) -> None:
        self._served.loaded_once = True
