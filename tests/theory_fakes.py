"""Small tasks for the tests of the theory."""

import numpy as np

from kerasdl.theory.tasks import Task


def task(n=60, d=4, seed=0, shift=0.8):
    """Two overlapping clouds."""
    generator = np.random.default_rng(seed)

    def part():
        labels = (np.arange(n) % 2).astype(np.float64)
        return generator.normal(size=(n, d)) + shift * labels[:, None], labels

    return Task("clouds", "Two clouds", part(), part(), part())
