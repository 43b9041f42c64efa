"""Activations of a perceptron compared: accuracy, run time, gradients."""
