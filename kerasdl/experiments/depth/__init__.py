"""Depth, activation and first weights of a perceptron."""
