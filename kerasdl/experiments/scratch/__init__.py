"""One perceptron in three programs: by hand in NumPy, in Keras, and scikit-learn's."""
