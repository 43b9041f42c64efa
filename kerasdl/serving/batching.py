"""Requests that wait are run together, in one call of the model.

Work-conserving: a call starts as soon as a worker is free and something waits; no request
is held back for company. While it runs others arrive, and they are the next batch.

Everything here but `Batcher._post` runs on the event loop's thread, so nothing is locked.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasdl.serving.errors import Failure
from kerasdl.serving.loading import Servable
from kerasdl.serving.signatures import Arrays, Signature
from kerasdl.serving.working import Job, Workers

Lane = tuple[Any, ...]
"""What can go through one call: a signature of a version, and the shapes of its inputs."""


class Batcher:
    """Collects requests into batches and hands them to the workers.

    Args:
        workers: Batches that run at the same time.
        batch_size: Most examples in a batch.
        max_pixels: Most pixels of encoded images in a batch.
        pad: Whether batches are filled up to the next power of two.
        observe: Called after each batch with (servable, examples, seconds it ran, seconds
            that its first request had waited).
    """

    def __init__(
        self,
        *,
        workers: int,
        batch_size: int,
        max_pixels: int,
        pad: bool,
        observe: Callable[[Servable, int, float, float], None],
    ) -> None:
        self.batch_size = batch_size
        self.max_pixels = max_pixels
        self.waiting = 0
        """Examples that wait."""
        self._observe = observe
        self._lanes: dict[Lane, deque[Job]] = {}
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._workers = Workers(workers, pad, lambda *done: self._post(*done))
        self._idle = workers

    async def run(
        self,
        servable: Servable,
        signature: Signature,
        inputs: Arrays,
        examples: int,
        pixels: int,
        deadline: float,
    ) -> Arrays:
        """Runs one request and returns the outputs by name.

        More examples than a batch holds go through in parts, so the cap holds for them too.

        Raises:
            Failure: If time ran out, or the model refused the request.
        """
        whole = Job(servable, signature, inputs, examples, pixels, deadline)
        if examples > self.batch_size and signature.batchable:
            try:
                return await self._in_parts(whole)
            except Failure:
                if signature.batchable:
                    raise
        return await self._submit(whole)

    async def _in_parts(self, job: Job) -> Arrays:
        size = self.batch_size
        futures = []
        for start in range(0, job.examples, size):
            inputs = {name: array[start : start + size] for name, array in job.inputs.items()}
            count = min(size, job.examples - start)
            # Which part an image is in is not known here: each counts as all of them.
            part = Job(job.servable, job.signature, inputs, count, job.pixels, job.deadline)
            part.part = True
            futures.append(self._submit(part))
        try:
            answers = await asyncio.gather(*futures)
        finally:
            for future in futures:
                future.cancel()
        return {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}

    def healthy(self, patience: float) -> bool:
        """Says whether every worker lives and none has been in one call for `patience` seconds."""
        return self._workers.healthy(patience)

    async def close(self, seconds: float = 30.0) -> bool:
        """Ends the workers after what they run now; returns whether that took less than this."""
        return await self._loop.run_in_executor(None, self._workers.close, seconds)

    def _submit(self, job: Job) -> "asyncio.Future[Arrays]":
        lane: Lane = (id(job),)
        if job.signature.batchable and job.examples:
            shapes = (array.shape[1:] for array in job.inputs.values())
            lane = (id(job.signature), *shapes)
        self._lanes.setdefault(lane, deque()).append(job)
        self.waiting += job.examples
        job.servable.leases += 1
        job.timer = self._loop.call_later(max(0.0, job.deadline - time.monotonic()), job.expire)
        if self._idle and not self._scheduled:
            # At the end of this turn of the loop: what arrived in the same turn goes along.
            self._scheduled = True
            self._loop.call_soon(self._dispatch)
        return job.future

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._idle and self._lanes:
            lane = next(iter(self._lanes))
            batch = self._take(lane)
            if batch:
                self._idle -= 1
                self._workers.put(batch)

    def _take(self, lane: Lane) -> list[Job]:
        """Takes the next batch from a lane; what has no one waiting for it is dropped."""
        jobs = self._lanes.pop(lane)
        batch: list[Job] = []
        examples = pixels = 0
        while jobs:
            job = jobs[0]
            if job.future.done():  # cancelled, or out of time
                jobs.popleft()
                self._leave(job)
                self.waiting -= job.examples
                continue
            full = examples + job.examples > self.batch_size
            if batch and (full or pixels + job.pixels > self.max_pixels):
                break
            jobs.popleft()
            self.waiting -= job.examples
            batch.append(job)
            examples += job.examples
            pixels += job.pixels
        if jobs:
            self._lanes[lane] = jobs  # behind the other lanes: each gets its turn
        return batch

    def _post(self, batch: "list[Job]", outcomes: Sequence[Arrays | Failure], ran: float) -> None:
        """Called by a worker's thread."""
        # The loop is closed when a worker outlives the grace of a stop.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, batch, outcomes, ran)

    def _deliver(
        self, batch: "list[Job]", outcomes: Sequence[Arrays | Failure], ran: float
    ) -> None:
        self._idle += 1
        self._dispatch()
        for job, outcome in zip(batch, outcomes, strict=True):
            self._leave(job)
            if job.future.done():
                continue
            if isinstance(outcome, Failure):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
        waited = time.monotonic() - batch[0].submitted - ran
        self._observe(batch[0].servable, sum(job.examples for job in batch), ran, waited)

    def _leave(self, job: Job) -> None:
        job.servable.leases -= 1
        if job.timer is not None:
            job.timer.cancel()
