"""Many small networks trained as one computation: the same images, one compiled step."""

from kerasdl.training.packed.chains import packable
from kerasdl.training.packed.training import Packed

__all__ = ["Packed", "packable"]
