"""The threads that call models, each with one batch at a time."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasdl.serving.errors import Failure, from_exception
from kerasdl.serving.loading import Servable
from kerasdl.serving.signatures import Arrays, Signature


class Job:
    """One request, or a part of a large one, on its way through the model.

    Args:
        servable: The version, kept alive by this.
        signature: Its signature.
        inputs: Checked inputs.
        examples: Their first dimension.
        pixels: Pixels that decoding them will take.
        deadline: When nobody waits for the answer any more, by `time.monotonic`.
    """

    __slots__ = (
        *("deadline", "examples", "future", "inputs", "pixels", "servable", "signature"),
        *("part", "submitted", "timer"),
    )

    def __init__(
        self,
        servable: Servable,
        signature: Signature,
        inputs: Arrays,
        examples: int,
        pixels: int,
        deadline: float,
    ) -> None:
        self.servable = servable
        self.signature = signature
        self.inputs = inputs
        self.examples = examples
        self.pixels = pixels
        self.deadline = deadline
        self.future: asyncio.Future[Arrays] = asyncio.get_running_loop().create_future()
        """Gets the outputs by name, or a `Failure`."""
        self.part = False
        """Whether it is a part of a request."""
        self.submitted = time.monotonic()
        self.timer: asyncio.TimerHandle | None = None

    def expire(self) -> None:
        """Answers a request whose time is up."""
        if not self.future.done():
            self.future.set_exception(Failure("DEADLINE_EXCEEDED", "the request took too long"))


class Workers:
    """Threads that call models.

    Args:
        number: How many.
        pad: Whether batches are filled up to the next power of two.
        done: Called by a worker with the batch, one outcome for each job, and the seconds.
    """

    def __init__(self, number: int, pad: bool, done: Callable[..., None]) -> None:
        self._pad = pad
        self._done = done
        self._jobs: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._since: dict[int, float] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{index}", daemon=True)
            for index in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, batch: list[Job]) -> None:
        """Hands over a batch; called only while a worker is free."""
        self._jobs.put(batch)

    def healthy(self, patience: float) -> bool:
        """Says whether all threads live and none is stuck."""
        # Workers change it meanwhile: a tuple is made in one step.
        oldest = min(tuple(self._since.values()), default=time.monotonic())
        alive = all(thread.is_alive() for thread in self._threads)
        return alive and time.monotonic() - oldest < patience

    def close(self, seconds: float) -> bool:
        """Waits for what runs and ends the threads; returns whether all ended in that time."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        me = threading.get_ident()
        while (batch := self._jobs.get()) is not None:
            began = self._since[me] = time.monotonic()
            outcomes = self._execute(batch)
            del self._since[me]
            self._done(batch, outcomes, time.monotonic() - began)

    def _execute(self, batch: list[Job]) -> list[Arrays | Failure]:
        """Runs a batch; one that fails is halved until only what is bad fails."""
        # The signature may have turned out not to be batchable since they came together.
        if len(batch) == 1 or batch[0].signature.batchable:
            try:
                return self._together(batch)
            except Exception as error:
                if len(batch) == 1:
                    return [from_exception(error)]
        half = len(batch) // 2
        return self._execute(batch[:half]) + self._execute(batch[half:])

    def _together(self, batch: list[Job]) -> list[Arrays | Failure]:
        signature = batch[0].signature
        if len(batch) == 1:
            inputs = batch[0].inputs
        else:
            inputs = {
                name: np.concatenate([job.inputs[name] for job in batch])
                for name in batch[0].inputs
            }
        examples = sum(job.examples for job in batch)
        if self._pad and signature.batchable and examples:
            inputs = {name: _padded(array) for name, array in inputs.items()}
        outputs = signature.run(inputs)
        if not signature.batchable:
            return [outputs]
        length = len(next(iter(inputs.values())))
        wrong = next((name for name, array in outputs.items() if len(array) != length), None)
        if wrong is not None:
            # Its rows are not the examples: from now on each request goes alone, whole.
            signature.batchable = False
            if len(batch) == 1 and not batch[0].part:
                return [outputs if length == examples else signature.run(batch[0].inputs)]
            raise Failure("INTERNAL", f"output '{wrong}' does not have one row for each example")
        answers: list[Arrays | Failure] = []
        start = 0
        for job in batch:
            end = start + job.examples
            answers.append({name: array[start:end] for name, array in outputs.items()})
            start = end
        return answers


def _padded(array: Any) -> Any:
    """Repeats the last example up to the next power of two."""
    size = 1 << (len(array) - 1).bit_length()
    return np.concatenate([array, np.repeat(array[-1:], size - len(array), axis=0)])
