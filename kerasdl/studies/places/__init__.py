"""Where a comparison is trained besides this process: in several, or on a Ray cluster."""
