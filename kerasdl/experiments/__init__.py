"""Experiments that are no comparison of networks, a package each; apps offer them by --study."""
