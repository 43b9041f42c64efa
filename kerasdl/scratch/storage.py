"""A network's weights in a .npz file: never pickle, never half-written, never trusted.

The file holds the array `description`, JSON in UTF-8 as uint8, and for each layer, from the input
on, `weights_1` (inputs, units) and `biases_1` (units,), `weights_2` and so on. `numpy.load` reads
it as well.
"""

import itertools
import math
import os
from typing import Any, Literal

import msgspec
import numpy as np

from kerasdl.datasets.npz import read_npz
from kerasdl.files import atomic_open
from kerasdl.scratch.activations import ACTIVATIONS, Floats
from kerasdl.scratch.network import Network

MAX_DESCRIPTION = 64 * 1024
MAX_LAYERS = 1000
MAX_PARAMETERS = 2**28
"""1 GiB in float32; a file that announces more is refused before anything is allocated."""

_HEADER = 16 * 1024  # more than NumPy writes before an array's numbers


class Description(msgspec.Struct, forbid_unknown_fields=True):
    """What is needed to build the network that the weights belong to.

    Args:
        format: Name of the format.
        version: Of the format.
        sizes: Inputs, units of each hidden layer, classes.
        activation: Of the hidden layers.
        dtype: "float32" or "float64".
        epochs: Epochs of training behind the weights, or None if nobody said.
    """

    format: Literal["kerasdl.scratch"]
    version: Literal[1]
    sizes: list[int]
    activation: str
    dtype: Literal["float32", "float64"]
    epochs: int | None = None


def save(
    path: str | os.PathLike[str],
    network: Network,
    *,
    parameters: Floats | None = None,
    epochs: int | None = None,
) -> None:
    """Writes a network's weights and biases.

    Args:
        path: The file to write, atomically; conventionally ends in ".npz".
        network: The network.
        parameters: Array (p,) to write instead of its own, such as `History.kept[50]`.
        epochs: Epochs of training behind the parameters, to be noted in the file.

    Raises:
        ValueError: If the parameters are not this network's.
    """
    flat = network.parameters if parameters is None else np.asarray(parameters)
    if flat.shape != network.parameters.shape or flat.dtype != network.dtype:
        raise ValueError(
            f"parameters must have shape {network.parameters.shape} and dtype {network.dtype}. "
            f"Received: {flat.shape}, {flat.dtype}"
        )
    description = Description(
        "kerasdl.scratch",
        1,
        list(network.sizes),
        network.activation,
        "float64" if network.dtype == np.float64 else "float32",
        epochs,
    )
    arrays: dict[str, Any] = {
        "description": np.frombuffer(msgspec.json.encode(description), np.uint8)
    }
    for (name, shape), part in zip(_shapes(network.sizes), _parts(network.sizes), strict=True):
        arrays[name] = flat[part].reshape(shape)
    with atomic_open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(path: str | os.PathLike[str]) -> Network:
    """Reads a network.

    Args:
        path: A file that `save` wrote.

    Returns:
        The network with the file's weights.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or not what `save` writes.
    """
    network, _ = load_with_epochs(path)
    return network


def load_with_epochs(path: str | os.PathLike[str]) -> tuple[Network, int | None]:
    """Reads a network and the number of epochs behind it, None where the file does not say.

    Args:
        path: A file that `save` wrote.

    Returns:
        The network with the file's weights, and the epochs.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or not what `save` writes.
    """
    description = _describe(path)
    expected = dict(_shapes(description.sizes))
    itemsize = np.dtype(description.dtype).itemsize
    limit = max(map(math.prod, expected.values())) * itemsize + _HEADER
    arrays = read_npz(path, list(expected), limit)
    network = Network(
        description.sizes[0],
        description.sizes[1:-1],
        description.sizes[-1],
        activation=description.activation,
        initializer="zero",
        dtype=description.dtype,
    )
    for (name, shape), part in zip(expected.items(), _parts(description.sizes), strict=True):
        found = arrays[name]
        if found.shape != shape or found.dtype != network.dtype:
            raise ValueError(
                f"{path}: {name} must have shape {shape} and dtype {network.dtype}. Received: "
                f"{found.shape}, {found.dtype}"
            )
        network.parameters[part] = found.ravel()
    return network, description.epochs


def _describe(path: str | os.PathLike[str]) -> Description:
    """Returns the file's description, of a size that can be built."""
    raw = read_npz(path, ["description"], MAX_DESCRIPTION)["description"]
    try:
        description = msgspec.json.decode(raw.tobytes(), type=Description)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} must describe a network of kerasdl.scratch. Received: {error}"
        ) from error
    if description.activation not in ACTIVATIONS:
        raise ValueError(
            f"{path} must name an activation of {', '.join(ACTIVATIONS)}. "
            f"Received: {description.activation[:40]!r}"
        )
    sizes = description.sizes
    if (
        not 2 <= len(sizes) <= MAX_LAYERS
        or min(sizes) < 1
        or sizes[-1] < 2
        or _count(sizes) > MAX_PARAMETERS
    ):
        raise ValueError(
            f"{path} must describe at most {MAX_LAYERS} layers of at least 1 unit, at least 2 "
            f"classes and at most {MAX_PARAMETERS} parameters. Received: sizes {str(sizes)[:200]}"
        )
    return description


def _count(sizes: list[int]) -> int:
    return sum((inputs + 1) * units for inputs, units in itertools.pairwise(sizes))


def _shapes(sizes: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Returns the arrays' names and shapes in the order of `Network.parameters`."""
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for number, (inputs, units) in enumerate(itertools.pairwise(sizes), start=1):
        shapes += [(f"weights_{number}", (inputs, units)), (f"biases_{number}", (units,))]
    return shapes


def _parts(sizes: Any) -> list[slice]:
    """Returns where each of these arrays lies in `Network.parameters`."""
    ends = np.cumsum([0, *(math.prod(shape) for _, shape in _shapes(sizes))]).tolist()
    return [slice(one, two) for one, two in itertools.pairwise(ends)]
