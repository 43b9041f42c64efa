"""Is a loss convex in the parameters? Two searches for evidence against it.

A function is convex only if its Hessian has no negative eigenvalue anywhere, and only if no
midpoint lies above the mean of its ends: f((a + b) / 2) <= (f(a) + f(b)) / 2. One point or one
pair refutes convexity; any number of points without one proves nothing, so where nothing is
found the reason must come from algebra: with one layer the output is linear in the parameters,
and a convex function of something linear is convex.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from kerasdl.theory.linear_network import LinearNetwork, hessian, mean_loss
from kerasdl.theory.losses import CE, CLIPPED_CE, MSE, RAW_CE, SIGMOID_MSE, Loss
from kerasdl.theory.tasks import Floats, Task, principal_components

ROUNDING = 1e-10
"""What counts as zero, as a share of the largest number in the comparison."""


@dataclasses.dataclass(frozen=True)
class Midpoint:
    """Two points and what the mean loss is there and between them.

    Args:
        kind: Where the pair comes from: "random" or "mirrored".
        first, second: float64 arrays (parameters,), the two points.
        ends: The loss at them.
        middle: The loss at (first + second) / 2.
    """

    kind: str
    first: Floats
    second: Floats
    ends: tuple[float, float]
    middle: float

    @property
    def gap(self) -> float:
        """How far the middle lies above the mean of the ends; above 0 nothing is convex."""
        return self.middle - 0.5 * (self.ends[0] + self.ends[1])

    @property
    def refutes(self) -> bool:
        """Whether the gap is more than rounding."""
        return self.excess > ROUNDING

    @property
    def excess(self) -> float:
        """The gap as a share of the largest of the three losses."""
        largest = max(abs(self.middle), abs(self.ends[0]), abs(self.ends[1]))
        return self.gap / largest if largest else 0.0


@dataclasses.dataclass(frozen=True)
class Case:
    """One loss on one linear network and task.

    Args:
        loss: The loss.
        depth: Number of layers.
        parameters: Length of a point.
        undefined: Share of freely drawn points where the loss asks for the logarithm of a
            number that has none for at least one example.
        undefined_examples: Mean share of the examples of a freely drawn point for which it does.
        smallest: float64 array (points,), smallest eigenvalue of the Hessian at points where
            the loss is defined.
        relative: float64 array (points,), the same by the largest size of an eigenvalue there.
        pairs: Pairs whose ends and midpoint are all defined.
        open_midpoints: Pairs whose ends are defined and whose midpoint is not.
        refuting: Pairs that refute convexity.
        worst: The pair with the largest excess; None without any pair.
    """

    loss: Loss
    depth: int
    parameters: int
    undefined: float
    undefined_examples: float
    smallest: Floats
    relative: Floats
    pairs: int
    open_midpoints: int
    refuting: int
    worst: Midpoint | None

    @property
    def negative(self) -> float:
        """Share of the points with a negative eigenvalue beyond rounding."""
        return float((self.relative < -ROUNDING).mean())

    @property
    def refuted(self) -> bool:
        """Whether anything was found that no convex function has."""
        return self.negative > 0 or self.refuting > 0 or self.open_midpoints > 0


@dataclasses.dataclass(frozen=True)
class Convexity:
    """All cases of one task.

    Args:
        name: The task's name, for files.
        task: The task's title.
        features: Principal components that the networks see.
        examples: Number of examples.
        width: Units of each hidden layer.
        points: Points of each case.
        cases: One case per loss and depth, depth changing fastest.
    """

    name: str
    task: str
    features: int
    examples: int
    width: int
    points: int
    cases: tuple[Case, ...]

    def case(self, loss: Loss, depth: int) -> Case:
        """Returns one case."""
        return next(one for one in self.cases if one.loss is loss and one.depth == depth)


def measure(
    task: Task,
    *,
    losses: Sequence[Loss],
    depths: Sequence[int],
    points: int,
    components: int = 3,
    width: int = 3,
    examples: int = 300,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Convexity:
    """Searches for evidence against convexity.

    Args:
        task: The task; its training features are reduced to principal components.
        losses: What to look at.
        depths: Numbers of layers, each at least 1.
        points: Points of each case, each drawn with a seed of its own.
        components: Features that the networks see.
        width: Units of each hidden layer.
        examples: At most this many training examples.
        seed: The first seed.
        tick: Called after each case.

    Returns:
        The cases.
    """
    features = principal_components(task.train[0], components)[:examples]
    labels = task.train[1][:examples]
    cases = []
    for loss in losses:
        for depth in depths:
            network = LinearNetwork(components, depth, width)
            cases.append(_case(network, loss, features, labels, points, seed))
            tick()
    return Convexity(task.name, task.title, components, len(labels), width, points, tuple(cases))


def draw(network: LinearNetwork, seed: int) -> Floats:
    """Returns a random point: normal, with a deviation between 0.1 and 3 that is drawn too."""
    generator = np.random.default_rng(seed)
    found: Floats = generator.normal(size=network.parameters) * 10 ** generator.uniform(-1, 0.5)
    return found


def into_domain(network: LinearNetwork, point: Floats, features: Floats, seed: int) -> Floats:
    """Returns the point with its last layer changed so that all outputs lie in (0, 1).

    The outputs then span between a tenth and all of 0.01..0.99, somewhere in it; so every
    function that the network can compute appears, shrunk to where raw cross-entropy has a value.
    """
    generator = np.random.default_rng([seed, 1])
    span = 0.98 * generator.uniform(0.1, 1.0)
    low = 0.01 + generator.uniform(0.0, 0.98 - span)
    outputs = network.outputs(point, features)
    scale = span / max(float(np.ptp(outputs)), 1e-300)
    *others, last = [layer.copy() for layer in network.layers(point)]
    last = scale * last
    last[-1] += low - scale * outputs.min()
    return network.point([*others, last])


def fitted(network: LinearNetwork, loss: Loss, features: Floats, labels: Floats) -> Floats:
    """Returns a point with a low loss, made by hand: a one-layer solution led through the depth.

    The first unit of each hidden layer carries it, with weight 1 from layer to layer; every
    other weight is 0. For raw cross-entropy the solution is squeezed into (0, 1).
    """
    shallow = LinearNetwork(network.inputs, 1, network.width)
    fit = CE if loss in (CE, SIGMOID_MSE) else MSE
    solution = np.zeros(shallow.parameters)
    # Newton's steps; one of them is exact for MSE. A ridge keeps separable classes finite.
    with_ones = np.column_stack([features, np.ones(len(labels))])
    for _ in range(8):
        slope = with_ones.T @ fit.slope(with_ones @ solution, labels) / len(labels)
        ridge = 1e-3 * np.eye(len(solution))
        curved = hessian(shallow, fit, solution, features, labels) + ridge
        solution = solution - np.linalg.solve(curved, slope + 1e-3 * solution)
    if loss in (RAW_CE, CLIPPED_CE):
        outputs = with_ones @ solution
        scale = min(1.0, 0.98 / float(np.ptp(outputs)))
        solution = scale * solution
        solution[-1] += 0.5 - scale * 0.5 * (outputs.min() + outputs.max())
    if network.depth == 1:
        return solution
    layers = [np.zeros(shape) for shape in network.shapes]
    layers[0][:-1, 0] = solution[:-1]
    for layer in layers[1:]:
        layer[0, 0] = 1.0
    layers[-1][-1, 0] = solution[-1]
    return network.point(layers)


def midpoint(
    network: LinearNetwork,
    loss: Loss,
    pair: tuple[Floats, Floats],
    features: Floats,
    labels: Floats,
    kind: str = "random",
) -> Midpoint:
    """Evaluates a pair of points and its midpoint; values are NaN where not defined."""
    first, second = pair
    values = [
        mean_loss(network, loss, point, features, labels)
        for point in (first, second, 0.5 * (first + second))
    ]
    return Midpoint(kind, first, second, (values[0], values[1]), values[2])


def _case(
    network: LinearNetwork, loss: Loss, features: Floats, labels: Floats, count: int, seed: int
) -> Case:
    free = [draw(network, seed + i) for i in range(count)]
    bad = np.array(
        [np.isnan(loss.value(network.outputs(point, features), labels)).mean() for point in free]
    )
    used = free
    if loss is RAW_CE:
        used = [into_domain(network, point, features, seed + i) for i, point in enumerate(free)]
    spectra = [
        np.linalg.eigvalsh(hessian(network, loss, point, features, labels)) for point in used
    ]
    smallest = np.array([spectrum[0] for spectrum in spectra])
    largest = np.array([np.abs(spectrum).max() for spectrum in spectra])
    pairs = [
        midpoint(network, loss, pair, features, labels)
        for pair in zip(used, [*used[1:], used[0]], strict=True)
    ]
    if network.depth > 1:
        solution = fitted(network, loss, features, labels)
        pairs += [
            midpoint(network, loss, (one, network.mirrored(one)), features, labels, "mirrored")
            for one in [solution, *used]
        ]
    defined = [one for one in pairs if np.isfinite(one.middle)]
    return Case(
        loss=loss,
        depth=network.depth,
        parameters=network.parameters,
        undefined=float((bad > 0).mean()),
        undefined_examples=float(bad.mean()),
        smallest=smallest,
        relative=smallest / np.maximum(largest, 1e-300),
        pairs=len(defined),
        open_midpoints=len(pairs) - len(defined),
        refuting=sum(one.refutes for one in defined),
        worst=max(defined, key=lambda one: one.excess, default=None),
    )
