"""kerasdl: a small-image-classification laboratory on Keras and TensorFlow.

Importing the package imports neither Keras nor TensorFlow (seconds); each
module loads what it needs when its first function runs.
"""

__version__ = "0.1.0"
