"""The two convolution designs of row 17, from real Keras layers: size, arithmetic, time."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kerasdl.models.costs import LayerCost, ModelCosts, model_costs

if TYPE_CHECKING:
    import keras

INPUT_SHAPE = (28, 28, 192)
DESIGNS = ("direct", "bottleneck")


@dataclasses.dataclass(frozen=True)
class Design:
    """One design as Keras builds it.

    Args:
        name: "direct" or "bottleneck".
        title: The layers in words.
        output_shape: (height, width, channels) for one image.
        costs: Parameters, multiply-accumulates and activations, by layer and in all.
    """

    name: str
    title: str
    output_shape: tuple[int, ...]
    costs: ModelCosts

    @property
    def layers(self) -> tuple[LayerCost, ...]:
        """The layers."""
        return self.costs.layers


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long one batch takes, both designs in turn.

    Args:
        batch_size: Images in a batch.
        seconds: Seconds of each round, by design.
        busy: Seconds that the processor's cores were busy with it, added up; other programs on
            the machine change them less.
    """

    batch_size: int
    seconds: dict[str, list[float]]
    busy: dict[str, list[float]]

    @property
    def medians(self) -> dict[str, float]:
        """Median seconds, by design."""
        return {name: statistics.median(found) for name, found in self.seconds.items()}

    @property
    def busy_medians(self) -> dict[str, float]:
        """Median busy seconds, by design."""
        return {name: statistics.median(found) for name, found in self.busy.items()}

    @property
    def ratios(self) -> list[float]:
        """Seconds of the direct design by seconds of the bottleneck, round by round."""
        return [
            one / two for one, two in zip(*(self.seconds[name] for name in DESIGNS), strict=True)
        ]

    @property
    def busy_ratio(self) -> float | None:
        """The same of the busy seconds of all rounds; None where that clock is too coarse."""
        direct, bottleneck = (sum(self.busy[name]) for name in DESIGNS)
        return direct / bottleneck if bottleneck > 0 else None


@dataclasses.dataclass(frozen=True)
class Variant:
    """A convolution that gives a number the report prints and ours does not.

    Args:
        title: The layers in words.
        parameters: Of them.
        output_shape: (height, width, channels).
    """

    title: str
    parameters: int
    output_shape: tuple[int, ...]


def build(name: str) -> "keras.Model":
    """Builds a design: a convolution of 5x5 with 32 filters, behind 16 filters of 1x1 or not.

    Args:
        name: One of `DESIGNS`.

    Raises:
        ValueError: If there is no such design.
    """
    if name not in DESIGNS:
        raise ValueError(f"expected one of {', '.join(DESIGNS)}. Received: {name!r}")
    import keras
    from keras import layers

    stack = [layers.Conv2D(32, 5, padding="same", name="conv_5x5")]
    if name == "bottleneck":
        stack.insert(0, layers.Conv2D(16, 1, padding="same", name="conv_1x1"))
    return keras.Sequential([keras.Input(INPUT_SHAPE), *stack], name=name)


def designs() -> tuple[Design, Design]:
    """Counts what both designs cost."""
    titles = {"direct": "5×5, 32 filters", "bottleneck": "1×1, 16 filters, then 5×5, 32 filters"}
    found = []
    for name in DESIGNS:
        model = build(name)
        found.append(Design(name, titles[name], tuple(model.output_shape[1:]), model_costs(model)))
    return found[0], found[1]


def variants() -> list[Variant]:
    """Builds the convolutions that explain the report's figures."""
    import keras
    from keras import layers

    wanted = {
        "3×3, 32 filters, same padding": [layers.Conv2D(32, 3, padding="same")],
        "3×3, 32 filters, no padding": [layers.Conv2D(32, 3)],
        "3×3, 32 filters, 2 pixels of padding": [layers.ZeroPadding2D(2), layers.Conv2D(32, 3)],
    }
    found = []
    for title, stack in wanted.items():
        model = keras.Sequential([keras.Input(INPUT_SHAPE), *stack])
        found.append(Variant(title, model.count_params(), tuple(model.output_shape[1:])))
    return found


def measure_time(
    *,
    batch_size: int,
    rounds: int,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    busy_clock: Callable[[], float] = time.process_time,
) -> Timing:
    """Times one batch through each design, in turn, after a warm-up.

    Every other round runs backwards, so that neither design always has the other's warm caches.

    Args:
        batch_size: Images in a batch.
        rounds: How often.
        seed: Of the pixels, which speed does not depend on.
        clock: Returns seconds.
        busy_clock: Returns seconds that cores were busy.
    """
    images = np.random.default_rng(seed).normal(size=(batch_size, *INPUT_SHAPE))
    batch = images.astype(np.float32)
    models = {name: build(name) for name in DESIGNS}
    for model in models.values():
        for _ in range(2):  # the first call compiles
            model.predict_on_batch(batch)
    seconds: dict[str, list[float]] = {name: [] for name in DESIGNS}
    busy: dict[str, list[float]] = {name: [] for name in DESIGNS}
    for number in range(rounds):
        for name in DESIGNS if number % 2 == 0 else reversed(DESIGNS):
            started, busy_started = clock(), busy_clock()
            models[name].predict_on_batch(batch)
            seconds[name].append(clock() - started)
            busy[name].append(busy_clock() - busy_started)
    return Timing(batch_size, seconds, busy)
