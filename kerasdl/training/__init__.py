"""Training: the engine of compiled epochs and what it needs."""
