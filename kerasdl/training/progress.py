"""Progress of a training on the console: images/s, scores, the time left of it and of the run."""

import time
from typing import Any

import keras
from rich.console import Console

from kerasdl.terminal import Bar, Part, has_bars, line_seconds
from kerasdl.training.forecast import Forecast, about


class RichProgress(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows one training as a bar, or as occasional lines where there is no terminal.

    Args:
        console: Where to write.
        title: What is trained, e.g. "smallnet, seed 0 (1 of 6)".
        num_examples: Training images in an epoch.
        batch_size: Images in a step.
        forecast: Knows what comes besides this training; None to tell nothing of that.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        num_examples: int,
        batch_size: int,
        forecast: Forecast | None = None,
    ) -> None:
        super().__init__()
        self._console, self._title, self._forecast = console, title, forecast
        self._examples, self._batch_size = num_examples, batch_size
        self._bar: Bar | None = None
        self._said = time.monotonic()
        self._begun: int | None = None
        self._traced = self._continued = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the bar."""
        self._started = time.monotonic()
        self._epoch = 0
        if has_bars(self._console):
            self._bar = Bar(self._console, self._title, self._total)

    @property
    def _total(self) -> int:
        return self._examples * int(self.params["epochs"])

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers where this process began: after a restart, not with the first image."""
        if self._begun is None:
            self._begun = self._epoch * self._examples + batch * self._batch_size
            self._continued = self._begun > 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Shows where the training is after step `batch` of the epoch."""
        done = self._epoch * self._examples + min((batch + 1) * self._batch_size, self._examples)
        image = (time.monotonic() - self._started) / max(1, done - (self._begun or 0))
        rate = 1 / max(image, 1e-9)
        logs = logs or {}
        epoch = f"{self._epoch + 1}/{self.params['epochs']}"
        loss = f"{logs.get('loss', float('nan')):.3f}"
        accuracy = f"{100 * logs.get('accuracy', float('nan')):.1f} %"
        parts = [
            Part(f"epoch {epoch}", epoch, 0),
            Part(f"{rate:,.0f} images/s", f"{rate:,.0f}/s", 4),
            Part(f"loss {loss}", loss, 3),
            Part(f"accuracy {accuracy}", accuracy, 1),
        ]
        if not self._traced:
            # What the first call took, tracing, does not come again.
            self._traced, self._begun, self._started = True, done, time.monotonic()
        else:
            parts.append(self._left(done, image))
        if self._bar is not None:
            self._bar.show(done, parts)
        elif time.monotonic() - self._said >= line_seconds():
            self._said = time.monotonic()
            state = "  ".join(part.text for part in parts)
            self._console.print(f"{self._title}: {state}", highlight=False, soft_wrap=True)

    def _left(self, done: int, image: float) -> Part:
        """Returns e.g. "40 s left (whole run 4 min)"."""
        here = image * (self._total - done)
        if self._forecast is None:
            return Part(f"{about(here)} left", about(here), 2)
        whole = self._forecast.left(here, image, self._total, self._continued)
        return Part(f"{about(here)} left (whole run {about(whole)})", about(here), 2)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Removes the bar."""
        self.close()

    def close(self) -> None:
        """Removes the bar, also after an interruption."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
