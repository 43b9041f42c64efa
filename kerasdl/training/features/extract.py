"""From images to features: out of the cache, or through the frozen network and into it."""

import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerasdl.training.features import entry
from kerasdl.training.features.cache import FeatureCache
from kerasdl.training.features.pass_progress import PassProgress
from kerasdl.training.features.views import View

if TYPE_CHECKING:
    import keras
    from rich.console import Console

    from kerasdl.training.features.forward import Forward

VERSION = 1
"""Of the way features are computed: another number means other digits."""


class Extractor:
    """Computes the features of images with a frozen network, or finds them in the cache.

    Args:
        model: From (n, h, w, c) pixels to (n, d) features, e.g.
            `kerasdl.models.transfer.features_model(…)`. Its weights are read when
            features are first computed.
        identity: Plain data that decides the network's function: base, digest of the
            weights, layer, size, pooling, precision.
        cache: Where features are kept; None to compute them at every call.
        notify: Gets one line for what a user should know.
        progress: Where to show a bar; None for nowhere.

    Raises:
        ValueError: If the model has another output than a vector for each image.
    """

    def __init__(
        self,
        model: "keras.Model",
        identity: Mapping[str, Any],
        *,
        cache: FeatureCache | None,
        notify: Callable[[str], None] = print,
        progress: "Console | None" = None,
    ) -> None:
        shape = model.output_shape
        if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
            raise ValueError(
                "the model must give a vector of known length for each image. "
                f"Received: an output of shape {shape}"
            )
        self.seconds = 0.0
        """Time spent computing so far, tracing included; 0 when the cache had everything."""
        self.dtype = str(model.output.dtype)
        """"float32", or that of a 16-bit policy."""
        self._model, self._columns = model, int(shape[1])
        self._identity, self._cache = entry.plain(identity), cache
        self._notify, self._console = notify, progress
        self._forward: Forward | None = None

    def features(
        self,
        images: npt.NDArray[np.uint8],
        *,
        view: View | None = None,
        title: str = "features",
    ) -> npt.NDArray[Any]:
        """Returns the features of some images.

        Args:
            images: uint8 array (n, h, w, c).
            view: Which augmented view of them; None for the images as they are.
            title: What they are, for the bar.

        Returns:
            Array (n, d) of `dtype`; from a cache mapped into memory and read-only.

        Raises:
            ValueError: If the images do not fit the model, or the features the cache.
            FloatingPointError: If a feature is NaN or infinite.
            OSError: If the cache cannot be read or written.
        """
        expected = tuple(self._model.input_shape[1:])
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            raise ValueError(
                f"expected uint8 images of shape (n, {', '.join(map(str, expected))}). "
                f"Received: {images.dtype} {images.shape}"
            )
        shape = len(images), self._columns

        def compute(first: int) -> Iterator[npt.NDArray[Any]]:
            return self._compute(images, view, first, title)

        if not len(images):
            return np.zeros(shape, entry.dtype_of(self.dtype))
        if self._cache is not None:
            return self._cache.get(self.key(images, view), self.dtype, shape, compute)
        found = np.empty(shape, entry.dtype_of(self.dtype))
        first = 0
        for rows in compute(0):
            found[first : first + len(rows)] = rows
            first += len(rows)
        return found

    def key(self, images: npt.NDArray[np.uint8], view: View | None = None) -> dict[str, Any]:
        """Returns all that decides the features of some images, as plain data."""
        digest = entry.images_sha256(images)
        return {
            "network": self._identity,
            "images": {"count": len(images), "sha256": digest},
            "view": None if view is None else view.key,
            "software": _software(),
        }

    def _compute(
        self, images: npt.NDArray[np.uint8], view: View | None, first: int, title: str
    ) -> Iterator[npt.NDArray[Any]]:
        """Yields the features of the images from `first` on, a batch at a time."""
        from kerasdl.training.features.forward import Forward

        started = time.perf_counter()
        with PassProgress(self._console, title, len(images), first) as progress:
            if self._forward is None:
                self._forward = Forward(self._model)
            size = self._forward.batch_size
            for start in range(first, len(images), size):
                end = min(start + size, len(images))
                block = images[start:end] if view is None else view.look(images, start, end)
                rows = self._forward(block)
                if not np.isfinite(rows).all():
                    raise FloatingPointError(
                        f"the features of the images {start} to {end - 1} have numbers that are "
                        "NaN or infinite: the network's weights are unusable, or the precision "
                        "has too small a range"
                    )
                self.seconds += time.perf_counter() - started
                yield rows
                started = time.perf_counter()
                progress.show(end)


def _software() -> dict[str, Any]:
    """Returns what computes: other versions or devices give other last digits."""
    import keras

    backend = keras.backend.backend()
    return {
        "extractor": VERSION,
        "keras": metadata.version("keras"),
        backend: metadata.version(backend),
        "device": _device(backend),
    }


def _device(backend: str) -> str:
    if backend == "jax":
        import jax

        return str(jax.devices()[0].platform)
    import tensorflow as tf

    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
