"""Each regulariser of a perceptron over its strengths."""
