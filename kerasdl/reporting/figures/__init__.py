"""The figures of a report, one kind a module; each function writes one PNG."""
