"""The networks: each a function `(input_shape, num_classes, **settings) -> keras.Model`.

Every model takes raw pixels 0..255, has its preprocessing inside, and returns logits. Importing
this package imports no Keras; `build` does.
"""

from kerasdl.models.network import Network
from kerasdl.models.registry import build, get, names

__all__ = ["Network", "build", "get", "names"]
