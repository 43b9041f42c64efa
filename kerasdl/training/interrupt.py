"""Ctrl-C while Keras's own loop trains."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class DeferredInterrupt:
    """Notes Ctrl-C inside the block; `check` raises it where a training can end well.

    Keras 3.15 waits for the numbers of a step inside a bare `except`, in which
    most interrupts would be lost; and between two steps only are a model's
    weights sure to be there on JAX, which gives their memory to the next step.
    A second Ctrl-C interrupts at once. Outside the main thread, and where the
    process handles Ctrl-C in a way of its own, nothing is changed.
    """

    def __init__(self) -> None:
        self._noted = False
        self._before: Any = None

    def __enter__(self) -> "DeferredInterrupt":
        """Starts to note Ctrl-C."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends it; raises what was noted and not yet raised."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if error is None:
            self.check()

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was noted."""
        if self._noted:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            signal.default_int_handler(number, frame)
        self._noted = True
