"""Training: shuffle, take a batch, go forward and backward, step; an epoch at a time."""

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasdl.scratch.activations import Floats
from kerasdl.scratch.losses import Labels
from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import SGD
from kerasdl.scratch.threads import blas_threads


@dataclasses.dataclass
class History:
    """How a training went; the lists have one number per epoch.

    Args:
        loss: Mean cross-entropy over the epoch's batches, each before its step, as Keras's.
        accuracy: Share of right answers there, 0..1.
        val_loss: Mean cross-entropy on the validation examples after the epoch; empty without.
        val_accuracy: Share of right answers there.
        seconds: Wall-clock time of the epoch's training, validation left out.
        kept: By number of epochs done, the network's parameters then, arrays (p,).
        diverged: True when the training ended because its numbers were no longer finite.
    """

    loss: list[float] = dataclasses.field(default_factory=list)
    accuracy: list[float] = dataclasses.field(default_factory=list)
    val_loss: list[float] = dataclasses.field(default_factory=list)
    val_accuracy: list[float] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    kept: dict[int, Floats] = dataclasses.field(default_factory=dict)
    diverged: bool = False


def fit(
    network: Network,
    inputs: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    epochs: int,
    optimizer: SGD,
    batch_size: int = 32,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    seed: int = 0,
    shuffle: bool = True,
    first_epoch: int = 0,
    keep: Collection[int] = (),
    on_epoch: Callable[[int, History], None] | None = None,
    threads: int | None = 1,
) -> History:
    """Trains a network.

    It ends early when the loss or a parameter is no longer finite: no step leads back from there.

    Args:
        network: Trained in place.
        inputs: Array (n, ...), floats or uint8 pixels; see `Network.prepare`.
        labels: int array (n,), each 0 <= label < num_classes.
        epochs: The number of epochs the network has behind it at the end, >= `first_epoch`.
        optimizer: Moves the parameters; it keeps its velocity for a continued training.
        batch_size: Examples per step, >= 1; the last batch of an epoch may be smaller.
        validation: Inputs and labels to score after each epoch.
        seed: Of the order, >= 0. The order of an epoch is a function of seed and epoch alone.
        shuffle: Draw a new order for each epoch.
        first_epoch: Epochs the network already has behind it.
        keep: Numbers of epochs after which to keep a copy of the parameters; 0 is the start.
        on_epoch: Called after each epoch with the number of epochs done and the history so far.
        threads: Threads of the matrix products; see `blas_threads`.

    Returns:
        The history of the epochs `first_epoch` + 1 to `epochs`.

    Raises:
        ValueError: If the arrays do not fit the network or each other, or a number is outside
            its range.
    """
    rows, answers = _check(network, inputs, labels, "the training set")
    scored = None if validation is None else _check(network, *validation, "the validation set")
    if batch_size < 1 or not 0 <= first_epoch <= epochs:
        raise ValueError(
            "batch_size must be at least 1 and 0 <= first_epoch <= epochs. Received: batch_size "
            f"{batch_size}, first_epoch {first_epoch}, epochs {epochs}"
        )
    if not set(keep) <= set(range(first_epoch, epochs + 1)):
        raise ValueError(
            f"keep must hold numbers of epochs from {first_epoch} to {epochs}. "
            f"Received: {sorted(keep)}"
        )
    history = History()
    if first_epoch in keep:
        history.kept[first_epoch] = network.parameters.copy()
    # A diverging training overflows; that is what `diverged` reports.
    silent = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with silent, blas_threads(threads):
        for epoch in range(first_epoch, epochs):
            started = time.perf_counter()
            order = epoch_order(len(rows), seed, epoch) if shuffle else np.arange(len(rows))
            loss, accuracy = _train_epoch(network, rows, answers, order, optimizer, batch_size)
            history.seconds.append(time.perf_counter() - started)
            history.loss.append(loss)
            history.accuracy.append(accuracy)
            if scored is not None:
                val_loss, val_accuracy = network.evaluate(*scored)
                history.val_loss.append(val_loss)
                history.val_accuracy.append(val_accuracy)
            finite = math.isfinite(loss) and np.isfinite(network.parameters).all()
            history.diverged = not finite
            if epoch + 1 in keep:
                history.kept[epoch + 1] = network.parameters.copy()
            if on_epoch is not None:
                on_epoch(epoch + 1, history)
            if history.diverged:
                break
    return history


def epoch_order(num_examples: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Returns the order of an epoch's examples, a permutation (n,), by seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def _train_epoch(
    network: Network,
    rows: npt.NDArray[Any],
    labels: Labels,
    order: npt.NDArray[np.int64],
    optimizer: SGD,
    batch_size: int,
) -> tuple[float, float]:
    """Runs one epoch; returns the mean loss and the accuracy over its examples."""
    total, right = 0.0, 0
    for batch, answers in batches(rows, labels, order, batch_size, network.dtype):
        loss, logits = network.loss_and_gradients(batch, answers)
        total += loss * len(answers)
        right += int(np.count_nonzero(logits.argmax(axis=1) == answers))
        optimizer.step(network.parameters, network.gradients)
    return total / len(order), right / len(order)


def batches(
    rows: npt.NDArray[Any],
    labels: Labels,
    order: npt.NDArray[np.int64],
    batch_size: int,
    dtype: np.dtype[Any],
) -> Iterator[tuple[Floats, Labels]]:
    """Yields an epoch's batches in the given order; uint8 pixels are scaled to 0..1.

    Args:
        rows: Array (n, num_inputs) of `dtype` or uint8.
        labels: int array (n,).
        order: int array (n,), indices of examples.
        batch_size: Examples per batch, >= 1.
        dtype: Of the batches.

    Yields:
        Inputs (b, num_inputs) and labels (b,). The next batch overwrites the inputs.
    """
    size = min(batch_size, len(order))
    raw = np.empty((size, rows.shape[1]), rows.dtype)
    scaled = raw if rows.dtype == dtype else np.empty(raw.shape, dtype)
    shuffled = labels[order]
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        n = len(chosen)
        # Every index is valid; "clip" only spares NumPy a copy that guards against others.
        np.take(rows, chosen, axis=0, out=raw[:n], mode="clip")
        if scaled is not raw:
            np.multiply(raw[:n], dtype.type(1 / 255), out=scaled[:n])
        yield scaled[:n], shuffled[start : start + n]


def _check(
    network: Network, inputs: npt.ArrayLike, labels: npt.ArrayLike, what: str
) -> tuple[npt.NDArray[Any], Labels]:
    """Returns the examples as rows with their labels, both checked."""
    rows, answers = network.prepare(inputs), np.asarray(labels)
    if answers.dtype.kind not in "iu" or answers.shape != (len(rows),) or len(rows) == 0:
        raise ValueError(
            f"{what} must have at least 1 example and one integer label for each. Received: "
            f"{len(rows)} examples, labels of shape {answers.shape}, {answers.dtype}"
        )
    if answers.min() < 0 or answers.max() >= network.num_classes:
        raise ValueError(
            f"the labels of {what} must be from 0 to {network.num_classes - 1}. Received: "
            f"{answers.min()} to {answers.max()}"
        )
    return rows, answers
