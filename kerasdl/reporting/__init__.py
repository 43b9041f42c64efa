"""Reporting: the record of a run and the figures, README and HTML made from it."""
