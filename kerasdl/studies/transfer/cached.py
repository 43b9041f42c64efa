"""The frozen base of one arm as features: computed once, kept, and handed to the head."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples, Features, Images
from kerasdl.studies.transfer.settings import BaseSettings
from kerasdl.training.settings import Training

if TYPE_CHECKING:
    import keras

    from kerasdl.studies.plan import Recipe

DECIDING = ("base", "weights_sha256", "size", "features", "pooling")
"""The settings that features depend on."""


def open_cache(plan: "Recipe", limit: int | None, console: Any) -> Any:
    """Returns the `FeatureCache` for a recipe, or None where nothing of it is kept.

    Args:
        plan: The recipe.
        limit: How large it may grow, in bytes; None for its own limit.
        console: A `rich` console for notices.
    """
    if not any(how.cached for how in plan.transfer.values()):
        return None
    from kerasdl.training.features.cache import FeatureCache

    return FeatureCache(limit=limit, notify=_say(console))


def _say(console: Any) -> Callable[[str], None]:
    return lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True)


class CachedBase:
    """What the frozen base of a model makes of images.

    Args:
        model: The whole network.
        settings: Its settings in the recipe, with the weights' checksum.
        precision: Its dtype policy.
        cache: The `FeatureCache`, or None to keep nothing.
        console: A `rich` console for progress.
    """

    def __init__(
        self,
        model: "keras.Model",
        settings: Mapping[str, Any],
        precision: str,
        cache: Any,
        console: Any,
    ) -> None:
        from kerasdl.models import transfer
        from kerasdl.training.features.extract import Extractor

        # A recipe may name what is the default, or leave it out.
        named = {**msgspec.to_builtins(BaseSettings()), **settings}
        identity = {name: named[name] for name in DECIDING}
        self._extractor = Extractor(
            transfer.features_model(model),
            {**identity, "precision": precision},
            cache=cache,
            notify=_say(console),
            progress=console,
        )
        self._title = settings["base"]
        # Found once: also to ask the cache takes a checksum of all images.
        self._known: dict[int, tuple[Images, npt.NDArray[Any]]] = {}

    @property
    def seconds(self) -> float:
        """Time spent on computing so far."""
        return self._extractor.seconds

    def of(self, images: Images) -> npt.NDArray[Any]:
        """Returns the features of images as they are.

        Args:
            images: uint8 array (n, h, w, c), not changed between calls.

        Returns:
            Float array (n, d).
        """
        if id(images) not in self._known:
            found = self._extractor.features(images, title=f"{self._title}: features")
            # The images are kept with them, or another array might get their id.
            self._known[id(images)] = images, found
        return self._known[id(images)][1]

    def examples(
        self, examples: Examples, training: Training | None = None, views: int = 1, seed: int = 0
    ) -> Features:
        """Returns examples for the head.

        Args:
            examples: The images and their labels.
            training: Its augmentation makes the views besides the first.
            views: How many: the images as they are, and `views` - 1 augmented ones.
            seed: Decides the augmentation, >= 0.
        """
        from kerasdl.training.features.views import View

        found = [self.of(examples.images)]
        for number in range(1, views):
            if training is None:
                raise ValueError(f"{views} views need a training with an augmentation")
            title = f"{self._title}: features, view {number + 1} of {views}"
            view = View(training, seed, number - 1)
            found.append(self._extractor.features(examples.images, view=view, title=title))
        rows = found[0] if views == 1 else np.concatenate(found)
        return Features(rows, np.tile(examples.labels, views), views)
