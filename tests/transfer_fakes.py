"""A tiny base with weights of its own, and images to try it on, for tests of transfer."""

import keras
import numpy as np
from PIL import Image

BASE = "mobilenet_0.25"
SIDE = 32


def write_weights(path, seed=0):
    """Writes weights of `BASE` that nobody trained, in Keras's own format.

    Its normalisations know their inputs, so that features have the size of a trained base's.
    """
    keras.utils.set_random_seed(seed)
    options = {"alpha": 0.25, "input_shape": (32, 32, 3), "include_top": False, "weights": None}
    model = keras.applications.MobileNet(**options)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(np.random.default_rng(seed).uniform(-1, 1, (32, 32, 32, 3)), training=True)
    model.save_weights(path)
    return path


def write_textures(root, parts):
    """Writes gray images of three classes that differ in what is everywhere: stripes or noise.

    Features that are pooled over the whole image could not tell where something is.

    Args:
        root: Gets a folder for each part, with one for each class.
        parts: Images of each class, by the name of the part.
    """
    generator = np.random.default_rng(0)
    for part, count in parts.items():
        for label in range(3):
            folder = root / part / str(label)
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 100, (SIDE, SIDE))
                lines = np.add(np.arange(SIDE), generator.integers(4)) % 4 < 2
                pixels += 120 * (lines[:, None], lines, generator.random((SIDE, SIDE)) < 0.5)[label]
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


def arguments(folder):
    """Returns the options that name 30 images a class, 10 to test, and weights of `BASE`."""
    images = write_textures(folder / "textures", {"train": 30, "test": 10})
    weights = write_weights(folder / "base.weights.h5")
    return [
        *("--dataset", str(images), "--validation-fraction", "0.3"),
        *("--transfer", BASE, "--weights", str(weights)),
    ]
