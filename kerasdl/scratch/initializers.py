"""Rules for the first weights. Biases always begin at 0.

The size of the first weights decides whether a network of this kind learns. The sum of m inputs
times weights of standard deviation s has standard deviation s sqrt(m) (inputs of size 1): with
s = 1, hundreds of inputs saturate a sigmoid and let ReLU and linear layers grow tenfold per
layer; with s = 0.01 the signal fades to nothing. Glorot and He choose s so that it stays.

A course report names "zero, random, normal" without code; here "random" and "normal" are NumPy's
functions of these names, `numpy.random.rand` and `numpy.random.randn`, times `Network(scale=...)`.
Which scale the report had shows in its results for "normal" (784-256-128-64-10, Fashion-MNIST,
pixels 0..1, rate 0.1): sigmoid stays at 10 %, ReLU, tanh and linear learn. 0.01 * randn does
exactly that (10 000 images, 5 epochs: sigmoid 10, ReLU 61, tanh 71, linear 63 % of the test
images); with randn alone ReLU and linear diverge in the first epoch and sigmoid learns (73 %), with
0.1 * randn sigmoid learns as well (68 %).
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Initializer: TypeAlias = Callable[[int, int, np.random.Generator], npt.NDArray[np.float64]]
"""(num_inputs, units, generator) -> float64 array (num_inputs, units)."""


def zero(num_inputs: int, units: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """All 0: every neuron of a layer stays equal to its neighbours, whatever it sees."""
    return np.zeros((num_inputs, units))


def random(num_inputs: int, units: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Uniform in [0, 1), `numpy.random.rand`: no weight is negative."""
    return generator.random((num_inputs, units))


def normal(num_inputs: int, units: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Normal with mean 0 and standard deviation 1, `numpy.random.randn`."""
    return generator.standard_normal((num_inputs, units))


def glorot(num_inputs: int, units: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Uniform with variance 2 / (num_inputs + units).

    Source: Glorot and Bengio 2010, AISTATS, equation 16; Keras's "glorot_uniform".
    """
    limit = math.sqrt(6 / (num_inputs + units))
    return generator.uniform(-limit, limit, (num_inputs, units))


def he(num_inputs: int, units: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Normal with variance 2 / num_inputs: a ReLU stops half of its inputs.

    Source: He et al. 2015, ICCV, equation 10. Keras's "he_normal" cuts the tails off.
    """
    return generator.standard_normal((num_inputs, units)) * math.sqrt(2 / num_inputs)


INITIALIZERS: dict[str, Initializer] = {
    "zero": zero,
    "random": random,
    "normal": normal,
    "glorot": glorot,
    "he": he,
}
"""By name."""
