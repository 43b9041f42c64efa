"""Apps: one file per data set or topic, `python -m kerasdl.apps.<name>`."""
