"""The compiled steps of an epoch: gather, augment, Keras's own `train_step`, on every replica."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerasdl.datasets.dataset import Examples
from kerasdl.training import augment, replicas
from kerasdl.training.order import flip_phase
from kerasdl.training.settings import Training

RunSteps = Callable[[npt.NDArray[np.int32], int, int, int], Any]


def compile_steps(
    model: keras.Model, strategy: Any, train: Examples, training: Training, seed: int
) -> tuple[RunSteps, int]:
    """Returns a function that runs steps of an epoch in one call, and the steps of an epoch.

    The function takes the epoch's order (int32, n), the 0-based epoch and the
    first and last (exclusive) step, and gives the metrics so far.

    Args:
        model: A compiled model, built inside `strategy.scope()`.
        strategy: A `tf.distribute.Strategy`.
        train: The examples; copied to every replica's device once.
        training: Uses batch_size, class_weight and the augmentation.
        seed: The seed of the augmentation, >= 0.
    """
    import tensorflow as tf

    _build_state(model, strategy, train)
    batch_size = min(training.batch_size, len(train))
    steps = -(-len(train) // batch_size)
    num_replicas = strategy.num_replicas_in_sync
    one_hot = train.labels.ndim == 2  # of a search whose loss takes them so
    weights = class_weights(train.labels.argmax(1) if one_hot else train.labels, training)
    phase = flip_phase(len(train), seed)
    # One copy of the data for each replica, on the replica's own device.
    data = tuple(
        replicas.on_devices(strategy, array) for array in (train.images, train.labels, phase)
    )
    active = augment.is_active(training)

    def step(images: Any, labels: Any, flips: Any, order: Any, epoch: Any, index: Any) -> None:
        batch = order[index * batch_size : (index + 1) * batch_size]
        uniform = None
        if active:
            # Drawn for the whole batch, so that replicas do not change it.
            counter = epoch * steps + tf.cast(index, "int64")
            uniform = augment.random_numbers(tf.size(batch), seed, counter, training)
        weight = None
        if num_replicas > 1:
            batch, uniform, weight = replicas.share(batch, uniform, num_replicas)
        x, y = tf.gather(images, batch), tf.gather(labels, batch)
        if active:
            mirrored = tf.not_equal(tf.gather(flips, batch), epoch % 2 == 1)
            x = augment.augment(x, uniform, mirrored, training)
        if weights is not None:
            of_class = tf.gather(tf.constant(weights), tf.argmax(y, 1) if one_hot else y)
            weight = of_class if weight is None else weight * of_class
        model.train_step((x, y) if weight is None else (x, y, weight))

    # The loop is written out: AutoGraph's rewriting of it took as long as tracing a small model.
    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run_steps(data: Any, order: Any, epoch: Any, first: Any, last: Any) -> Any:
        def one(index: Any) -> Any:
            size = tf.minimum(batch_size, tf.size(order) - index * batch_size)
            with replicas.exact_metrics(model, size, num_replicas):
                strategy.run(step, args=(*data, order, epoch, index))
            return (index + 1,)

        with replicas.own_states(model, strategy):
            tf.while_loop(lambda index: index < last, one, (first,))
        return model.get_metrics_result()

    without_warning(run_steps)

    def call(order: npt.NDArray[np.int32], epoch: int, first: int, last: int) -> Any:
        # Tensors, not Python numbers: those would be traced anew for each value. The images
        # are an argument, too: TensorFlow never frees the graph (all_reduce registers a
        # gradient of its own for ever), and a graph holds what it captures.
        numbers = tf.constant(epoch, "int64"), tf.constant(first), tf.constant(last)
        return run_steps(data, tf.constant(order), *numbers)

    return call, steps


def without_warning(function: Any) -> None:
    """Keeps TensorFlow from warning of tracing a `tf.function` that each model has of its own.

    It counts the tracings of one place in the code, whatever the function; the second
    training of a run would be told that something is expensive.
    """
    function._omit_frequent_tracing_warning = True


def class_weights(labels: npt.NDArray[np.int32], training: Training) -> Any:
    """Returns the weight of each class in the loss, or None where all count alike.

    Args:
        labels: int32 array (n,), n >= 1.
        training: Uses class_weight; "balanced" is n / (present classes × count), as in
            King and Zeng 2001 ("Logistic Regression in Rare Events Data", section 4).

    Returns:
        float32 array (largest label + 1,), mean 1 over the examples; 0 for absent classes.
    """
    if training.class_weight == "none":
        return None
    counts = np.bincount(labels)
    present = np.count_nonzero(counts)
    weights = np.divide(len(labels), present * counts, out=np.zeros(len(counts)), where=counts > 0)
    return weights.astype(np.float32)


def _build_state(model: keras.Model, strategy: Any, train: Examples) -> None:
    """Creates the optimizer's, the loss's and the metrics' variables, which are no step's to make.

    From shapes alone: computing them once is a tenth of what comes before the first step, since
    each kind of operation has its kernel looked up.
    """
    # Class numbers, or the one-hot rows of a search: which, decides what "accuracy" is.
    labels = keras.KerasTensor((None, *train.labels.shape[1:]), train.labels.dtype.name)
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
        outputs = getattr(model, "outputs", None)
        if not outputs:  # a subclass of Model, whose outputs are known when it is called
            outputs = [model(train.images[:1], training=False)]
        model._compile_loss.build(labels, outputs[0])
        if model._compile_metrics is not None:
            model._compile_metrics.build(labels, outputs[0])
        model.reset_metrics()
        replicas.take_over(model, strategy)
