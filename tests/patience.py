"""How long tests wait for others, and how near to each other computed numbers are."""

import signal
import time

import numpy as np

PATIENCE = 600
"""Seconds that a test waits for a process, an answer, a condition before it fails.

Only a test that fails takes so long: none waits for a time to pass where it can wait for what is
to happen. On a machine that is busy with other things a minute was too short.
"""


def wait_until(condition, runs=None):
    """Waits until `condition()` is true and returns what it returned.

    Args:
        condition: A function.
        runs: A `subprocess.Popen` without which it would be in vain; when it ends, this fails.
    """
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if runs is not None and runs.poll() is not None:
            raise AssertionError(f"ended with code {runs.returncode}: {runs.communicate()}")
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def hear_ctrl_c():
    """For `preexec_fn`: children of tests that run in the background would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def assert_equal_but_for_rounding(found, expected):
    """Asserts that two float32 computations of the same numbers agree.

    Two graphs, two sizes of a batch or two processors may sum in another order; bit for bit the
    same are only repetitions of one program on one processor, where that is promised.
    """
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
