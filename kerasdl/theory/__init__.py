"""Measurements of what the course reports say in theory: losses, convexity, convolutions."""
