"""A neural network in NumPy, back-propagation by hand, written to be read: one concept a file.

Read in this order: `activations`, `layers`, `losses`, `network`, `initializers`, `optimizers`,
`training`; then `storage` (weights on disk) and `estimator` (scikit-learn's interface).
"""

from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import SGD
from kerasdl.scratch.storage import load, save
from kerasdl.scratch.training import History, fit

__all__ = ["SGD", "History", "Network", "fit", "load", "save"]
