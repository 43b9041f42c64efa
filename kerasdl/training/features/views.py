"""Augmented views of the training images, each the same whenever it is asked for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.training.order import flip_phase
from kerasdl.training.settings import AUGMENTATION, Training

STREAM = 0x76696577
"""Keeps the views' random numbers apart from every other use of the seed."""

GROUP = 128
"""So many images share a generator: numbers of an image in the middle need few others drawn."""


@dataclass(frozen=True)
class View:
    """The k-th augmented view of a set of images.

    A function of (seed, number, index of the image): how many images are looked at in
    one go changes nothing. Views of even number mirror one half of the images, those of
    odd number the other, where `training.flip` asks for it.

    Args:
        training: Says which augmentation there is; the rest of it does not matter.
        seed: Seed of the random numbers, >= 0.
        number: Which view, >= 0.

    Raises:
        ValueError: If `training` asks for no augmentation, or a number is negative.
    """

    training: Training
    seed: int
    number: int

    def __post_init__(self) -> None:
        if not any(self.settings.values()):
            raise ValueError(
                "views of the images differ by their augmentation, such as shift or flip. "
                "Received: training settings without any"
            )
        if self.seed < 0 or self.number < 0:
            raise ValueError(
                "seed and number of a view must be at least 0. "
                f"Received: seed {self.seed}, number {self.number}"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """The augmentation alone, as plain data."""
        return {name: getattr(self.training, name) for name in AUGMENTATION}

    @property
    def key(self) -> dict[str, Any]:
        """What decides the view, as plain data."""
        return {**self.settings, "seed": self.seed, "number": self.number}

    def look(self, images: npt.NDArray[np.uint8], first: int, last: int) -> npt.NDArray[np.uint8]:
        """Returns the view of some of the images.

        Args:
            images: uint8 array (n, h, w, c), all of them.
            first: Index of the first image wanted.
            last: Index behind the last one.

        Returns:
            uint8 array (last - first, h, w, c).
        """
        from keras import ops

        from kerasdl.training import augment

        uniform = np.concatenate(
            [
                self._random(stream, width, first, last)
                for stream, width in augment.streams(self.training)
            ],
            axis=1,
        )
        mirrored = flip_phase(len(images), self.seed)[first:last] != (self.number % 2 == 1)
        viewed = augment.augment(images[first:last], uniform, mirrored, self.training)
        return np.asarray(ops.convert_to_numpy(viewed))

    def _random(self, stream: int, width: int, first: int, last: int) -> npt.NDArray[np.float32]:
        """Draws `width` uniform numbers for each of some images: always the same for an image."""
        groups = range(first // GROUP, -(-last // GROUP))
        drawn = []
        for group in groups:
            key = [self.seed ^ stream ^ STREAM, (self.number << 32) + group]
            generator = np.random.Generator(np.random.Philox(key=key))
            drawn.append(generator.random((GROUP, width), np.float32))
        start = groups.start * GROUP
        return np.concatenate(drawn)[first - start : last - start]
