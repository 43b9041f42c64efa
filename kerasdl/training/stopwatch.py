"""What a few steps of a training take: measured through what trains, and then thrown away."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import keras

from kerasdl.training.forecast import Rate

SECONDS = 1.0
"""How long steps are timed, tracing apart."""


class Enough(BaseException):
    """Ends a rehearsal. No Exception: what trains may make a result of those."""


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Times the first stretches of a training and ends it.

    Args:
        num_examples: Training images in an epoch.
        batch_size: Images in a step.
        began: The time, by `perf_counter`, from which the start counts.
        abandon: Whether to end the training by `Enough`; otherwise as callbacks do.
    """

    def __init__(
        self, num_examples: int, batch_size: int, began: float, *, abandon: bool = False
    ) -> None:
        super().__init__()
        self._examples, self._batch_size = num_examples, min(batch_size, num_examples)
        self._began, self._abandon = began, abandon
        self._stretches: list[tuple[int, float]] = []
        self._start: float | None = None

    def close(self) -> None:
        """Does nothing; a progress bar in its place would be removed."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers where a stretch begins."""
        self._first = batch
        if self._start is None:
            self._at = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops the clock; the first stretch traces and tells nothing of a step's time."""
        now = time.perf_counter()
        images = min((batch + 1) * self._batch_size, self._examples)
        images -= self._first * self._batch_size
        if self._start is None:
            self._start = now - self._began
            self._traced, self._at = (images, now - self._at), now
            return
        # From end to end: what comes between two epochs comes every time.
        self._stretches.append((images, now - self._at))
        self._at = now
        # The first after tracing is one step alone and slower than those to come.
        steady = sum(took for _, took in self._stretches[1:])
        if steady >= SECONDS or self._stretches[0][1] >= 2 * SECONDS:
            self.model.stop_training = True
            if self._abandon:
                raise Enough

    def rate(self) -> Rate:
        """Returns what was measured; scoring is taken to cost the forward third of training.

        Raises:
            ValueError: If no step was made.
        """
        if self._start is None:
            raise ValueError("expected a training of at least one step. Received: none")
        stretches = self._stretches[1:] or self._stretches or [self._traced]
        image = sum(took for _, took in stretches) / max(1, sum(n for n, _ in stretches))
        return Rate(max(0.0, self._start - image * self._traced[0]), image, image / 3)


class Rehearsal:
    """Measures a training that makes its own progress bar: it gets a stopwatch instead."""

    def __init__(self) -> None:
        self._watch: Stopwatch | None = None

    def watch(self, num_examples: int, batch_size: int) -> Stopwatch:
        """Returns what takes the place of the progress bar."""
        self._watch = Stopwatch(num_examples, batch_size, self._began, abandon=True)
        return self._watch

    def run(self, train: Callable[[], Any]) -> Rate:
        """Trains until enough is known.

        Args:
            train: Trains with the callback `watch`, and would do more.
        """
        self._began = time.perf_counter()
        try:
            # One that diverges in its first steps says so when its turn comes.
            with contextlib.suppress(Enough, FloatingPointError):
                train()
            if self._watch is None:
                return Rate(time.perf_counter() - self._began, 0.0, 0.0)
            return self._watch.rate()
        finally:
            keras.backend.clear_session()
