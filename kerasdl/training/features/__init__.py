"""What a frozen network makes of images: computed once, fast, and kept on the disk.

`FeatureCache` keeps, `Extractor` computes, `View` says which augmented view of the
images is meant. Importing them imports no Keras: listing a cache needs none.
"""

from kerasdl.training.features.cache import FeatureCache
from kerasdl.training.features.extract import Extractor
from kerasdl.training.features.views import View

__all__ = ["Extractor", "FeatureCache", "View"]
