"""Evaluation: predictions are stored once, and every score is computed from them."""
