"""What `peers.py` compares, as plain data, and the images: no framework is imported here."""

import time
from typing import Any, NamedTuple

import numpy as np

from kerasdl.training.order import epoch_order

CLASSES = 10
WIDTHS = tuple(range(60, 601, 60))
"""Hidden units of the ten perceptrons that are trained together."""


class Case(NamedTuple):
    """One comparison.

    Args:
        title: Its name in the table.
        network: A key of the torch side's NETWORKS, for kind "training".
        shape: (height, width, channels) of an image.
        batch_size, images, epochs: The training.
        optimizer: "adam", or "sgd" with Nesterov's momentum 0.9; the rate is constant.
        bfloat16: Whether it is also run in bfloat16 where the processor has it.
        kind: "training", "widths" (several networks at a time) or "features" (no training).
    """

    title: str
    network: str
    shape: tuple[int, int, int]
    batch_size: int
    images: int
    epochs: int
    optimizer: str = "adam"
    bfloat16: bool = False
    kind: str = "training"

    @property
    def learning_rate(self) -> float:
        """Usual for the optimizer; speed does not depend on it."""
        return 1e-3 if self.optimizer == "adam" else 0.02


_GRAY, _COLOUR, _LARGE = (28, 28, 1), (32, 32, 3), (64, 64, 3)

CASES = {
    "mlp64": Case("MLP 64 units, batch 32", "mlp64", _GRAY, 32, 10_000, 3),
    "mlp256": Case("MLP 256 units, batch 32", "mlp256", _GRAY, 32, 10_000, 3),
    "lenet5": Case("LeNet-5, batch 128", "lenet5", _COLOUR, 128, 5_000, 3, bfloat16=True),
    "smallnet": Case("SmallNet, batch 128", "smallnet", _COLOUR, 128, 3_000, 2, bfloat16=True),
    "resnet20": Case(
        "ResNet-20, batch 128", "resnet20", _COLOUR, 128, 3_000, 2, "sgd", bfloat16=True
    ),
    "vgg16": Case("VGG16 at 32 px, batch 128", "vgg16", _COLOUR, 128, 512, 2, "sgd", bfloat16=True),
    "widths32": Case("widths 60..600, batch 32", "widths", _GRAY, 32, 10_000, 2, kind="widths"),
    "widths128": Case("widths 60..600, batch 128", "widths", _GRAY, 128, 10_000, 2, kind="widths"),
    "features": Case("features of VGG16 at 64 px", "features", _LARGE, 32, 256, 1, kind="features"),
}


class Job(NamedTuple):
    """What one child process does, as it travels on its command line.

    Args:
        case: A key of CASES.
        arm: Who does it.
        precision: "float32" or "bfloat16".
        images, epochs: Instead of the case's.
        learnable: Whether the labels follow from the images; else both are random.
        weights: The file that the engine writes its first weights to; PyTorch takes them from
            there if it exists.
        threads: PyTorch's.
    """

    case: str
    arm: str
    precision: str
    images: int
    epochs: int
    learnable: bool
    weights: str
    threads: int


class Outcome(NamedTuple):
    """What a child process prints as a line of JSON.

    Args:
        seconds: Of the whole training, from a built model on; the first step, with all that is
            traced or compiled in it, counted in.
        rest: The same without the first step; of features the seconds of a second pass.
        processor: Seconds of the processor in the whole training, all threads of this process.
        losses: Mean loss of each epoch; of features their mean size.
        parameters: Numbers that are trained (of features: all).
    """

    seconds: float
    rest: float
    processor: float
    losses: list[float]
    parameters: int


def data(job: Job) -> tuple[Any, Any]:
    """Returns uint8 images (n, h, w, c) and int32 labels (n,)."""
    shape = CASES[job.case].shape
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, job.images).astype(np.int32)
    if not job.learnable:
        return generator.integers(0, 256, (job.images, *shape), dtype=np.uint8), labels
    # The class is where a band is brighter: learnt in a few steps, not in one.
    images = generator.integers(0, 180, (job.images, *shape), dtype=np.uint8)
    band = shape[0] // CLASSES
    for image, label in zip(images, labels, strict=True):
        image[label * band : (label + 1) * band] += 75
    return images, labels


def orders(job: Job) -> list[Any]:
    """Returns each epoch's permutation (int32, n), the one that the engine takes with seed 0."""
    return [epoch_order(job.images, 0, epoch) for epoch in range(job.epochs)]


class Stopwatch:
    """The times of one training, running from the start on."""

    def __init__(self) -> None:
        self._first = 0.0
        self._processor, self._started = time.process_time(), time.perf_counter()

    def step(self) -> None:
        """Notes the end of a step, of which the first counts."""
        self._first = self._first or time.perf_counter()

    def stop(self, losses: list[float], parameters: int) -> Outcome:
        """Returns the outcome of a training that ends here."""
        ended, processor = time.perf_counter(), time.process_time()
        times = ended - self._started, ended - self._first, processor - self._processor
        return Outcome(*times, losses, parameters)
