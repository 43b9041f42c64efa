"""Training in processes of this machine: `--jobs N`."""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from kerasdl.studies.places.child import begin, train
from kerasdl.studies.places.task import LOSSES, Outcome, Task

if TYPE_CHECKING:
    from kerasdl.studies.stacking import Group


class Processes:
    """Trains groups in processes of this machine.

    Args:
        task: What they work at.
        jobs: How many at a time, >= 1.
    """

    def __init__(self, task: Task, jobs: int) -> None:
        self._task, self._jobs = task, jobs
        self._threads = max(1, _cores() // jobs)
        self._pool: futures.ProcessPoolExecutor | None = None

    def train(self, groups: Sequence["Group"]) -> Iterator[tuple["Group", Outcome]]:
        """Trains groups and gives each when it is done.

        Raises:
            ChildProcessError: If a process is lost again and again.
        """
        waiting, losses = list(groups), 0
        while waiting:
            pool = self._start()
            asked = {pool.submit(train, group): group for group in waiting}
            try:
                for done in futures.as_completed(asked):
                    outcome = done.result()
                    waiting.remove(asked[done])
                    losses = 0
                    yield asked[done], outcome
            except BrokenProcessPool:
                losses += 1
                self.close()
                if losses > LOSSES:
                    raise ChildProcessError(
                        f"a process was lost {losses} times, e.g. killed for want of memory; "
                        "give fewer --jobs. What is finished is kept"
                    ) from None

    def close(self) -> None:
        """Ends the processes; checkpoints stay."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for child in self._children:
                child.kill()
            self._pool = None

    @property
    def _children(self) -> set[Any]:
        return {child for child in multiprocessing.active_children() if child not in self._others}

    def _start(self) -> futures.ProcessPoolExecutor:
        if self._pool is None:
            self._others = set(multiprocessing.active_children())
            self._pool = futures.ProcessPoolExecutor(
                self._jobs,
                # A fork of a process that has used TensorFlow hangs.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=begin,
                initargs=(self._task, self._threads),
            )
        return self._pool


def _cores() -> int:
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
