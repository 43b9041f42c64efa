"""Importing TensorFlow, with the right kernels and without its start-up notices."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from kerasdl import kernels, streams


@contextlib.contextmanager
def quiet_start(*, convolutions: bool = True, recorded: str | None = None) -> Iterator[None]:
    """Wraps the import of TensorFlow: chooses kernels, drops informational lines, calms threads.

    They are written by C++ code before any setting is read, so standard error
    goes to a file meanwhile. Everything in it that is not an informational line
    is passed on afterwards, and all of it when the block raises. With `-v`
    nothing is kept back.

    Args:
        convolutions: As for `kernels.choose`.
        recorded: As for `kernels.choose`.
    """
    kernels.choose(convolutions=convolutions, recorded=recorded)
    streams.open_closed()
    if streams.level == streams.VERBOSE:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
        yield
        kernels.let_threads_sleep()
        return
    # 3: on a machine without a GPU even the search for one is logged as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as caught:
        stderr = os.dup(2)
        os.dup2(caught.fileno(), 2)
        done = False
        try:
            yield
            kernels.let_threads_sleep()
            done = True
        except KeyboardInterrupt:
            done = True  # nothing in there says why
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if not done or not (line.startswith("I0000") or "absl::InitializeLog" in line):
                    streams.complain(line)
