"""How often `predict` calls a picture unlike the training data: real ones, and others.

python benchmarks/familiarity.py        (the data sets' files in $KERASDL_DATA)

A tenth of the training images calibrates, as in a run; of the test images 1 % should
be noticed, of all others as many as can be.
"""

import time

import numpy as np

from kerasdl.datasets.load import load
from kerasdl.datasets.splits import split
from kerasdl.evaluation import familiarity

NAMES = ("mnist", "fashion_mnist", "gurmukhi", "cifar10", "svhn")
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
COUNT = 2_000


def brought(images, shape):
    """Returns images with another shape's size (cut or padded) and channels, where it can."""
    if shape[2] == 1 and images.shape[3] == 3:
        images = np.round(images @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    if images.shape[3] != shape[2]:
        images = np.repeat(images, 3, axis=3)
    gap = shape[0] - images.shape[1]
    if gap < 0:
        return images[:, -gap // 2 : gap // 2, -gap // 2 : gap // 2]
    edge = (gap // 2, gap - gap // 2)
    return np.pad(images, ((0, 0), edge, edge, (0, 0)), mode="edge")


def others(test):
    """Returns pictures made of test images, by name."""
    generator = np.random.default_rng(0)
    shape = (len(test[:500]), *test.shape[1:])
    pixels = test[:500].reshape(shape[0], -1)
    flat = [np.full(test.shape[1:], level, np.uint8) for level in range(0, 256, 5)]
    return {
        "inverted": 255 - test,
        "noise": generator.integers(0, 256, shape, dtype=np.uint8),
        "shuffled pixels": generator.permuted(pixels, axis=1).reshape(shape),
        "one colour": np.stack(flat),
        "a tenth of the contrast": (test // 10 + 115).astype(np.uint8),
        "4 pixels aside": np.roll(test, 4, axis=2),
        "a quarter turn": np.rot90(test, axes=(1, 2)),
    }


def main():
    data = {name: load(name) for name in NAMES}
    table = {}
    for name, dataset in data.items():
        parts = split(dataset, validation_fraction=0.1, seed=0)
        started = time.process_time()
        known = familiarity.fit(parts.train.images, parts.validation.images)
        seconds = time.process_time() - started
        test = parts.test.images
        pictures = {"test images": test, **others(test[:COUNT])}
        for other in NAMES:
            if other != name:
                images = brought(data[other].test.images[:COUNT], dataset.image_shape)
                pictures[TITLES.get(other, other)] = images
        table[name] = {
            title: np.mean(known.shares(np.ascontiguousarray(images)) <= familiarity.UNLIKE)
            for title, images in pictures.items()
        }
        table[name]["(CPU seconds to fit)"] = seconds
    rows = list(dict.fromkeys(title for column in table.values() for title in column))
    print(f"{'unlike, %':25s}" + "".join(f"{name:>15s}" for name in table))
    for title in sorted(rows, key=lambda title: title.startswith("(")):
        cells = (column.get(title) for column in table.values())
        scale = 1 if title.startswith("(") else 100
        texts = ("" if cell is None else f"{scale * cell:.1f}" for cell in cells)
        print(f"{title:25s}" + "".join(f"{text:>15s}" for text in texts))


if __name__ == "__main__":
    main()
