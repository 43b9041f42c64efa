"""Studies: comparisons that several apps share, each from recipe to report."""
