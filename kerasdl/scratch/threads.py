"""How many threads NumPy's matrix products take."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def blas_threads(count: int | None) -> Iterator[None]:
    """Limits the threads of matrix products inside a `with` block.

    The products of a small network last 10 to 150 microseconds. Threads that share one must wait
    for each other twice in that time, which gains little on idle cores and loses a lot on busy
    ones: a thread that waits for its turn keeps all the others waiting.

    Args:
        count: Threads, >= 1, or None to leave NumPy's own choice, usually all cores.

    Yields:
        Nothing.

    Raises:
        ValueError: If `count` is below 1.
    """
    if count is None:
        yield
        return
    if count < 1:
        raise ValueError(f"threads must be at least 1, or None. Received: {count}")
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count, user_api="blas"):
        yield
