"""A packed training between two steps: taken down for a checkpoint, and put back."""

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.training import state
from kerasdl.training.checkpoint import Checkpoint
from kerasdl.training.packed.histories import Histories
from kerasdl.training.packed.pack import Pack


def take(
    packs: Sequence[Pack],
    histories: Histories,
    callbacks: Sequence[keras.callbacks.Callback],
    place: tuple[int, int],
    sums: npt.NDArray[np.float64],
    train_seconds: float,
) -> Checkpoint:
    """Returns the state of a training.

    Args:
        packs: The models.
        histories: What became of them.
        callbacks: Keras callbacks.
        place: Finished epochs, and finished steps of the next.
        sums: What those steps added up to, see `Compiled.train`.
        train_seconds: Wall time so far.
    """
    # As they lie: what a model's own weight is would be rounded on the way back.
    arrays = [variable.numpy() for pack in packs for variable in pack.variables()]
    kept = state.take_callbacks(callbacks, arrays)
    rest = {
        "histories": histories.state(),
        "callbacks": kept,
        "sums": sums.tolist(),
        "train_seconds": train_seconds,
    }
    return Checkpoint(*place, arrays, rest)


def put(
    found: Checkpoint,
    packs: Sequence[Pack],
    histories: Histories,
    callbacks: Sequence[keras.callbacks.Callback],
) -> tuple[npt.NDArray[np.float64], float]:
    """Puts a state back that `take` returned.

    Args:
        found: The checkpoint.
        packs: Of the same models as those of the checkpoint, with their first weights.
        histories: Still empty.
        callbacks: Those it does not know stay as they are.

    Returns:
        The sums of the epoch that goes on, and the wall time so far.

    Raises:
        ValueError: If the variables are not those of these packs.
    """
    histories.restore(found.state["histories"])
    if (histories.best_epochs >= 0).any():
        for pack in packs:
            pack.remember()
    variables = [variable for pack in packs for variable in pack.variables()]
    shapes = [tuple(variable.shape) for variable in variables]
    if [array.shape for array in found.arrays[: len(shapes)]] != shapes:
        raise ValueError("the checkpoint's variables do not have the shapes of the models'")
    for variable, array in zip(variables, found.arrays, strict=False):
        variable.assign(array)
    state.put_callbacks(callbacks, found.arrays, found.state["callbacks"])
    return np.array(found.state["sums"], np.float64), float(found.state["train_seconds"])
